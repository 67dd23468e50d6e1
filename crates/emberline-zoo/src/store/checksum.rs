//! What is known of a file's bytes before they arrive: as much as their publisher says.

use std::{
    fmt,
    io::{self, Read},
};

use emberline_net::Digest;
use md5::{Digest as _, Md5};

/// What the bytes of a file must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checksum<'a> {
    /// The SHA-256 of all bytes.
    Sha256(Digest),
    /// The first hexadecimal digits of the SHA-256, as torchvision puts eight of them into its files' names. They tell a
    /// damaged file or another version, but do not stop somebody who means harm.
    Sha256Prefix(&'a str),
    /// The MD5, in hexadecimal digits, as in Keras' source. It does not stop somebody who means harm either.
    Md5(&'a str),
    /// Nothing: the publisher names no checksum. The SHA-256 that the first download has is kept beside the file, which is
    /// checked against it from then on.
    Unpublished,
}

impl Checksum<'_> {
    /// The name of the folder in which a store keeps files of this checksum.
    pub(super) fn folder(&self) -> String {
        match self {
            Self::Sha256(digest) => digest.to_string(),
            Self::Sha256Prefix(prefix) => format!("sha256-{prefix}"),
            Self::Md5(digits) => format!("md5-{digits}"),
            Self::Unpublished => "unpublished".to_owned(),
        }
    }

    /// Whether bytes are right; the inner error is what they have instead.
    pub(super) fn check(&self, mut from: impl Read) -> io::Result<Result<(), String>> {
        let (right, found) = match self {
            Self::Sha256(expected) => {
                let found = Digest::of_reader(from)?;
                (found == *expected, found.to_string())
            }
            Self::Sha256Prefix(expected) => {
                let found = Digest::of_reader(from)?.to_string();
                (found.starts_with(expected), found)
            }
            Self::Md5(expected) => {
                let mut md5 = Md5::new();
                let mut buffer = vec![0; 1 << 16];
                loop {
                    match from.read(&mut buffer)? {
                        0 => break,
                        read => md5.update(&buffer[..read]),
                    }
                }
                let found: String = md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                (found == *expected, found)
            }
            Self::Unpublished => (true, String::new()),
        };
        Ok(if right { Ok(()) } else { Err(found) })
    }
}

/// `SHA-256 5793...`.
impl fmt::Display for Checksum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "SHA-256 {digest}"),
            Self::Sha256Prefix(prefix) => write!(f, "SHA-256 {prefix}..."),
            Self::Md5(digits) => write!(f, "MD5 {digits}"),
            Self::Unpublished => f.write_str("no published checksum"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_knows_its_bytes() -> io::Result<()> {
        let check = |checksum: Checksum<'_>, found: &str| -> io::Result<()> {
            assert_eq!(checksum.check(&b"abc"[..])?, Ok(()), "{checksum}");
            assert_eq!(checksum.check(&b"abd"[..])?, Err(found.to_owned()), "{checksum}");
            Ok(())
        };
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let other = "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9";
        check(Checksum::Sha256(Digest::hex(sha)), other)?;
        check(Checksum::Sha256Prefix("ba7816bf"), other)?;
        check(Checksum::Md5("900150983cd24fb0d6963f7d28e17f72"), "4911e516e5aa21d327512e0c8b197616")
    }
}

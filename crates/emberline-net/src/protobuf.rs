//! A look over a protocol-buffer message before it is decoded: a field of two bytes may become a struct of hundreds, so that
//! what a file asks for is counted first.

use crate::{Error, Result};

/// How deep messages may nest, `prost`'s own limit.
const NESTING_MAX: u64 = 100;

/// The fields of a message that hold messages worth looking into: the kind of the message in it, by the kind of the message
/// around it and the field's number.
pub(crate) type Schema<K> = fn(K, u64) -> Option<K>;

/// What a message may ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    pub(crate) format: &'static str,
    /// Messages, texts and byte strings, at every depth.
    pub(crate) fields: u64,
}

/// Refuses a message with more fields than allowed, or nested too deeply; memory does not grow with it.
pub(crate) fn check<K: Copy>(bytes: &[u8], kind: K, schema: Schema<K>, allowed: Allowed) -> Result<()> {
    let mut fields = 0;
    count(bytes, kind, schema, allowed, NESTING_MAX, &mut fields)
}

fn count<K: Copy>(
    mut bytes: &[u8],
    kind: K,
    schema: Schema<K>,
    allowed: Allowed,
    depth_left: u64,
    fields: &mut u64,
) -> Result<()> {
    let Allowed { format, fields: most } = allowed;
    let limit = |limit, allowed, asked| Error::Limit { format, limit, allowed, asked };
    let depth_left =
        depth_left.checked_sub(1).ok_or_else(|| limit("nesting", NESTING_MAX, NESTING_MAX + 1))?;
    let cut = || Error::Format { format, problem: "it is cut off, or no protocol buffer".to_owned() };
    while !bytes.is_empty() {
        let tag = varint(&mut bytes).ok_or_else(cut)?;
        match tag & 7 {
            0 => _ = varint(&mut bytes).ok_or_else(cut)?,
            1 => _ = take(&mut bytes, 8).ok_or_else(cut)?,
            2 => {
                let length = varint(&mut bytes).ok_or_else(cut)?;
                let content = take(&mut bytes, length).ok_or_else(cut)?;
                *fields += 1;
                if *fields > most {
                    return Err(limit("fields", most, *fields));
                }
                if let Some(inner) = schema(kind, tag >> 3) {
                    count(content, inner, schema, allowed, depth_left, fields)?;
                }
            }
            5 => _ = take(&mut bytes, 4).ok_or_else(cut)?,
            _ => return Err(cut()),
        }
    }
    Ok(())
}

/// A variable-length integer, taken off the front.
pub(crate) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Some bytes, taken off the front.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages in field 1 of messages.
    fn nested(_: (), field: u64) -> Option<()> {
        (field == 1).then_some(())
    }

    #[test]
    fn what_a_message_asks_for_is_counted_before_it_is_decoded() {
        let check = |bytes: &[u8]| {
            let allowed = Allowed { format: "test", fields: 200 };
            check(bytes, (), nested, allowed).map_err(|error| error.to_string())
        };
        assert_eq!(check(&[0x0a, 0].repeat(200)), Ok(()));
        let error = check(&[0x0a, 0].repeat(201)).unwrap_err();
        assert_eq!(error, "test file: fields is limited to 200, the file asks for 201");
        let mut deep = Vec::new();
        for _ in 0..60 {
            deep = [vec![0x0a, u8::try_from(deep.len()).unwrap_or(0)], deep].concat();
        }
        assert_eq!(check(&deep), Ok(()));
        for cut in
            [&deep[..7], &[0x0a], &[0x09, 1], &[0x80], &[0x0f], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]]
        {
            assert_eq!(check(cut).unwrap_err(), "test file: it is cut off, or no protocol buffer");
        }
        let mut deeper = Vec::new();
        for _ in 0..101_u32 {
            let mut length = deeper.len();
            let mut head = vec![0x0a];
            while length >= 0x80 {
                head.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
                length >>= 7;
            }
            head.push(u8::try_from(length).unwrap_or(0));
            deeper = [head, deeper].concat();
        }
        assert_eq!(
            check(&deeper).unwrap_err(),
            "test file: nesting is limited to 100, the file asks for 101"
        );
    }
}

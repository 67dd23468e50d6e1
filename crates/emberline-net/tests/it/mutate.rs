//! Damage to files: bytes changed, cut out, doubled, cut off.

/// A copy with one to four changes; the same for the same seed, which it moves on.
pub(crate) fn mutate(bytes: &[u8], seed: &mut u64) -> Vec<u8> {
    let mut next = |below: usize| {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        usize::try_from(*seed >> 16).unwrap_or(0) % below.max(1)
    };
    let mut bytes = bytes.to_vec();
    for _ in 0..=next(4) {
        let (at, length) = (next(bytes.len()), next(16));
        let end = (at + length).min(bytes.len());
        match next(5) {
            0 => bytes[at] = u8::try_from(next(256)).unwrap_or(0),
            1 => bytes[at] ^= 1 << next(8),
            2 => _ = bytes.drain(at..end),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => bytes.truncate(at),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

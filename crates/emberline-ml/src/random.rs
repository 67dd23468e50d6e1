//! Numbers by chance that are the same everywhere: splitmix64 (Steele, Lea, Flood, *Fast Splittable Pseudorandom Number
//! Generators*, 2014).

/// How far the state moves from number to number.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Moves a state on and mixes it into 64 evenly spread bits.
pub(crate) fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(STEP);
    let z = *state;
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Bits as a number in [0, 1).
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * 2.0_f64.powi(-53)
}

//! Random numbers that are a function of a seed and a place, so that a resumed run draws the same ones.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// A generator for a place: equal places give equal numbers.
    pub(crate) fn new(place: &[u64]) -> Self {
        let mut random = Self { state: 0 };
        for part in place {
            random.state = random.bits() ^ part;
        }
        random
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly spread in `[0, 1)`.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normally distributed with mean 0 and deviation 1, by Box and Muller's transformation.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Normally distributed within two deviations of 0.
    pub(crate) fn truncated_normal(&mut self) -> f64 {
        loop {
            let value = self.normal();
            if value.abs() <= 2.0 {
                return value;
            }
        }
    }

    /// A whole number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // The upper half of the product: as even as 64 bits allow.
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }
}

/// The 64-bit FNV-1a hash of a name: <http://www.isthe.com/chongo/tech/comp/fnv/>.
pub(crate) fn hash(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

//! Numbers that begin at a line of the cache, so that vectors of them lie in one.

/// Numbers in a line of the cache.
pub(super) const LINE: usize = 16;

/// A line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Numbers, at first zeros.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<Line>);

impl Buffer {
    /// So many zeros, rounded up to whole lines.
    pub(super) fn new(len: usize) -> Self {
        Self(vec![Line([0.0; LINE]); len.div_ceil(LINE)])
    }

    /// The numbers.
    pub(super) fn numbers(&self) -> &[f32] {
        // SAFETY: a line is 16 numbers without padding, and a vector of them is initialised.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LINE) }
    }

    /// The numbers.
    pub(super) fn numbers_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `numbers`, and the vector is borrowed for writing.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }
}

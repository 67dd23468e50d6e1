//! Rows of windows over rows of values.

use std::ops::Range;

/// What of a row of windows lies within the input's row: which windows, where the first of them does, and how far apart they stand.
pub(super) struct Overlap {
    pub(super) inside: Range<usize>,
    pub(super) first: usize,
    pub(super) step: usize,
}

impl Overlap {
    /// Of so many windows that stand `step` apart, the first of them at `offset`, over a row of so many values.
    pub(super) fn new(offset: isize, step: usize, windows: usize, values: usize) -> Self {
        let start = offset.min(0).unsigned_abs().div_ceil(step).min(windows);
        let room = values as isize - offset;
        let end = (room.max(0) as usize).div_ceil(step).clamp(start, windows);
        let first = (offset + (start * step) as isize).max(0) as usize;
        Self { inside: start..end, first: first.min(values), step }
    }

    /// Writes what windows see of a row; zero is what they see beside it.
    pub(super) fn copy(&self, target: &mut [f32], source: &[f32]) {
        if self.inside.len() < target.len() {
            target[..self.inside.start].fill(0.0);
            target[self.inside.end..].fill(0.0);
        }
        let target = &mut target[self.inside.clone()];
        match self.step {
            1 => target.copy_from_slice(&source[self.first..][..target.len()]),
            step => {
                let source = source[self.first..].chunks(step);
                target.iter_mut().zip(source).for_each(|(to, from)| *to = from[0]);
            }
        }
    }

    /// Adds what windows saw to a row.
    pub(super) fn add(&self, target: &mut [f32], source: &[f32]) {
        let source = &source[self.inside.clone()];
        let target = &mut target[self.first..];
        match self.step {
            1 => target.iter_mut().zip(source).for_each(|(to, from)| *to += from),
            step => target.chunks_mut(step).zip(source).for_each(|(to, from)| to[0] += from),
        }
    }
}

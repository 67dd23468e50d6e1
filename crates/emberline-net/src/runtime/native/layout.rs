//! Where the numbers of a value lie in its buffer: place after place, channels last, around them a border of zeros as wide as the
//! padding of the convolutions that read it.

use super::{
    graph::{Axes, Shape, Window},
    memory::LINE,
    multiply::Places,
    vector::LANES,
};

/// Numbers apart that few lines of a cache with 64 sets of lines hold: a quarter of its sets' size.
const ALIASES: usize = 256;

/// The layout of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) shape: Shape,
    /// From one place to the next.
    pub(super) step: usize,
    /// Lines above, places to the left.
    before: [usize; 2],
    /// Lines below, places to the right.
    after: [usize; 2],
}

impl Layout {
    /// Whole eights of channels, so that they can be written in eights; what is behind the last channel means nothing. Places
    /// are no powers of two apart, which would all share a few lines of the first cache.
    pub(super) fn new(shape: Shape) -> Self {
        let eights = shape.channels.next_multiple_of(LANES);
        let step = if eights.is_multiple_of(ALIASES) && shape.places() > 1 { eights + LINE } else { eights };
        Self { shape, step, before: [0; 2], after: [0; 2] }
    }

    /// Without room behind the last channel.
    pub(super) fn dense(self) -> Self {
        Self { step: self.shape.channels, ..self }
    }

    /// Channels in whole eights: what of every place is computed.
    pub(super) fn eights(&self) -> usize {
        self.shape.channels.next_multiple_of(LANES)
    }

    /// With a border as wide as these windows need it.
    pub(super) fn with_border_for(mut self, window: &Window, counts: [usize; 2]) -> Self {
        for (axis, size) in [self.shape.height, self.shape.width].into_iter().enumerate() {
            let seen = (counts[axis] - 1) * window.strides[axis]
                + (window.size[axis] - 1) * window.dilations[axis]
                + 1;
            self.before[axis] = self.before[axis].max(window.before[axis]);
            self.after[axis] = self.after[axis].max(seen.saturating_sub(window.before[axis] + size));
        }
        self
    }

    /// From one line to the next.
    pub(super) fn line(&self) -> usize {
        (self.before[1] + self.shape.width + self.after[1]) * self.step
    }

    /// All numbers with the border.
    pub(super) fn len(&self) -> usize {
        (self.before[0] + self.shape.height + self.after[0]) * self.line()
    }

    /// The places within the border.
    pub(super) fn places(&self) -> Places {
        let start = self.before[0] * self.line() + self.before[1] * self.step;
        Places { start, width: self.shape.width, step: self.step, line: self.line() }
    }

    /// The first places of windows, of which `across` stand side by side.
    pub(super) fn windows(&self, window: &Window, across: usize) -> Places {
        let (down, right) = (self.before[0] - window.before[0], self.before[1] - window.before[1]);
        Places {
            start: down * self.line() + right * self.step,
            width: across,
            step: window.strides[1] * self.step,
            line: window.strides[0] * self.line(),
        }
    }

    /// Writes the border's zeros.
    pub(super) fn clear_border(&self, buffer: &mut [f32]) {
        let (line, Places { start, width, step, .. }) = (self.line(), self.places());
        if self.before == [0; 2] && self.after == [0; 2] {
            return;
        }
        let first = self.before[0] * line;
        let end = first + self.shape.height * line;
        buffer[..first].fill(0.0);
        buffer[end..self.len()].fill(0.0);
        for line in buffer[first..end].chunks_exact_mut(line) {
            line[..start - first].fill(0.0);
            line[start - first + width * step..].fill(0.0);
        }
    }

    /// Writes a sample that a caller gives.
    pub(super) fn write(&self, axes: Axes, sample: &[f32], buffer: &mut [f32]) {
        self.clear_border(buffer);
        let Shape { width, channels, .. } = self.shape;
        let (places, step) = (self.shape.places(), self.step);
        let lines = (0..self.shape.height).map(|line| self.places().start + line * self.line());
        for (y, start) in lines.enumerate() {
            let line = &mut buffer[start..][..width * step];
            if axes == Axes::First {
                for channel in 0..channels {
                    let plane = &sample[channel * places + y * width..][..width];
                    line[channel..].iter_mut().step_by(step).zip(plane).for_each(|(to, from)| *to = *from);
                }
            } else {
                let given = sample[y * width * channels..].chunks_exact(channels);
                line.chunks_exact_mut(step)
                    .zip(given)
                    .for_each(|(to, from)| to[..channels].copy_from_slice(from));
            }
        }
    }

    /// Reads a sample in the order of these axes.
    pub(super) fn read(&self, axes: Axes, buffer: &[f32], sample: &mut [f32]) {
        let channels = self.shape.channels;
        let (places, all) = (self.places(), self.shape.places());
        for place in 0..all {
            let numbers = &buffer[places.at(place)..][..channels];
            if axes == Axes::First {
                sample[place..].iter_mut().step_by(all).zip(numbers).for_each(|(to, from)| *to = *from);
            } else {
                sample[place * channels..][..channels].copy_from_slice(numbers);
            }
        }
    }
}

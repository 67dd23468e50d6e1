//! The greatest number or the mean of windows.

use super::{graph::Window, layout::Layout, pointwise::Input};

/// The greatest number of every channel in every window; padding is none of them.
pub(super) fn greatest(window: &Window, input: Input<'_>, output: (&mut [f32], Layout)) {
    over_windows(
        window,
        input,
        output,
        f32::NEG_INFINITY,
        |all, number| {
            if number > all || number.is_nan() { number } else { all }
        },
        |_, _| {},
    );
}

/// The mean of every channel in every window, over all of it or over what is no padding.
pub(super) fn mean(window: &Window, with_padding: bool, input: Input<'_>, output: (&mut [f32], Layout)) {
    let all = window.size[0] * window.size[1];
    over_windows(
        window,
        input,
        output,
        0.0,
        |all, number| all + number,
        |sums, seen| {
            let share = 1.0 / if with_padding { all } else { seen } as f32;
            sums.iter_mut().for_each(|sum| *sum *= share);
        },
    );
}

fn over_windows(
    window: &Window,
    (input, from): Input<'_>,
    (output, to): (&mut [f32], Layout),
    start: f32,
    join: impl Fn(f32, f32) -> f32,
    finish: impl Fn(&mut [f32], usize),
) {
    let seen = |axis: usize, i: usize, size: usize| {
        let first = i * window.strides[axis];
        let end = (first + window.size[axis]).saturating_sub(window.before[axis]).min(size);
        first.saturating_sub(window.before[axis])..end
    };
    let (places, len) = (from.places(), to.eights());
    for y in 0..to.shape.height {
        let lines = seen(0, y, from.shape.height);
        for x in 0..to.shape.width {
            let columns = seen(1, x, from.shape.width);
            let all = &mut output[to.places().at(y * to.shape.width + x)..][..len];
            all.fill(start);
            for line in lines.clone() {
                for column in columns.clone() {
                    let at = places.start + line * places.line + column * places.step;
                    all.iter_mut()
                        .zip(&input[at..][..len])
                        .for_each(|(all, number)| *all = join(*all, *number));
                }
            }
            finish(all, lines.len() * columns.len());
        }
    }
}

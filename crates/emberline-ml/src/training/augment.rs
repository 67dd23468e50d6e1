//! Pictures changed a little in every epoch, so that a network does not learn them by heart. What happens to a picture is a
//! function of seed, epoch and row.

use serde::Deserialize;

use crate::random::{splitmix64, unit};

/// What may happen to pictures; nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Augmentation {
    /// Whether half of them are mirrored left to right.
    pub(super) horizontal_flip: bool,
    /// Whether half of them are mirrored top to bottom.
    pub(super) vertical_flip: bool,
    /// Up to which share of each side is cut away, in `[0, 1)`; what is left lies anywhere and is brought back to full size.
    pub(super) crop: f32,
    /// By how many degrees they are turned at most, to either side.
    pub(super) rotation: f32,
    /// Up to which share of the full range pixels become brighter or darker.
    pub(super) brightness: f32,
    /// Up to which share differences from a channel's mean become greater or smaller.
    pub(super) contrast: f32,
    /// Up to which share colours become stronger or paler.
    pub(super) saturation: f32,
    /// The parameter of mixup's beta distribution (<https://arxiv.org/abs/1710.09412>), in `(0, 1]`; 0 for none.
    pub(super) mixup: f32,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            horizontal_flip: false,
            vertical_flip: false,
            crop: 0.0,
            rotation: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            mixup: 0.0,
        }
    }
}

/// Numbers by chance that are a function of what they are for.
#[derive(Debug)]
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn of(purpose: &[u64]) -> Self {
        let mut state = 0;
        for part in purpose {
            state ^= part;
            state = splitmix64(&mut state);
        }
        Self(state)
    }

    /// In `[0, 1)`.
    fn share(&mut self) -> f32 {
        unit(splitmix64(&mut self.0)) as f32
    }

    /// In `[-most, most)`.
    fn around(&mut self, most: f32) -> f32 {
        (2.0 * self.share() - 1.0) * most
    }

    fn coin(&mut self) -> bool {
        self.share() < 0.5
    }

    /// Of a symmetric beta distribution with a parameter in `(0, 1]`, by Jöhnk's method.
    pub(super) fn beta(&mut self, alpha: f32) -> f32 {
        loop {
            let (a, b) = (self.share().powf(1.0 / alpha), self.share().powf(1.0 / alpha));
            // Of a small parameter both may vanish: the distribution is nearly a coin.
            if a + b <= f32::MIN_POSITIVE {
                return if self.coin() { 1.0 } else { 0.0 };
            }
            if a + b <= 1.0 {
                return a / (a + b);
            }
        }
    }
}

impl Augmentation {
    /// Whether pictures stay as they are.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with a setting: its name, what is expected, what was found.
    pub(super) fn check(&self) -> Result<(), String> {
        let shares = [
            ("crop", self.crop, 0.0..1.0),
            ("rotation", self.rotation, 0.0..180.1),
            ("brightness", self.brightness, 0.0..1.0),
            ("contrast", self.contrast, 0.0..1.0),
            ("saturation", self.saturation, 0.0..1.0),
        ];
        for (name, value, range) in shares {
            if !range.contains(&value) {
                let most = if name == "rotation" { "180 degrees" } else { "less than 1" };
                return Err(format!("`{name}`: expected 0 to {most}, found {value}"));
            }
        }
        if !(0.0..=1.0).contains(&self.mixup) {
            return Err(format!("`mixup`: expected 0 to 1, found {}", self.mixup));
        }
        Ok(())
    }

    /// Changes a picture of numbers from 0 to 255, `[height, width, channels]`.
    pub(super) fn apply(
        &self,
        pixels: &mut Vec<f32>,
        [height, width, channels]: [usize; 3],
        draws: &mut Draws,
    ) {
        // Every draw is made whatever the settings, so that one setting does not change what another one does.
        let (mirrored, upside_down) = (draws.coin(), draws.coin());
        let side = 1.0 - draws.share() * self.crop;
        let (left, top) = (draws.share(), draws.share());
        let angle = draws.around(self.rotation).to_radians();
        let brighter = draws.around(self.brightness) * 255.0;
        let contrast = 1.0 + draws.around(self.contrast);
        let saturation = 1.0 + draws.around(self.saturation);
        let place = Placement {
            scale: [
                if self.horizontal_flip && mirrored { -side } else { side },
                if self.vertical_flip && upside_down { -side } else { side },
            ],
            centre: [(left - 0.5) * (1.0 - side), (top - 0.5) * (1.0 - side)],
            angle,
        };
        if !place.is_whole() {
            *pixels = place.sample(pixels, height, width, channels);
        }
        if self.brightness > 0.0 || self.contrast > 0.0 || self.saturation > 0.0 {
            recolour(pixels, channels, brighter, contrast, saturation);
        }
    }
}

/// The part of a picture that fills the new one.
struct Placement {
    /// Its width and height as shares of the picture's; negative ones are mirrored.
    scale: [f32; 2],
    /// How far its centre is from the picture's, in shares of the sides.
    centre: [f32; 2],
    angle: f32,
}

impl Placement {
    fn is_whole(&self) -> bool {
        self.scale == [1.0, 1.0] && self.angle == 0.0
    }

    /// The pixels there, between four of the picture; beyond its edge lies what is at the edge.
    fn sample(&self, pixels: &[f32], height: usize, width: usize, channels: usize) -> Vec<f32> {
        let (sin, cos) = self.angle.sin_cos();
        let (w, h) = (width as f32, height as f32);
        let mut out = Vec::with_capacity(pixels.len());
        for y in 0..height {
            for x in 0..width {
                let dx = (x as f32 + 0.5 - w / 2.0) * self.scale[0];
                let dy = (y as f32 + 0.5 - h / 2.0) * self.scale[1];
                let fx = cos * dx - sin * dy + w * (0.5 + self.centre[0]) - 0.5;
                let fy = sin * dx + cos * dy + h * (0.5 + self.centre[1]) - 0.5;
                let (fx, fy) = (fx.clamp(0.0, w - 1.0), fy.clamp(0.0, h - 1.0));
                let (x0, y0) = (fx as usize, fy as usize);
                let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
                let (ax, ay) = (fx - x0 as f32, fy - y0 as f32);
                for c in 0..channels {
                    let at = |x: usize, y: usize| pixels[(y * width + x) * channels + c];
                    let upper = at(x0, y0) * (1.0 - ax) + at(x1, y0) * ax;
                    let lower = at(x0, y1) * (1.0 - ax) + at(x1, y1) * ax;
                    out.push(upper * (1.0 - ay) + lower * ay);
                }
            }
        }
        out
    }
}

fn recolour(pixels: &mut [f32], channels: usize, brighter: f32, contrast: f32, saturation: f32) {
    let count = (pixels.len() / channels.max(1)) as f32;
    let mut means = vec![0.0; channels];
    for pixel in pixels.chunks_exact(channels) {
        means.iter_mut().zip(pixel).for_each(|(mean, value)| *mean += value / count);
    }
    for pixel in pixels.chunks_exact_mut(channels) {
        let grey = pixel.iter().sum::<f32>() / channels as f32;
        for (value, mean) in pixel.iter_mut().zip(&means) {
            let coloured = grey + (*value - grey) * saturation;
            *value = ((coloured - mean) * contrast + mean + brighter).clamp(0.0, 255.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Vec<f32> {
        (0..4 * 6 * 3).map(|i| (i * 37 % 256) as f32).collect()
    }

    fn augmented(augmentation: &Augmentation, purpose: &[u64]) -> Vec<f32> {
        let mut pixels = picture();
        augmentation.apply(&mut pixels, [4, 6, 3], &mut Draws::of(purpose));
        pixels
    }

    #[test]
    fn what_happens_is_a_function_of_its_purpose() {
        let all = Augmentation {
            horizontal_flip: true,
            vertical_flip: true,
            crop: 0.3,
            rotation: 20.0,
            brightness: 0.2,
            contrast: 0.2,
            saturation: 0.2,
            mixup: 0.0,
        };
        assert_eq!(augmented(&all, &[1, 2, 3]), augmented(&all, &[1, 2, 3]));
        assert_ne!(augmented(&all, &[1, 2, 3]), augmented(&all, &[1, 3, 3]));
        assert_ne!(augmented(&all, &[1, 2, 3]), augmented(&all, &[1, 2, 4]));
        assert!(augmented(&all, &[7, 7, 7]).iter().all(|value| (0.0..=255.0).contains(value)));
        assert_eq!(augmented(&Augmentation::default(), &[1]), picture());
    }

    #[test]
    fn a_mirrored_picture_has_the_same_pixels_in_other_places() {
        let flip = Augmentation { horizontal_flip: true, ..Augmentation::default() };
        let mirrored: Vec<f32> = picture()
            .chunks_exact(6 * 3)
            .flat_map(|row| row.chunks_exact(3).rev().flatten().copied())
            .collect();
        let found: Vec<Vec<f32>> = (0..40).map(|row| augmented(&flip, &[row])).collect();
        assert!(found.iter().all(|pixels| *pixels == mirrored || *pixels == picture()));
        assert!(found.contains(&mirrored) && found.contains(&picture()));
    }

    #[test]
    fn beta_of_one_is_even_and_of_little_is_a_coin() {
        let draws = |alpha: f32| {
            let mut draws = Draws::of(&[5]);
            (0..2000).map(|_| draws.beta(alpha)).collect::<Vec<f32>>()
        };
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean(&draws(1.0)) - 0.5).abs() < 0.03);
        let (even, coin) = (draws(1.0), draws(0.05));
        let middle = |values: &[f32]| values.iter().filter(|value| (0.1..0.9).contains(*value)).count();
        assert!(middle(&even) > 1400 && middle(&coin) < 400, "{} {}", middle(&even), middle(&coin));
    }
}

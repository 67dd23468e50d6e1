//! How long one core takes from a JPEG file to a tensor of 3x224x224, by filter.
//!
//! ```text
//! cargo run -p emberline-image --example preprocess_speed [PHOTO.jpg]
//! ```
//!
//! Without a photo it makes one of 640x480 pixels. Each line is the best of several rounds, so that other work on the
//! machine counts little.

use std::io::Write as _;
use std::time::{Duration, Instant};

use emberline_image::{
    ChannelOrder, Channels, DecodeOptions, Fit, Format, Image, Layout, Preprocessing, Resize, Scratch,
    decode, encode,
};

const ROUNDS: usize = 30;

fn main() -> anyhow::Result<()> {
    let bytes = match std::env::args_os().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => encode(&synthetic_photo(640, 480)?, Format::Jpeg)?,
    };
    let options = DecodeOptions::default();
    let image = decode(&bytes, &options)?;
    let mut out = std::io::stdout();
    writeln!(out, "{} KiB, {}x{}; ms per image:", bytes.len() / 1024, image.width(), image.height())?;
    writeln!(out, "{:<20} {:>7.3}", "decode", best(|| decode(&bytes, &options).map(drop))?)?;
    let mut scratch = Scratch::default();
    for resize in Resize::ALL {
        let preprocessing = Preprocessing {
            width: 224,
            height: 224,
            resize,
            fit: Fit::Stretch,
            background: [255; 3],
            order: ChannelOrder::Rgb,
            layout: Layout::Nchw,
            mean: [127.0; 3],
            std: [128.0; 3],
        };
        let mut tensor = vec![0.0; preprocessing.tensor_len()];
        let from_bytes = best(|| preprocessing.bytes_to_tensor(&bytes, &options, &mut scratch, &mut tensor))?;
        writeln!(out, "{:<20} {from_bytes:>7.3}", format!("to tensor, {resize}"))?;
    }
    Ok(())
}

/// The shortest of several runs, in milliseconds.
fn best(mut run: impl FnMut() -> Result<(), emberline_image::ImageError>) -> anyhow::Result<f64> {
    let mut shortest = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        run()?;
        shortest = shortest.min(start.elapsed());
    }
    Ok(shortest.as_secs_f64() * 1000.0)
}

/// Waves and speckles: as hard to decode as a photo with some texture.
fn synthetic_photo(width: u32, height: u32) -> anyhow::Result<Image> {
    let mut data = Vec::new();
    let mut speckle = 1_u32;
    for y in 0..height {
        for x in 0..width {
            speckle = speckle.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (speckle >> 28) as f32;
            let wave = |period: f32| ((x as f32 / period).sin() + (y as f32 / (period * 1.3)).cos()) * 50.0;
            data.extend([31.0, 47.0, 13.0].map(|period| (120.0 + wave(period) + noise) as u8));
        }
    }
    Ok(Image::new(width, height, Channels::Rgb, data)?)
}

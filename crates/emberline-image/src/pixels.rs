//! Pixels in memory: 8 bits per channel, row major, interleaved, without padding.

use serde::{Deserialize, Serialize};

use crate::ImageError;

/// A picture: `height` rows of `width` pixels of 1, 3 or 4 bytes, `[H, W, C]`, top row first.
///
/// Decoders produce gray, RGB or RGBA. Spark stores BGR and BGRA in the same layout; see [`Image::to_bgr`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    channels: Channels,
    data: Vec<u8>,
}

/// How many bytes a pixel has, and what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Channels {
    /// Luminance.
    Gray = 1,
    /// Red, green, blue.
    Rgb = 3,
    /// Red, green, blue and opacity, the colours not multiplied by it.
    Rgba = 4,
}

impl Channels {
    /// Bytes per pixel: 1, 3 or 4.
    #[must_use]
    pub fn count(self) -> usize {
        self as usize
    }

    /// The channels of a pixel of `count` bytes, or `None` when no such pixel exists.
    #[must_use]
    pub fn from_count(count: usize) -> Option<Self> {
        [Self::Gray, Self::Rgb, Self::Rgba].into_iter().find(|channels| channels.count() == count)
    }
}

impl Image {
    /// Takes pixels as they are.
    ///
    /// # Errors
    /// When a side is 0, or `data` is not `width * height * channels` bytes long.
    ///
    /// ```
    /// use emberline_image::{Channels, Image};
    ///
    /// assert!(Image::new(2, 2, Channels::Gray, vec![0; 4]).is_ok());
    /// let error = Image::new(2, 2, Channels::Rgb, vec![0; 4]).unwrap_err();
    /// assert_eq!(error.to_string(), "an image of 2x2 pixels and 3 channels holds 4 values, expected 12");
    /// ```
    pub fn new(width: u32, height: u32, channels: Channels, data: Vec<u8>) -> Result<Self, ImageError> {
        for (name, side) in [("image width", width), ("image height", height)] {
            if side == 0 {
                return Err(ImageError::Parameter { name, expected: "at least 1".into(), found: "0".into() });
            }
        }
        let expected = byte_len(width, height, channels);
        if expected != Some(data.len()) {
            return Err(ImageError::Length {
                what: format!("an image of {width}x{height} pixels and {} channels", channels.count()),
                expected: expected.unwrap_or(usize::MAX),
                found: data.len(),
            });
        }
        Ok(Self { width, height, channels, data })
    }

    /// Takes pixels whose size the caller has established.
    pub(crate) fn from_parts(width: u32, height: u32, channels: Channels, data: Vec<u8>) -> Self {
        debug_assert_eq!(byte_len(width, height, channels), Some(data.len()));
        Self { width, height, channels, data }
    }

    /// Pixels per row.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// What a pixel is made of.
    #[must_use]
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// The pixels, `[H, W, C]`.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The pixels, `[H, W, C]`, without a copy.
    #[must_use]
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Three channels whatever there were: gray is replicated, alpha is composited over `background` (in this
    /// image's own channel order). Three channels pass through without a copy.
    ///
    /// ```
    /// use emberline_image::{Channels, Image};
    ///
    /// let half_transparent_red = Image::new(1, 1, Channels::Rgba, vec![255, 0, 0, 128])?;
    /// assert_eq!(half_transparent_red.flatten([255; 3]).data(), [255, 127, 127]);
    /// # Ok::<(), emberline_image::ImageError>(())
    /// ```
    #[must_use]
    pub fn flatten(mut self, background: [u8; 3]) -> Self {
        match self.channels {
            Channels::Rgb => {}
            Channels::Gray => self.data = self.data.iter().flat_map(|&gray| [gray; 3]).collect(),
            Channels::Rgba => composite(&mut self.data, background),
        }
        self.channels = Channels::Rgb;
        self
    }

    /// Red and blue change places, in the same buffer: RGB(A) becomes the BGR(A) of Spark and OpenCV. Gray stays.
    #[must_use]
    pub fn to_bgr(mut self) -> Self {
        match self.channels {
            Channels::Gray => {}
            Channels::Rgb => self.data.as_chunks_mut::<3>().0.iter_mut().for_each(|px| px.swap(0, 2)),
            Channels::Rgba => self.data.as_chunks_mut::<4>().0.iter_mut().for_each(|px| px.swap(0, 2)),
        }
        self
    }

    /// The inverse of [`Image::to_bgr`], which is the same exchange.
    #[must_use]
    pub fn from_bgr(self) -> Self {
        self.to_bgr()
    }
}

/// Bytes of a picture, or `None` when memory cannot hold so many.
pub(crate) fn byte_len(width: u32, height: u32, channels: Channels) -> Option<usize> {
    (width as usize).checked_mul(height as usize)?.checked_mul(channels.count())
}

/// RGBA to RGB over a background, in the same buffer. Rounds to nearest, ties up.
pub(crate) fn composite(rgba: &mut Vec<u8>, background: [u8; 3]) {
    let pixels = rgba.len() / 4;
    for index in 0..pixels {
        let [red, green, blue, alpha] = [0, 1, 2, 3].map(|channel| rgba[index * 4 + channel]);
        let over = |front: u8, back: u8| {
            let sum = u32::from(front) * u32::from(alpha) + u32::from(back) * u32::from(255 - alpha);
            ((sum + 127) / 255) as u8
        };
        rgba[index * 3] = over(red, background[0]);
        rgba[index * 3 + 1] = over(green, background[1]);
        rgba[index * 3 + 2] = over(blue, background[2]);
    }
    rgba.truncate(pixels * 3);
}

//! Pictures of one size from pictures of another, by named rules.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use fast_image_resize::FilterType;
use serde::{Deserialize, Serialize};

use crate::area::{self, AreaScratch};
use crate::convolve::{self, ConvolveScratch};
use crate::{Channels, Image, ImageError};

/// The rule by which a picture changes its size. The name is the same in text, in JSON and in saved models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Resize {
    /// `bilinear`: a triangle as wide as the reduction asks for (antialiased), as Pillow's `BILINEAR`.
    #[default]
    Bilinear,
    /// `bicubic`: Keys' cubic with a = -0.5, antialiased, as Pillow's `BICUBIC`.
    Bicubic,
    /// `area`: the exact mean over the box that a pixel covers, fractions included, computed in integers and rounded
    /// to nearest, ties up. This is Java's `SCALE_AREA_AVERAGING`, hence sparkdl's; Pillow's `BOX` is not exact.
    Area,
    /// `nearest`: one source pixel each, picked as Pillow's `NEAREST` does.
    Nearest,
}

impl Resize {
    /// Every rule.
    pub const ALL: [Self; 4] = [Self::Bilinear, Self::Bicubic, Self::Area, Self::Nearest];

    /// The rule's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
            Self::Area => "area",
            Self::Nearest => "nearest",
        }
    }
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads a rule's name, or one of the names of Java and sparkdl (`scaleHint`).
///
/// ```
/// use emberline_image::Resize;
///
/// assert_eq!("bicubic".parse(), Ok(Resize::Bicubic));
/// assert_eq!("SCALE_AREA_AVERAGING".parse(), Ok(Resize::Area));
/// assert!("lanczos".parse::<Resize>().is_err());
/// ```
impl FromStr for Resize {
    type Err = ImageError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "bilinear" => Ok(Self::Bilinear),
            "bicubic" => Ok(Self::Bicubic),
            "area" | "SCALE_AREA_AVERAGING" | "SCALE_SMOOTH" => Ok(Self::Area),
            "nearest" | "SCALE_DEFAULT" | "SCALE_FAST" | "SCALE_REPLICATE" => Ok(Self::Nearest),
            _ => Err(ImageError::Parameter {
                name: "resize",
                expected: "one of bilinear, bicubic, area, nearest, SCALE_AREA_AVERAGING, SCALE_SMOOTH, \
                           SCALE_DEFAULT, SCALE_FAST, SCALE_REPLICATE"
                    .to_owned(),
                found: format!("{name:?}"),
            }),
        }
    }
}

impl TryFrom<String> for Resize {
    type Error = ImageError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<Resize> for String {
    fn from(resize: Resize) -> Self {
        resize.name().to_owned()
    }
}

/// Longest side, in pixels, of a picture that is resized and of the result: that of the largest JPEG. It keeps the sums
/// of the area rule within 32 bits.
pub const SIDE_MAX: u32 = 65_535;

/// A picture of `width` x `height` pixels; proportions are not kept. Colours of transparent pixels do not bleed into
/// their neighbours, except that [`Resize::Nearest`] copies pixels as they are.
///
/// # Errors
/// When a side of the picture or of the result is 0 or over [`SIDE_MAX`].
///
/// ```
/// use emberline_image::{Channels, Image, Resize, resize};
///
/// let image = Image::new(4, 1, Channels::Gray, vec![10, 20, 30, 41])?;
/// assert_eq!(resize(&image, 2, 1, Resize::Area)?.data(), [15, 36]);
/// assert_eq!(resize(&image, 2, 1, Resize::Nearest)?.data(), [20, 41]);
/// # Ok::<(), emberline_image::ImageError>(())
/// ```
pub fn resize(image: &Image, width: u32, height: u32, rule: Resize) -> Result<Image, ImageError> {
    let mut data = Vec::new();
    let whole = Crop { left: 0, top: 0, width: image.width(), height: image.height() };
    let source = Source {
        data: image.data(),
        width: image.width(),
        height: image.height(),
        channels: image.channels(),
        opaque: false,
        crop: whole,
    };
    resize_into(&source, (width, height), rule, &mut ResizeScratch::default(), &mut data)?;
    Ok(Image::from_parts(width, height, image.channels(), data))
}

/// Memory that resizing needs, kept from image to image.
#[derive(Debug, Default)]
pub(crate) struct ResizeScratch {
    convolve: ConvolveScratch,
    area: AreaScratch,
}

/// Pixels to be resized: a box of a larger picture. Pixels outside of the box are never looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: Channels,
    /// Whether a fourth channel is known to be 255 everywhere.
    pub(crate) opaque: bool,
    pub(crate) crop: Crop,
}

/// A box, in pixels, inside of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crop {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl<'a> Source<'a> {
    /// The pixels of one row of the box, counted from its top.
    pub(crate) fn row(&self, index: usize) -> &'a [u8] {
        let channels = self.channels.count();
        let start =
            ((self.crop.top as usize + index) * self.width as usize + self.crop.left as usize) * channels;
        &self.data[start..start + self.crop.width as usize * channels]
    }

    /// All pixels of some rows of the box, where nothing lies between them.
    pub(crate) fn rows(&self, rows: Range<usize>) -> Option<&'a [u8]> {
        let line = self.width as usize * self.channels.count();
        let (start, end) = (self.crop.top as usize + rows.start, self.crop.top as usize + rows.end);
        (self.crop.width == self.width).then(|| &self.data[start * line..end * line])
    }
}

/// Resizes into `target`, which is made `width * height * channels` bytes long.
pub(crate) fn resize_into(
    source: &Source<'_>,
    (width, height): (u32, u32),
    rule: Resize,
    scratch: &mut ResizeScratch,
    target: &mut Vec<u8>,
) -> Result<(), ImageError> {
    let sides = [
        ("source width", source.width),
        ("source height", source.height),
        ("target width", width),
        ("target height", height),
    ];
    for (name, side) in sides {
        if side == 0 || side > SIDE_MAX {
            let expected = format!("1 to {SIDE_MAX} pixels");
            return Err(ImageError::Parameter { name, expected, found: side.to_string() });
        }
    }
    target.resize(width as usize * height as usize * source.channels.count(), 0);
    let size = (width, height);
    if (source.crop.width, source.crop.height) == size {
        let rows = target.chunks_exact_mut(width as usize * source.channels.count());
        rows.enumerate().for_each(|(index, row)| row.copy_from_slice(source.row(index)));
        return Ok(());
    }
    match rule {
        Resize::Bilinear => {
            convolve::resize(source, size, FilterType::Bilinear, &mut scratch.convolve, target)?;
        }
        Resize::Bicubic => {
            convolve::resize(source, size, FilterType::CatmullRom, &mut scratch.convolve, target)?;
        }
        Resize::Area => area::resize(source, size, &mut scratch.area, target),
        Resize::Nearest => match source.channels {
            Channels::Gray => nearest::<1>(source, size, target),
            Channels::Rgb => nearest::<3>(source, size, target),
            Channels::Rgba => nearest::<4>(source, size, target),
        },
    }
    Ok(())
}

/// Pillow's nearest neighbour: the position is *accumulated* in 64-bit floats, which differs in places from
/// `(index + 0.5) * step` (libImaging `Geometry.c`, `ImagingScaleAffine`).
fn nearest<const C: usize>(source: &Source<'_>, (width, height): (u32, u32), target: &mut [u8]) {
    let picks = |from: u32, to: u32| {
        let step = f64::from(from) / f64::from(to);
        let positions = std::iter::successors(Some(step * 0.5), move |position| Some(position + step));
        positions.map(move |position| (position as usize).min(from as usize - 1)).take(to as usize)
    };
    let columns: Vec<usize> = picks(source.crop.width, width).collect();
    let rows = target.chunks_exact_mut(width as usize * C);
    for (target_row, row) in rows.zip(picks(source.crop.height, height)) {
        let source_row = source.row(row).as_chunks::<C>().0;
        for (pixel, &column) in target_row.as_chunks_mut::<C>().0.iter_mut().zip(&columns) {
            *pixel = source_row[column];
        }
    }
}

//! From encoded bytes to pixels to tensors: decode, orient, resize, normalise, within named limits.
//!
//! ```text
//! bytes ──sniff──▶ Format
//!   │ ──read_header──▶ Header          no pixels are read
//!   │ ──decode──▶ Image ──resize──▶ Image ──encode──▶ bytes
//!   └──Preprocessing::bytes_to_tensor──▶ [f32]     decode, crop, resize and normalise in one go
//! ```
//!
//! The format is told by content, never by a file's name. Nothing here opens a file, spawns a thread or knows
//! of tables and networks; every function is pure and may be called from many threads at once.
//!
//! A broken file is an [`ImageError`] whose message is short enough to be kept as the reason beside a table's
//! row: a truncated file is an error and never a half-gray picture, and a header that declares more pixels
//! than [`Limits`] allow is refused before anything of that size is allocated.
//!
//! ```
//! use emberline_image::{Channels, DecodeOptions, Format, Image, decode, encode};
//!
//! let red = Image::new(2, 1, Channels::Rgb, vec![255, 0, 0, 255, 0, 0])?;
//! let png = encode(&red, Format::Png)?;
//! assert_eq!(decode(&png, &DecodeOptions::default())?, red);
//! # Ok::<(), emberline_image::ImageError>(())
//! ```

mod area;
mod convolve;
mod decode;
mod encode;
mod error;
mod format;
mod frames;
mod jpeg;
mod limits;
mod orient;
mod pixels;
mod preprocess;
mod resize;

pub use decode::{DecodeOptions, Header, decode, read_header};
pub use encode::encode;
pub use error::ImageError;
pub use format::Format;
pub use limits::Limits;
pub use pixels::{Channels, Image};
pub use preprocess::{ChannelOrder, Fit, Layout, Preprocessing, Scratch};
pub use resize::{Resize, SIDE_MAX, resize};

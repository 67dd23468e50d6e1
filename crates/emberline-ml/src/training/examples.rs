//! The examples of a training: records of one length in a temporary file, so that memory does not grow with their number, and
//! their targets in memory. Their order is by content, so that neither that of the rows nor batches matter.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use emberline_table::Digest;

use super::labels::{Label, LabelReader, Targets};
use crate::error::{MlError, Result};

/// Why rows were left out is kept of so many.
pub(super) const REASONS_MAX: usize = 20;

/// What a record's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// Pixels, a byte each.
    Pixel,
    /// Numbers, four bytes each, little end first.
    Number,
}

/// Examples, ready to be read in any order.
#[derive(Debug)]
pub(super) struct Examples {
    pub(super) records: Records,
    pub(super) targets: Arc<Targets>,
    /// The names of the classes, where labels have them.
    pub(super) names: Option<Vec<String>>,
    /// The records by their content.
    pub(super) order: Vec<u32>,
    /// Equal for equal examples, in whatever order they came.
    pub(super) digest: Digest,
    pub(super) left_out: LeftOut,
}

/// Rows that nothing can be learned from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Rows without a label.
    pub(super) unlabelled: usize,
    /// Rows whose input is null or can't be used.
    pub(super) unreadable: usize,
    /// Why, of the first ones.
    pub(super) reasons: Vec<String>,
}

/// Records of one length in a file without a name, which goes when they do, or the process however it ends.
#[derive(Debug)]
pub(super) struct Records {
    file: Arc<Mutex<File>>,
    pub(super) element: Element,
    /// Of the inputs of one record, which lie one after the other.
    pub(super) shapes: Vec<Vec<usize>>,
}

/// Reads records; one for each thread.
#[derive(Debug)]
pub(super) struct RecordReader {
    file: Arc<Mutex<File>>,
    element: Element,
    bytes: Vec<u8>,
}

/// Writes records one after the other.
#[derive(Debug)]
pub(super) struct RecordWriter {
    file: BufWriter<File>,
    element: Element,
    shapes: Vec<Vec<usize>>,
}

impl Examples {
    #[expect(clippy::cast_possible_truncation, reason = "the collector allows no more than u32::MAX")]
    pub(super) fn count(&self) -> u32 {
        self.order.len() as u32
    }

    /// How many of them, the last in their order, a share holds out of training.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "less than the number of examples"
    )]
    pub(super) fn held_out(&self, share: f64) -> u32 {
        (f64::from(self.count()) * share) as u32
    }
}

impl RecordWriter {
    pub(super) fn new(element: Element, shapes: &[Vec<usize>]) -> std::io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, tempfile::tempfile()?),
            element,
            shapes: shapes.to_vec(),
        })
    }

    /// Adds a record of as many numbers as the shape has; pixels are whole numbers from 0 to 255.
    pub(super) fn write(&mut self, numbers: &[f32], bytes: &mut Vec<u8>) -> std::io::Result<()> {
        bytes.clear();
        match self.element {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "pixels are whole numbers from 0 to 255"
            )]
            Element::Pixel => bytes.extend(numbers.iter().map(|number| *number as u8)),
            Element::Number => bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
        }
        self.file.write_all(bytes)
    }

    pub(super) fn finish(self) -> std::io::Result<Records> {
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok(Records { file: Arc::new(Mutex::new(file)), element: self.element, shapes: self.shapes })
    }
}

impl Records {
    /// Numbers in a record.
    pub(super) fn len(&self) -> usize {
        self.shapes.iter().map(|shape| shape.iter().product::<usize>()).sum()
    }

    pub(super) fn reader(&self) -> RecordReader {
        let bytes = match self.element {
            Element::Pixel => self.len(),
            Element::Number => self.len() * size_of::<f32>(),
        };
        RecordReader { file: self.file.clone(), element: self.element, bytes: vec![0; bytes] }
    }
}

impl RecordReader {
    /// Appends the numbers of a record.
    pub(super) fn read(&mut self, record: u32, out: &mut Vec<f32>) -> std::io::Result<()> {
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(u64::from(record) * self.bytes.len() as u64))?;
            file.read_exact(&mut self.bytes)?;
        }
        match self.element {
            Element::Pixel => out.extend(self.bytes.iter().map(|byte| f32::from(*byte))),
            Element::Number => {
                out.extend(self.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
        }
        Ok(())
    }
}

/// Takes rows as they come and makes examples of them.
#[derive(Debug)]
pub(super) struct Collector {
    stage: String,
    seed: u64,
    writer: RecordWriter,
    labels: Vec<Label>,
    digests: Vec<Digest>,
    left_out: LeftOut,
    bytes: Vec<u8>,
}

impl Collector {
    pub(super) fn new(stage: &str, seed: u64, element: Element, shapes: &[Vec<usize>]) -> Result<Self> {
        Ok(Self {
            stage: stage.to_owned(),
            seed,
            writer: RecordWriter::new(element, shapes).map_err(|error| unwritable(stage, &error))?,
            labels: Vec::new(),
            digests: Vec::new(),
            left_out: LeftOut::default(),
            bytes: Vec::new(),
        })
    }

    /// Adds a row: its numbers or why there are none, and its label.
    ///
    /// # Errors
    /// When the temporary file can't be written.
    pub(super) fn push(&mut self, input: Result<&[f32], &str>, label: Option<Label>) -> Result<()> {
        let Some(label) = label else {
            self.left_out.unlabelled += 1;
            return Ok(());
        };
        match input {
            Ok(numbers) => {
                self.writer
                    .write(numbers, &mut self.bytes)
                    .map_err(|error| unwritable(&self.stage, &error))?;
                let label_text = format!("{label:?}");
                let parts = [&self.seed.to_le_bytes()[..], &self.bytes, label_text.as_bytes()];
                self.digests.push(Digest::of_parts(parts));
                self.labels.push(label);
            }
            Err(reason) => {
                self.left_out.unreadable += 1;
                if self.left_out.reasons.len() < REASONS_MAX {
                    self.left_out.reasons.push(reason.to_owned());
                }
            }
        }
        Ok(())
    }

    /// All examples.
    ///
    /// # Errors
    /// When there is none, or labels do not fit each other.
    pub(super) fn finish(self, labels: &LabelReader) -> Result<Examples> {
        let LeftOut { unlabelled, unreadable, reasons } = &self.left_out;
        if self.labels.is_empty() {
            let first = reasons.first().map_or(String::new(), |reason| format!("; the first: {reason}"));
            let reason = format!(
                "expected rows with an input and a label, found none: {unlabelled} without label, {unreadable} whose input \
                 can't be read{first}"
            );
            return Err(MlError::stage(&self.stage, reason));
        }
        if *unreadable > 0 {
            let first = reasons.first().map_or("", String::as_str);
            log::warn!(
                "{}: {unreadable} rows whose input can't be read are left out; the first: {first}",
                self.stage
            );
        }
        let records = self.writer.finish().map_err(|error| unwritable(&self.stage, &error))?;
        let count = u32::try_from(self.labels.len())
            .map_err(|_| MlError::stage(&self.stage, format!("more than {} examples", u32::MAX)))?;
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_by_key(|record| self.digests[*record as usize]);
        let digest =
            Digest::of_parts(order.iter().map(|record| self.digests[*record as usize].as_bytes().as_slice()));
        let (targets, names) = labels.finish(self.labels)?;
        Ok(Examples { records, targets: Arc::new(targets), names, order, digest, left_out: self.left_out })
    }
}

pub(super) fn unwritable(stage: &str, error: &std::io::Error) -> MlError {
    let place = std::env::temp_dir();
    MlError::stage(
        stage,
        format!("examples can't be kept in {}: {error}; TMPDIR names another place", place.display()),
    )
}

/// Examples that can't be read or written while training.
pub(super) fn failed(error: std::io::Error) -> emberline_train::Error {
    emberline_train::Error::Data { what: "examples".to_owned(), problem: error.to_string() }
}

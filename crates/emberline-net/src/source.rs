//! The bytes of a file: all of them in memory, or in parts as they are asked for. The storages of the HDF5 reader serve every
//! format.

use std::{
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use hdf5_reader::storage::{BytesStorage, DynStorage, FileStorage, StorageBuffer};

use crate::{Error, Result};

#[derive(Clone)]
pub(crate) struct Source {
    storage: DynStorage,
    /// The file's; of bytes in memory it is empty.
    path: PathBuf,
}

impl Source {
    /// A file, of which nothing is read yet.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        let problem = |error| Error::Io { path: path.to_owned(), source: io_error(error) };
        let storage = Arc::new(FileStorage::from_file(file).map_err(problem)?);
        Ok(Self { storage, path: path.to_owned() })
    }

    pub(crate) fn len(&self) -> u64 {
        self.storage.len()
    }

    pub(crate) fn storage(&self) -> DynStorage {
        Arc::clone(&self.storage)
    }

    /// Some of the bytes. Fails when they reach beyond the end, or the file can't be read.
    pub(crate) fn read(&self, range: Range<u64>) -> Result<StorageBuffer> {
        self.bytes(range).map_err(|source| Error::Io { path: self.path.clone(), source })
    }

    /// The first bytes: this many, or all.
    pub(crate) fn start(&self, at_most: u64) -> Result<StorageBuffer> {
        self.read(0..at_most.min(self.len()))
    }

    fn bytes(&self, range: Range<u64>) -> io::Result<StorageBuffer> {
        let length = range.end.checked_sub(range.start).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.storage.read_range(range.start, length).map_err(io_error)
    }

    /// The bytes from the first on, for whoever reads and seeks.
    pub(crate) fn reader(&self) -> impl Read + Seek + use<> {
        Reader { source: self.clone(), position: 0 }
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self { storage: Arc::new(BytesStorage::new(bytes)), path: PathBuf::new() }
    }
}

fn io_error(error: hdf5_reader::error::Error) -> io::Error {
    match error {
        hdf5_reader::error::Error::Io(error) => error,
        other => io::Error::new(io::ErrorKind::UnexpectedEof, other),
    }
}

struct Reader {
    source: Source,
    position: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.position.saturating_add(buffer.len() as u64).min(self.source.len());
        let bytes = self.source.bytes(self.position.min(end)..end)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.source.len().checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

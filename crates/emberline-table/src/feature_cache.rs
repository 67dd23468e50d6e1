//! What networks answered before, kept on disk: a vector for each image and network.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use emberline_net::{Digest, home_dir};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, RwTxn, WithTls};

use crate::error::{Result, TableError};

/// Threads of all processes that may read at once.
const READERS_MAX: u32 = 1_024;
/// Room in the file beyond the limit on its content: pages that a transaction rewrites, and the trees' inner pages.
const ROOM: f64 = 1.5;
/// How full the cache is from which on it notes what is used: until then nothing has to go for a long time, and a note costs as
/// much as adding the entry did.
const NOTED_SHARE: f64 = 0.5;
/// What is left of the limit when entries have to go, so that not every write makes some go.
const KEPT_SHARE: f64 = 0.9;

/// The environment variable with the limit of [`FeatureCache::open_default`], in bytes.
const BYTES_VARIABLE: &str = "EMBERLINE_CACHE_BYTES";
/// The limit where the variable is not set.
const BYTES_DEFAULT: u64 = 10 << 30;

const EPOCH: &[u8] = b"epoch";
const BYTES: &[u8] = b"bytes";

/// A store of vectors by content: SHA-256 of the image's bytes, and of all that makes a network answer as it does (its
/// weights, where it is cut, how it wants images, the runtime). What has the same key has the same answer, so nothing in
/// it ever gets old; images, weights and settings that change have other keys.
///
/// It lies in a folder, in an [LMDB](http://www.lmdb.tech/doc/) environment: several processes may use it at once, and
/// one that is killed leaves it whole. When it grows over its limit, what has not been used for the longest time goes; uses count
/// from when it is half full.
///
/// ```
/// use emberline_table::{Digest, FeatureCache};
/// let dir = tempfile::tempdir().unwrap();
/// let cache = FeatureCache::open(dir.path(), 1 << 20).unwrap();
/// let (network, image) = (Digest::of(b"network"), Digest::of(b"image"));
/// assert_eq!(cache.get(&network, &[image]).unwrap(), [None]);
/// cache.put(&network, &[(image, &[1.0, 2.0])]).unwrap();
/// assert_eq!(cache.get(&network, &[image]).unwrap(), [Some(vec![1.0, 2.0])]);
/// assert_eq!(cache.stats().unwrap().entries, 1);
/// ```
#[derive(Debug)]
pub struct FeatureCache {
    dir: PathBuf,
    env: Env<WithTls>,
    bytes_max: u64,
    /// Key → epoch of the last use and the vector.
    vectors: Database<Bytes, Bytes>,
    /// Epoch of the last use and key, in that order.
    order: Database<Bytes, Bytes>,
    meta: Database<Bytes, Bytes>,
    /// This process' number: entries that it uses are newer than those of the processes before it.
    epoch: u64,
    found: AtomicU64,
    added: AtomicU64,
}

/// An entry that was used, but not yet by this process.
#[derive(Debug)]
pub(crate) struct Stale {
    key: [u8; 32],
    epoch: u64,
}

/// How full a [`FeatureCache`] is, and what it was good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStats {
    /// Vectors in it.
    pub entries: u64,
    /// Bytes of their keys and numbers.
    pub bytes: u64,
    /// The limit on these bytes.
    pub bytes_max: u64,
    /// Vectors that were asked for and found since it was opened, by this process.
    pub found: u64,
    /// Vectors that were added since it was opened, by this process.
    pub added: u64,
}

impl FeatureCache {
    /// Opens the cache in a folder, and makes it if there is none. It holds at most `bytes_max` bytes of vectors.
    ///
    /// # Errors
    /// When the folder can't be written, or holds something else.
    pub fn open(dir: &Path, bytes_max: u64) -> Result<Self> {
        let failed = |e: heed::Error| failed(dir, e);
        fs::create_dir_all(dir).map_err(|e| failed(e.into()))?;
        let page = 1 << 16;
        let map_size = ((bytes_max as f64 * ROOM) as usize).next_multiple_of(page) + (64 << 20);
        let mut options = EnvOpenOptions::new();
        options.map_size(map_size).max_dbs(3).max_readers(READERS_MAX);
        // SAFETY: NO_META_SYNC is among the flags that keep the file whole whatever happens: a machine that stops may
        // lose the last transaction, nothing else.
        unsafe { options.flags(EnvFlags::NO_META_SYNC) };
        // SAFETY: nothing but LMDB writes these files, and a process opens them once (the caller's cache is shared; heed
        // refuses a second environment of the same folder).
        let env = unsafe { options.open(dir) }.map_err(failed)?;
        let mut txn = env.write_txn().map_err(failed)?;
        let vectors = env.create_database(&mut txn, Some("vectors")).map_err(failed)?;
        let order = env.create_database(&mut txn, Some("order")).map_err(failed)?;
        let meta: Database<Bytes, Bytes> = env.create_database(&mut txn, Some("meta")).map_err(failed)?;
        let epoch = number(meta.get(&txn, EPOCH).map_err(failed)?) + 1;
        meta.put(&mut txn, EPOCH, &epoch.to_be_bytes()).map_err(failed)?;
        txn.commit().map_err(failed)?;
        let (found, added) = Default::default();
        Ok(Self { dir: dir.into(), env, bytes_max, vectors, order, meta, epoch, found, added })
    }

    /// The folder of the cache that the command and the Python package share.
    #[must_use]
    pub fn default_folder() -> PathBuf {
        home_dir().join("features")
    }

    /// The limit of that cache in bytes: `$EMBERLINE_CACHE_BYTES`, or 10 GiB.
    ///
    /// # Errors
    /// When the variable is no number.
    pub fn default_bytes_max() -> Result<u64> {
        let Ok(text) = std::env::var(BYTES_VARIABLE) else { return Ok(BYTES_DEFAULT) };
        text.parse().map_err(|_| TableError::Setting {
            parameter: BYTES_VARIABLE.into(),
            expected: "a number of bytes".into(),
            found: text,
        })
    }

    /// The vectors of these images, `None` for those that are not known. Those that are count as used, once the cache is half full.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub fn get(&self, network: &Digest, images: &[Digest]) -> Result<Vec<Option<Vec<f32>>>> {
        let mut stale = Vec::new();
        let found = self.look_up(network, images, &mut stale)?;
        self.renew(&stale)?;
        Ok(found)
    }

    /// [`get`](Self::get) without writing: what has to be [renewed](Self::renew) is added to `stale`.
    fn look_up(
        &self,
        network: &Digest,
        images: &[Digest],
        stale: &mut Vec<Stale>,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        let failed = |e: heed::Error| failed(&self.dir, e);
        let txn = self.env.read_txn().map_err(failed)?;
        let bytes = number(self.meta.get(&txn, BYTES).map_err(failed)?);
        let is_noted = bytes as f64 > self.bytes_max as f64 * NOTED_SHARE;
        let mut found = Vec::with_capacity(images.len());
        for image in images {
            let key = key(network, image);
            let value = self.vectors.get(&txn, &key).map_err(failed)?;
            let parts = value.and_then(|value| value.split_at_checked(8));
            let unnoted = parts.filter(|(epoch, _)| is_noted && number(Some(epoch)) < self.epoch);
            if let Some((epoch, _)) = unnoted {
                stale.push(Stale { key, epoch: number(Some(epoch)) });
            }
            found.push(parts.map(|(_, numbers)| floats(numbers)));
        }
        let count = found.iter().filter(|found| found.is_some()).count();
        self.found.fetch_add(count as u64, Ordering::Relaxed);
        Ok(found)
    }

    /// Notes that entries of older epochs are still of use. Each call waits for the disk, so entries come together.
    fn renew(&self, stale: &[Stale]) -> Result<()> {
        if stale.is_empty() {
            return Ok(());
        }
        let write = || {
            let mut txn = self.env.write_txn()?;
            for Stale { key, epoch } in stale {
                let Some(value) = self.vectors.get(&txn, key)? else { continue };
                let mut value = value.to_vec();
                value[..8].copy_from_slice(&self.epoch.to_be_bytes());
                self.vectors.put(&mut txn, key, &value)?;
                self.order.delete(&mut txn, &place(*epoch, key))?;
                self.order.put(&mut txn, &place(self.epoch, key), &[])?;
            }
            txn.commit()
        };
        write().map_err(|e| failed(&self.dir, e))
    }

    /// Adds vectors.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn put(&self, network: &Digest, vectors: &[(Digest, &[f32])]) -> Result<()> {
        let write = || {
            let mut txn = self.env.write_txn()?;
            let mut bytes = number(self.meta.get(&txn, BYTES)?);
            let mut added = 0;
            for (image, vector) in vectors {
                let key = key(network, image);
                if self.vectors.get(&txn, &key)?.is_some() {
                    continue;
                }
                let numbers = vector.iter().flat_map(|number| number.to_le_bytes());
                let value: Vec<u8> = self.epoch.to_be_bytes().into_iter().chain(numbers).collect();
                bytes += size(&value);
                added += 1;
                self.vectors.put(&mut txn, &key, &value)?;
                self.order.put(&mut txn, &place(self.epoch, &key), &[])?;
            }
            if bytes > self.bytes_max {
                bytes = self.make_room(&mut txn, bytes)?;
            }
            self.meta.put(&mut txn, BYTES, &bytes.to_be_bytes())?;
            txn.commit()?;
            self.added.fetch_add(added, Ordering::Relaxed);
            Ok(())
        };
        write().map_err(|e| failed(&self.dir, e))
    }

    fn make_room(&self, txn: &mut RwTxn<'_>, mut bytes: u64) -> heed::Result<u64> {
        let aim = (self.bytes_max as f64 * KEPT_SHARE) as u64;
        while bytes > aim {
            let Some(place) = self.order.first(txn)?.map(|(place, _)| place.to_vec()) else { break };
            let removed = self.vectors.get(txn, &place[8..])?.map_or(0, size);
            self.vectors.delete(txn, &place[8..])?;
            self.order.delete(txn, &place)?;
            bytes = bytes.saturating_sub(removed);
        }
        Ok(bytes)
    }

    /// How full it is.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn stats(&self) -> Result<CacheStats> {
        let read = || {
            let txn = self.env.read_txn()?;
            let bytes = number(self.meta.get(&txn, BYTES)?);
            Ok(CacheStats {
                entries: self.vectors.len(&txn)?,
                bytes,
                bytes_max: self.bytes_max,
                found: self.found.load(Ordering::Relaxed),
                added: self.added.load(Ordering::Relaxed),
            })
        };
        read().map_err(|e| failed(&self.dir, e))
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn clear(&self) -> Result<()> {
        let clear = || {
            let mut txn = self.env.write_txn()?;
            self.vectors.clear(&mut txn)?;
            self.order.clear(&mut txn)?;
            self.meta.put(&mut txn, BYTES, &0_u64.to_be_bytes())?;
            txn.commit()
        };
        clear().map_err(|e| failed(&self.dir, e))
    }
}

/// What a function needs to use a cache: the cache, and the digest of all that its answers depend on but the image.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    pub(crate) cache: Arc<FeatureCache>,
    pub(crate) network: Digest,
}

impl Remembered {
    /// The vectors that are known; what [`keep`](Self::keep) has to renew is added to `stale`. A cache that fails is as
    /// one that knows nothing.
    pub(crate) fn get(&self, images: &[Digest], stale: &mut Vec<Stale>) -> Vec<Option<Vec<f32>>> {
        self.cache.look_up(&self.network, images, stale).unwrap_or_else(|error| {
            log::warn!("the feature cache can't be read, and is not used: {error}");
            vec![None; images.len()]
        })
    }

    /// Adds vectors and renews those that were used, once for a whole batch.
    pub(crate) fn keep(&self, vectors: &[(Digest, &[f32])], stale: &[Stale]) {
        let put = if vectors.is_empty() { Ok(()) } else { self.cache.put(&self.network, vectors) };
        if let Err(error) = put.and_then(|()| self.cache.renew(stale)) {
            log::warn!("the feature cache can't be written: {error}");
        }
    }
}

fn failed(dir: &Path, error: heed::Error) -> TableError {
    TableError::Source { uri: dir.display().to_string(), reason: format!("feature cache: {error}") }
}

fn key(network: &Digest, image: &Digest) -> [u8; 32] {
    let digest = Digest::of_parts([&network.as_bytes()[..], image.as_bytes()]);
    *digest.as_bytes()
}

fn place(epoch: u64, key: &[u8; 32]) -> [u8; 40] {
    let mut place = [0; 40];
    place[..8].copy_from_slice(&epoch.to_be_bytes());
    place[8..].copy_from_slice(key);
    place
}

fn number(bytes: Option<&[u8]>) -> u64 {
    bytes.and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

/// What an entry counts for: its key twice, its epoch twice, and its numbers.
fn size(value: &[u8]) -> u64 {
    72 + value.len() as u64
}

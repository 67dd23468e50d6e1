//! What the store promises whatever the source: right bytes or none, offline once filled, one fetch for many.

use std::fs;

use anyhow::{Result, bail};
use emberline_net::Digest;
use emberline_zoo::{Checksum, Error, ModelStore, Progress, Source, WeightsFile};

/// Longer than the buffers that the store copies with.
pub(crate) fn content() -> Vec<u8> {
    (0..200_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect()
}

/// A file with [`content`] that has these sources.
pub(crate) fn file<'a>(sources: &'a [Source<'a>]) -> WeightsFile<'a> {
    let content = content();
    WeightsFile {
        file_name: "weights.bin",
        checksum: Checksum::Sha256(Digest::of(&content)),
        bytes: Some(content.len() as u64),
        sources,
    }
}

/// The names of the files beside where the file should be.
pub(crate) fn files_beside(store: &ModelStore, file: &WeightsFile<'_>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(store.path(file).with_file_name(""))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[test]
fn a_file_is_copied_verified_and_then_needs_no_source() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = folder.path().join("origin");
    fs::write(&origin, content())?;
    let store = ModelStore::at(folder.path().join("home")).offline(true);
    let sources = [Source::File { path: &origin }];
    let file = file(&sources);
    assert!(!store.contains(&file));

    let mut seen = Vec::new();
    let path = store.pull(&file, &mut |progress| seen.push(progress))?;
    let digest = Digest::of(&content()).to_string();
    assert_eq!(path, folder.path().join("home/models").join(digest).join("weights.bin"));
    assert_eq!(seen.first(), Some(&Progress { done: 0, total: file.bytes }));
    assert_eq!(seen.last(), Some(&Progress { done: content().len() as u64, total: file.bytes }));
    assert_eq!(files_beside(&store, &file)?, [".lock", "weights.bin"]);

    fs::remove_file(&origin)?;
    assert!(store.contains(&file));
    assert_eq!(store.read(&file)?, content());
    store.pull(&file, &mut |_| ())?;
    Ok(())
}

#[test]
fn wrong_bytes_are_refused_and_not_kept() -> Result<()> {
    let check = |bytes: Vec<u8>| -> Result<()> {
        let folder = tempfile::tempdir()?;
        let origin = folder.path().join("origin");
        fs::write(&origin, bytes)?;
        let store = ModelStore::at(folder.path());
        let sources = [Source::File { path: &origin }];
        let file = file(&sources);
        let Err(error) = store.pull(&file, &mut |_| ()) else { bail!("wrong bytes were taken") };
        assert!(matches!(error, Error::Digest { .. }), "{error}");
        assert!(error.to_string().contains(&format!("expected {}, found ", file.checksum)), "{error}");
        assert_eq!(files_beside(&store, &file)?, [".lock"]);
        Ok(())
    };
    let mut flipped = content();
    flipped[777] ^= 1;
    check(flipped)?;
    check(content()[1..].to_vec())?;
    check([content(), vec![0]].concat())?;
    check(Vec::new())
}

#[test]
fn a_damaged_file_is_noticed_on_reading_and_replaced_on_pulling() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = folder.path().join("origin");
    fs::write(&origin, content())?;
    let store = ModelStore::at(folder.path());
    let sources = [Source::File { path: &origin }];
    let file = file(&sources);
    let path = store.pull(&file, &mut |_| ())?;

    fs::write(&path, "damaged")?;
    let Err(error) = store.read(&file) else { bail!("a damaged file was read") };
    assert!(error.to_string().contains("the file was changed"), "{error}");
    store.pull(&file, &mut |_| ())?;
    assert_eq!(store.read(&file)?, content());
    Ok(())
}

#[test]
fn a_missing_source_is_named_and_the_next_one_tried() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (missing, origin) = (folder.path().join("missing"), folder.path().join("origin"));
    let store = ModelStore::at(folder.path());
    let sources = [Source::File { path: &missing }, Source::File { path: &origin }];
    let file = file(&sources);

    let Err(error) = store.pull(&file, &mut |_| ()) else { bail!("nothing was copied") };
    let message = error.to_string();
    assert!(message.contains("no source gave weights.bin"), "{message}");
    assert!(message.contains("missing") && message.contains("origin"), "{message}");

    fs::write(&origin, content())?;
    store.pull(&file, &mut |_| ())?;
    Ok(())
}

#[test]
fn an_offline_store_says_what_to_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = ModelStore::at(folder.path()).offline(true);
    let check = |source: Source<'_>| -> Result<()> {
        let sources = [source];
        let Err(error) = store.pull(&file(&sources), &mut |_| ()) else { bail!("nothing was fetched") };
        let message = error.to_string();
        for part in ["weights.bin", "EMBERLINE_OFFLINE", "cargo xtask setup"] {
            assert!(message.contains(part), "{message}");
        }
        Ok(())
    };
    check(Source::Http { url: "http://127.0.0.1:9/weights.bin" })?;
    check(Source::Pip { package: "package", version: "1.0", member: "weights.bin" })
}

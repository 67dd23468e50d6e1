//! Downloads from a server on this machine, good and bad.

use std::{thread, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use emberline_net::Digest;
use emberline_zoo::{Checksum, Error, ModelStore, Progress, Source, WeightsFile};

use crate::{
    server::{Answer, Request, Server},
    store::{content, file, files_beside},
};

/// Pulls from one address into an empty store. Returns the error, and the names of the files that are left.
fn refused(answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Result<(Error, Vec<String>)> {
    let server = Server::start(answer)?;
    let home = tempfile::tempdir()?;
    let store = ModelStore::at(home.path());
    let url = server.url("/weights.bin");
    let sources = [Source::Http { url: &url }];
    let file = file(&sources);
    match store.pull(&file, &mut |_| ()) {
        Ok(_) => bail!("a bad download was taken"),
        Err(error) => Ok((error, files_beside(&store, &file)?)),
    }
}

#[test]
fn a_download_is_kept_and_not_asked_for_again() -> Result<()> {
    let server = Server::start(|_| Answer::ok(&content()))?;
    let home = tempfile::tempdir()?;
    let url = server.url("/weights.bin");
    let sources = [Source::Http { url: &url }];
    let file = file(&sources);
    let mut done = 0;
    ModelStore::at(home.path()).pull(&file, &mut |progress| done = progress.done)?;
    assert_eq!(Some(done), file.bytes);
    assert_eq!(server.requests().len(), 1);
    drop(server);
    assert_eq!(ModelStore::at(home.path()).read(&file)?, content());
    Ok(())
}

#[test]
fn wrong_bytes_are_not_kept() -> Result<()> {
    let (error, left) = refused(|_| Answer::ok(&vec![7; content().len()]))?;
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    assert_eq!(left, [".lock"]);
    Ok(())
}

#[test]
fn a_body_without_end_is_cut_off() -> Result<()> {
    let (error, left) = refused(|_| Answer::ok(&vec![7; 20 * content().len()]))?;
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    assert_eq!(left, [".lock"]);
    Ok(())
}

#[test]
fn a_status_is_told() -> Result<()> {
    let check = |head: &'static str, expected: &str| -> Result<()> {
        let (error, left) = refused(move |_| Answer::status(head))?;
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(left, [".lock"]);
        Ok(())
    };
    check("404 Not Found", "status 404")?;
    check("503 Service Unavailable", "status 503")?;
    check("206 Partial Content\r\nContent-Range: bytes 5-9/10", "status 206")
}

#[test]
fn redirects_are_followed() -> Result<()> {
    let server = Server::start(|request| match request.path.as_str() {
        "/moved" => Answer::status("302 Found\r\nLocation: /weights.bin"),
        _ => Answer::ok(&content()),
    })?;
    let home = tempfile::tempdir()?;
    let url = server.url("/moved");
    let sources = [Source::Http { url: &url }];
    assert_eq!(ModelStore::at(home.path()).read(&file(&sources))?, content());
    Ok(())
}

#[test]
fn redirects_in_a_circle_end() -> Result<()> {
    let (error, _) = refused(|_| Answer::status("302 Found\r\nLocation: /weights.bin"))?;
    assert!(matches!(error, Error::Source { .. }), "{error}");
    Ok(())
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_stopped() -> Result<()> {
    let server = Server::start(|request| match request.range_start {
        None => Answer::broken_off(&content(), 80_000),
        Some(start) => Answer::from(&content(), start),
    })?;
    let home = tempfile::tempdir()?;
    let url = server.url("/weights.bin");
    let sources = [Source::Http { url: &url }];
    assert_eq!(ModelStore::at(home.path()).read(&file(&sources))?, content());
    let starts: Vec<_> = server.requests().iter().map(|request| request.range_start).collect();
    assert_eq!(starts, [None, Some(80_000)]);
    Ok(())
}

#[test]
fn a_server_without_ranges_starts_again() -> Result<()> {
    let mut first = true;
    let server = Server::start(move |_| match std::mem::take(&mut first) {
        true => Answer::broken_off(&content(), 80_000),
        false => Answer::ok(&content()),
    })?;
    let home = tempfile::tempdir()?;
    let url = server.url("/weights.bin");
    let sources = [Source::Http { url: &url }];
    assert_eq!(ModelStore::at(home.path()).read(&file(&sources))?, content());
    Ok(())
}

#[test]
fn the_next_run_goes_on_too() -> Result<()> {
    // Every try brings nothing after the first: three tries, then an error that says how far it came.
    let home = tempfile::tempdir()?;
    let store = ModelStore::at(home.path());
    let server = Server::start(|request| match request.range_start {
        None => Answer::broken_off(&content(), 50_000),
        Some(start) => Answer { body: Vec::new(), ..Answer::from(&content(), start) },
    })?;
    let url = server.url("/weights.bin");
    let sources = [Source::Http { url: &url }];
    let Err(error) = store.pull(&file(&sources), &mut |_| ()) else { bail!("half a file was taken") };
    assert!(error.to_string().contains("50000 of 200000 bytes arrived"), "{error}");
    assert!(!store.contains(&file(&sources)));
    assert_eq!(files_beside(&store, &file(&sources))?, [".lock", "weights.bin.part"]);

    let server = Server::start(|request| Answer::from(&content(), request.range_start.unwrap_or(0)))?;
    let url = server.url("/weights.bin");
    let sources = [Source::Http { url: &url }];
    assert_eq!(store.read(&file(&sources))?, content());
    assert_eq!(server.requests()[0].range_start, Some(50_000));
    Ok(())
}

#[test]
fn many_who_want_a_file_at_once_fetch_it_once() -> Result<()> {
    let server = Server::start(|_| {
        // Long enough for all to have asked for the lock.
        thread::sleep(Duration::from_millis(200));
        Answer::ok(&content())
    })?;
    let home = tempfile::tempdir()?;
    let url = server.url("/weights.bin");
    thread::scope(|scope| {
        let pull = || ModelStore::at(home.path()).read(&file(&[Source::Http { url: &url }]));
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(pull)).collect();
        for thread in threads {
            assert_eq!(thread.join().map_err(|_| anyhow!("a thread panicked"))??, content());
        }
        assert_eq!(server.requests().len(), 1);
        Ok(())
    })
}

#[test]
fn a_server_that_is_not_there_is_named() -> Result<()> {
    let server = Server::start(|_| Answer::status("200 OK"))?;
    let url = server.url("/weights.bin");
    drop(server);
    let home = tempfile::tempdir()?;
    let sources = [Source::Http { url: &url }];
    let Err(error) = ModelStore::at(home.path()).pull(&file(&sources), &mut |_| ()) else {
        bail!("no server")
    };
    assert!(error.to_string().contains(&url), "{error}");
    Ok(())
}

/// A file of which nothing is known but what `checksum` says.
fn file_of_unknown_size<'a>(checksum: Checksum<'a>, sources: &'a [Source<'a>]) -> WeightsFile<'a> {
    WeightsFile { file_name: "weights.bin", checksum, bytes: None, sources }
}

/// The first digits of [`content`]'s SHA-256.
fn prefix() -> String {
    Digest::of(&content()).to_string()[..8].to_owned()
}

#[test]
fn a_size_may_come_from_the_server_and_part_of_a_checksum_do() -> Result<()> {
    let prefix = prefix();
    let server = Server::start(|request| match request.range_start {
        None => Answer::broken_off(&content(), 80_000),
        Some(start) => Answer::from(&content(), start),
    })?;
    let home = tempfile::tempdir()?;
    let url = server.url("/weights.bin");
    let sources = [Source::Http { url: &url }];
    let file = file_of_unknown_size(Checksum::Sha256Prefix(&prefix), &sources);
    let mut last = None;
    let path = ModelStore::at(home.path()).pull(&file, &mut |progress| last = Some(progress))?;
    assert_eq!(path, home.path().join(format!("models/sha256-{prefix}/weights.bin")));
    let total = content().len() as u64;
    assert_eq!(last, Some(Progress { done: total, total: Some(total) }));
    assert_eq!(ModelStore::at(home.path()).read(&file)?, content());
    Ok(())
}

#[test]
fn what_arrived_whole_but_for_its_end_is_complete() -> Result<()> {
    // All bytes came before the connection broke, of a file whose size nobody knew.
    let prefix = prefix();
    let server = Server::start(|request| match request.range_start {
        None => Answer { length: content().len() + 1, ..Answer::ok(&content()) },
        Some(start) if start == content().len() => {
            Answer::status(&format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{start}"))
        }
        Some(_) => Answer::status("400 Bad Request"),
    })?;
    let home = tempfile::tempdir()?;
    let url = server.url("/weights.bin");
    let sources = [Source::Http { url: &url }];
    let file = file_of_unknown_size(Checksum::Sha256Prefix(&prefix), &sources);
    assert_eq!(ModelStore::at(home.path()).read(&file)?, content());
    Ok(())
}

#[test]
fn wrong_bytes_are_refused_by_any_checksum() -> Result<()> {
    for checksum in [Checksum::Sha256Prefix("0123abcd"), Checksum::Md5("900150983cd24fb0d6963f7d28e17f72")] {
        let server = Server::start(|_| Answer::ok(&content()))?;
        let home = tempfile::tempdir()?;
        let url = server.url("/weights.bin");
        let sources = [Source::Http { url: &url }];
        let file = file_of_unknown_size(checksum, &sources);
        let store = ModelStore::at(home.path());
        let Err(error) = store.pull(&file, &mut |_| ()) else { bail!("wrong bytes were taken") };
        assert!(error.to_string().contains(&format!("expected {checksum}, found ")), "{error}");
        assert_eq!(files_beside(&store, &file)?, [".lock"]);
    }
    Ok(())
}

#[test]
fn a_file_without_a_checksum_is_held_to_its_first_download() -> Result<()> {
    let server = Server::start(|_| Answer::ok(&content()))?;
    let home = tempfile::tempdir()?;
    let url = server.url("/weights.bin");
    let sources = [Source::Http { url: &url }];
    let file = file_of_unknown_size(Checksum::Unpublished, &sources);
    let store = ModelStore::at(home.path());
    let path = store.pull(&file, &mut |_| ())?;
    assert_eq!(files_beside(&store, &file)?, [".lock", "weights.bin", "weights.bin.sha256"]);
    assert_eq!(store.read(&file)?, content());
    std::fs::write(path, "damaged")?;
    let Err(error) = store.read(&file) else { bail!("a damaged file was read") };
    assert!(error.to_string().contains(&format!("expected SHA-256 {}", Digest::of(&content()))), "{error}");
    store.pull(&file, &mut |_| ())?;
    assert_eq!(store.read(&file)?, content());
    Ok(())
}

#[test]
fn a_mirror_is_asked_instead() -> Result<()> {
    let mirror = Server::start(|_| Answer::ok(&content()))?;
    let home = tempfile::tempdir()?;
    // Nobody listens there.
    let sources = [Source::Http { url: "http://127.0.0.1:9/far/away/other-name.bin" }];
    let store = ModelStore::at(home.path()).mirror(mirror.url("/weights/"));
    assert_eq!(store.read(&file(&sources))?, content());
    let paths: Vec<String> = mirror.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/weights/weights.bin"]);
    Ok(())
}

/// The address that no name server knows, so that only a proxy can answer for it.
const UNKNOWN_HOST: &str = "http://weights.invalid/weights.bin";

#[test]
fn proxy_variables_hold() -> Result<()> {
    let proxy = Server::start(|_| Answer::ok(&content()))?;
    let pull = |variable: &str, exempt: &str| -> Result<bool> {
        let home = tempfile::tempdir()?;
        let status = std::process::Command::new(std::env::current_exe()?)
            .args(["--exact", "http::pulls_through_a_proxy", "--ignored", "--quiet"])
            .env_remove("http_proxy")
            .env(variable, proxy.url("/"))
            .env("NO_PROXY", exempt)
            .env("no_proxy", exempt)
            .env("EMBERLINE_TEST_HOME", home.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()?;
        Ok(status.success())
    };
    assert!(pull("HTTP_PROXY", "")?);
    assert!(pull("ALL_PROXY", "elsewhere.invalid")?);
    assert!(!pull("HTTP_PROXY", "weights.invalid")?);
    let asked = |path: &str| proxy.requests().iter().any(|request| request.path.contains(path));
    assert!(asked("weights.invalid") && !asked("127.0.0.1"));
    Ok(())
}

/// The other process of `proxy_variables_hold`, for variables are read once and for a whole process.
#[test]
#[ignore = "is run by another test, with proxy variables"]
fn pulls_through_a_proxy() -> Result<()> {
    let home = std::env::var_os("EMBERLINE_TEST_HOME").context("is run by another test")?;
    let sources = [Source::Http { url: UNKNOWN_HOST }];
    assert_eq!(ModelStore::at(home).read(&file(&sources))?, content());
    Ok(())
}

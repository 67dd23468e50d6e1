//! Downloads from a server on this machine, good and bad.

use std::{thread, time::Duration};

use anyhow::{Result, anyhow, bail};
use emberline_zoo::{Error, ModelStore, Source};

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
    assert_eq!(done, file.bytes);
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

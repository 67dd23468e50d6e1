//! Downloads: with timeouts, redirects, proxies, and going on where an earlier try broke off.

use std::{
    fs::{self, File},
    io,
    time::Duration,
};

use ureq::{Agent, Body, http::Response};

use super::{BYTES_MAX, Part};
use crate::{Error, Result};

/// How often a download that breaks off goes on before it fails. What has arrived is kept for the next run.
const TRIES_MAX: u32 = 3;

/// How long a connection may take, and how long the server may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a read may wait. There is no limit for the whole, which depends on the file and the line.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

const PARTIAL_CONTENT: u16 = 206;
const RANGE_NOT_SATISFIABLE: u16 = 416;

/// Fills the part with what an address gives, from where the part ends.
pub(super) fn download(url: &str, part: &mut Part<'_>) -> Result<()> {
    // ureq's default reads the proxy variables and follows ten redirects.
    let agent: Agent = Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(CONNECT_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .http_status_as_error(false)
        .user_agent(concat!("emberline/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut broken_off = String::new();
    for _ in 0..TRIES_MAX {
        match transfer(&agent, url, part)? {
            Transfer::Complete => return Ok(()),
            Transfer::BrokenOff(problem) => broken_off = problem,
        }
    }
    let have = fs::metadata(&part.path).map_or(0, |part| part.len());
    Err(Error::Source {
        origin: url.to_owned(),
        problem: format!(
            "{broken_off}; {have} of {} bytes arrived in {TRIES_MAX} tries and the next run goes on from there",
            part.total.map_or("unknown".to_owned(), |total| total.to_string())
        ),
    })
}

/// How one request ended, if it did not fail for good.
enum Transfer {
    Complete,
    BrokenOff(String),
}

fn transfer(agent: &Agent, url: &str, part: &mut Part<'_>) -> Result<Transfer> {
    let have = fs::metadata(&part.path).map_or(0, |part| part.len());
    if Some(have) == part.total {
        return Ok(Transfer::Complete);
    }
    // A part that is too long is another file's.
    let have = if have < part.total.unwrap_or(BYTES_MAX) { have } else { 0 };
    let request = agent.get(url).header("Accept-Encoding", "identity");
    let request = if have > 0 { request.header("Range", format!("bytes={have}-")) } else { request };
    let response = match request.call() {
        Ok(response) => response,
        Err(error @ (ureq::Error::Io(_) | ureq::Error::Timeout(_))) => {
            return Ok(Transfer::BrokenOff(error.to_string()));
        }
        Err(error) => return Err(source_error(url, &error)),
    };
    let (to, done) = match response.status().as_u16() {
        PARTIAL_CONTENT if starts_at(&response, have) => {
            (File::options().append(true).open(&part.path).map_err(|source| part.io(source))?, have)
        }
        // An earlier try got all there is, and broke off before it could know.
        RANGE_NOT_SATISFIABLE if have > 0 && size_of_all(&response) == Some(have) => {
            return Ok(Transfer::Complete);
        }
        RANGE_NOT_SATISFIABLE if have > 0 => {
            part.create()?;
            return Ok(Transfer::BrokenOff("the server has fewer bytes than an earlier try got".to_owned()));
        }
        200 => (part.create()?, 0),
        status => return Err(source_error(url, &format!("the server answered with status {status}"))),
    };
    if part.file.bytes.is_none() {
        part.total = announced(&response).map(|rest| done + rest).filter(|&total| total <= BYTES_MAX);
    }
    let body = response.into_body().into_with_config().limit(u64::MAX).reader();
    Ok(match part.append(&to, done, body)? {
        Ok(done) if part.total.is_some_and(|total| done < total) => {
            Transfer::BrokenOff("the connection was closed early".to_owned())
        }
        Ok(_) => Transfer::Complete,
        Err(error) if error.kind() == io::ErrorKind::Other => return Err(source_error(url, &error)),
        Err(error) => Transfer::BrokenOff(error.to_string()),
    })
}

/// Whether a partial answer begins where it was asked to.
fn starts_at(response: &Response<Body>, start: u64) -> bool {
    let range = response.headers().get("Content-Range").and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {start}-")))
}

/// The bytes that an answer says it has.
fn announced(response: &Response<Body>) -> Option<u64> {
    response.headers().get("Content-Length")?.to_str().ok()?.parse().ok()
}

/// The size of a file of which a range was asked that it does not have: `bytes */SIZE`.
fn size_of_all(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get("Content-Range")?.to_str().ok()?;
    range.strip_prefix("bytes */")?.parse().ok()
}

fn source_error(url: &str, problem: &dyn std::fmt::Display) -> Error {
    Error::Source { origin: url.to_owned(), problem: problem.to_string() }
}

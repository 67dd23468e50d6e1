//! Object stores and web servers, on a loopback server.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use emberline_table::{ImageTable, LabelFrom, ReadOptions, Session};

use crate::pictures::{png, rows};

/// Files by path, served as S3 serves a bucket `photos` and as a plain web server would.
struct Server {
    address: String,
}

type Files = Arc<BTreeMap<String, Vec<u8>>>;

impl Server {
    fn start() -> Result<Self> {
        let files: Files = Arc::new(BTreeMap::from([
            ("cats/a.png".to_string(), png(4, 2, [255, 0, 0])?),
            ("cats/b c.png".to_string(), png(3, 3, [0, 255, 0])?),
            ("dogs/broken.jpg".to_string(), b"no picture".to_vec()),
        ]));
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let files = files.clone();
                thread::spawn(move || while answer(&stream, &files).unwrap_or(false) {});
            }
        });
        Ok(Self { address })
    }
}

/// Answers one request; false at the end of the connection.
fn answer(stream: &TcpStream, files: &Files) -> Result<bool> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut range) = (String::new(), None);
    if reader.read_line(&mut line)? == 0 {
        return Ok(false);
    }
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("range: bytes=") {
            let (from, to) = value.trim().split_once('-').unwrap_or(("0", ""));
            range = Some((from.parse::<usize>()?, to.parse::<usize>().unwrap_or(usize::MAX - 1)));
        }
    }
    let mut parts = line.split_whitespace();
    let (method, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.trim_start_matches('/').replace("%20", " ");
    let path = path.strip_prefix("photos/").or(path.strip_prefix("photos")).unwrap_or(&path).to_string();
    let (status, body) = match files.get(&path) {
        _ if query.contains("list-type=2") => ("200 OK".to_string(), listing(files, query)),
        None => ("404 Not Found".to_string(), Vec::new()),
        Some(body) => match range {
            None => ("200 OK".to_string(), body.clone()),
            Some((from, to)) => {
                let to = to.min(body.len() - 1);
                (
                    format!("206 Partial Content\r\nContent-Range: bytes {from}-{to}/{}", body.len()),
                    body[from..=to].to_vec(),
                )
            }
        },
    };
    let mut out = stream;
    write!(out, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"x\"\r\n", body.len())?;
    write!(out, "Last-Modified: Wed, 01 Jan 2025 00:00:00 GMT\r\n\r\n")?;
    if method != "HEAD" {
        out.write_all(&body)?;
    }
    Ok(true)
}

fn listing(files: &Files, query: &str) -> Vec<u8> {
    let prefix = query.split('&').find_map(|part| part.strip_prefix("prefix=")).unwrap_or_default();
    let prefix = prefix.replace("%2F", "/");
    let contents: String = files
        .iter()
        .filter(|(path, _)| path.starts_with(&prefix))
        .map(|(path, body)| {
            format!(
                "<Contents><Key>{path}</Key><Size>{}</Size><ETag>\"x\"</ETag>\
                 <LastModified>2025-01-01T00:00:00.000Z</LastModified></Contents>",
                body.len()
            )
        })
        .collect();
    format!("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>").into()
}

/// Runs what follows with the environment that a user of an S3-compatible store has. Tests of this module share it.
fn environment(server: &Server) {
    for (name, value) in [
        ("AWS_ENDPOINT", format!("http://{}", server.address)),
        ("AWS_ALLOW_HTTP", "true".into()),
        ("AWS_ACCESS_KEY_ID", "key".into()),
        ("AWS_SECRET_ACCESS_KEY", "secret".into()),
        ("AWS_REGION", "us-east-1".into()),
    ] {
        // SAFETY: the only test that reads or writes these variables is the one that calls this, before it starts.
        unsafe { std::env::set_var(name, value) };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_folders() -> Result<()> {
    let server = Server::start()?;
    environment(&server);
    let options = ReadOptions { label: LabelFrom::Folder, ..Default::default() };
    let session = Session::new();
    let images = session.read_images("s3://photos/", options.clone()).await?;
    let table = images.select_columns(&["origin", "label", "width", "image_error"])?.collect().await?;
    let found = rows(&table)?;
    assert_eq!(found[0], "s3://photos/cats/a.png|cats|4|");
    assert_eq!(found[1], "s3://photos/cats/b c.png|cats|3|");
    assert!(
        found[2].starts_with("s3://photos/dogs/broken.jpg|dogs||") && found[2].contains("not a JPEG, PNG"),
        "{found:?}"
    );
    let folder = session.read_images("s3://photos/cats", ReadOptions::default()).await?;
    assert_eq!(folder.count().await?, 2);
    let pattern = ImageTable::open("s3://photos/*/*.png", ReadOptions::default()).await?;
    assert_eq!(pattern.file_count(), 2);
    let header = session.read_images("s3://photos/cats/a.png", ReadOptions::default()).await?;
    assert_eq!(rows(&header.select_columns(&["width", "height"])?.collect().await?)?, ["4|2"]);
    let error =
        session.read_images("s3://photos/birds/", ReadOptions::default()).await.err().map(|e| e.to_string());
    assert!(error.unwrap_or_default().starts_with("s3://photos/birds/: nothing is there"));
    // As a column of URIs.
    let query = "SELECT image_width(uri) AS w FROM (VALUES ('s3://photos/cats/a.png'), ('s3://photos/none.png')) AS t (uri)";
    assert_eq!(rows(&session.sql(query).await?.collect().await?)?, ["", "4"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn web_addresses_are_files() -> Result<()> {
    let server = Server::start()?;
    let session = Session::new();
    let address = format!("http://{}/cats/a.png", server.address);
    let images = session.read_images(&address, ReadOptions::default()).await?;
    let found = rows(&images.select_columns(&["origin", "width", "image_error"])?.collect().await?)?;
    assert_eq!(found, [format!("{address}|4|")]);
    let missing = format!("http://{}/none.png", server.address);
    let query = format!("SELECT image_height('{address}'), image_height('{missing}')");
    assert_eq!(rows(&session.sql(&query).await?.collect().await?)?, ["2|"]);
    assert_eq!(session.report().counts().samples[0].0.as_deref(), Some(missing.as_str()));
    Ok(())
}

//! A web server on the loopback interface that answers as a test tells it to, one connection at a time.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::Result;

/// A request's path, and where it wants the body to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) range_start: Option<usize>,
}

/// An answer: status and further headers, the length it declares, and what it sends before it closes.
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) length: usize,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A whole body.
    pub(crate) fn ok(body: &[u8]) -> Self {
        Self { head: "200 OK".to_owned(), length: body.len(), body: body.to_vec() }
    }

    /// A body that breaks off.
    pub(crate) fn broken_off(body: &[u8], after: usize) -> Self {
        Self { body: body[..after].to_vec(), ..Self::ok(body) }
    }

    /// The end of a body.
    pub(crate) fn from(body: &[u8], start: usize) -> Self {
        let range = format!("Content-Range: bytes {start}-{}/{}", body.len() - 1, body.len());
        Self { head: format!("206 Partial Content\r\n{range}"), ..Self::ok(&body[start..]) }
    }

    /// No body.
    pub(crate) fn status(head: &str) -> Self {
        Self { head: head.to_owned(), length: 0, body: Vec::new() }
    }
}

/// A running server; it stops when dropped.
pub(crate) struct Server {
    address: std::net::SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(mut answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (requests, stop) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicBool>::default());
        let (log, stopped) = (Arc::clone(&requests), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away is the client's affair.
                let _ = stream.and_then(|stream| serve(stream, &log, &mut answer));
            }
        });
        Ok(Self { address, requests, stop, thread: Some(thread) })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().map(|requests| requests.clone()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read(
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<Request> {
    let path = lines.next().transpose()?.unwrap_or_default();
    let path = path.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut request = Request { path, range_start: None };
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            request.range_start = range.trim_end_matches('-').parse().ok();
        }
    }
    if let Ok(mut log) = log.lock() {
        log.push(request.clone());
    }
    Ok(request)
}

fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Request>>,
    answer: &mut impl FnMut(&Request) -> Answer,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut request = read(&mut lines, log)?;
    // A client that takes this server for its proxy says first where it wants to be connected to.
    if !request.path.contains('/') {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        request = read(&mut lines, log)?;
    }
    let Answer { head, length, body } = answer(&request);
    write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&body)
}

//! Workers that train one network together, each a process with samples of its own: how they reach each other, add up numbers
//! and tell each other things. What they add up is the trainer's affair.
//!
//! They stand in a ring of TCP connections, each connected to the next one and to the one before. A sum goes around twice: first
//! every worker gathers the whole of one part, then the wholes are passed on, so that each sends twice the numbers however many
//! workers there are (Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", 2009). Every part
//! is added up at one place in one order, so that all workers hold the same bits.

use std::{
    fmt,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{Error, Result};

/// What a connection begins with, before the secret and the number of who connects.
const GREETING: &[u8; 8] = b"emberln1";
/// The length of the secret that keeps strangers out, in bytes.
const SECRET_BYTES: usize = 32;
/// How long a stranger may take to say who it is.
const GREETING_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often somebody who waits for a connection looks.
const LOOK: Duration = Duration::from_millis(10);
/// The longest message of one worker to the others, but for numbers that are added up, whose length both sides know.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A place where a worker waits for the one before it.
#[derive(Debug)]
pub struct WorkerListener(TcpListener);

impl WorkerListener {
    /// Listens at an address of this machine, at a port that is free.
    ///
    /// # Errors
    /// When it is no address of this machine.
    pub fn bind(host: &str) -> Result<Self> {
        let failed = |error| Error::Workers { problem: format!("can't listen at `{host}`: {error}") };
        Ok(Self(TcpListener::bind((host, 0)).map_err(failed)?))
    }

    /// The port, for the others to know.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn port(&self) -> Result<u16> {
        let failed = |error| Error::Workers { problem: format!("no port: {error}") };
        Ok(self.0.local_addr().map_err(failed)?.port())
    }

    /// Joins the others: this is worker `rank`, from 0, of those at `addresses` (`host:port`), its own among them. All have the
    /// same secret. `timeout` is how long a worker waits for another, here and later.
    ///
    /// # Errors
    /// When a worker can't be reached in time.
    pub fn join(
        self,
        rank: usize,
        addresses: &[String],
        secret: [u8; SECRET_BYTES],
        timeout: Duration,
    ) -> Result<Workers> {
        let size = addresses.len();
        if rank >= size {
            return Err(Error::Workers { problem: format!("there is no worker {rank} of {size}") });
        }
        let (next, previous) = ((rank + 1) % size, (rank + size - 1) % size);
        let mut links = None;
        if size > 1 {
            let lost = |other: usize, error: std::io::Error| Error::Workers {
                problem: format!("worker {rank} of {size} can't reach worker {other}: {error}"),
            };
            let until = Instant::now() + timeout;
            let connect = || {
                let mut stream = connect(&addresses[next], until)?;
                stream.write_all(GREETING)?;
                stream.write_all(&secret)?;
                stream.write_all(&(rank as u64).to_le_bytes())?;
                prepare(stream, timeout)
            };
            let to = connect().map_err(|error| lost(next, error))?;
            let from = accept(&self.0, &secret, previous as u64, until)
                .and_then(|stream| prepare(stream, timeout))
                .map_err(|error| lost(previous, error))?;
            links = Some(Links { to, from });
        }
        Ok(Workers { rank, size, links: Mutex::new(links) })
    }
}

fn connect(address: &str, until: Instant) -> std::io::Result<TcpStream> {
    let mut failure = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    loop {
        for address in address.to_socket_addrs()? {
            let left = until.saturating_duration_since(Instant::now()).max(LOOK);
            match TcpStream::connect_timeout(&address, left) {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        if Instant::now() >= until {
            return Err(failure);
        }
        thread::sleep(LOOK);
    }
}

/// Waits for the worker of a number; whoever does not know the secret is sent away.
fn accept(
    listener: &TcpListener,
    secret: &[u8; SECRET_BYTES],
    rank: u64,
    until: Instant,
) -> std::io::Result<TcpStream> {
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                let mut greeting = [0; GREETING.len() + SECRET_BYTES + size_of::<u64>()];
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(GREETING_WAIT_MAX))?;
                let expected = [&GREETING[..], secret, &rank.to_le_bytes()].concat();
                if stream.read_exact(&mut greeting).is_ok() && greeting[..] == expected[..] {
                    return Ok(stream);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => thread::sleep(LOOK),
            Err(error) => return Err(error),
        }
        if Instant::now() >= until {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
    }
}

fn prepare(stream: TcpStream, timeout: Duration) -> std::io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(stream)
}

/// One of the workers that train a network together, as it sees the others.
///
/// All of them make the same calls in the same order. When one is lost, the others' calls fail, and so do all later ones.
///
/// ```
/// use emberline_train::WorkerListener;
/// use std::{thread, time::Duration};
///
/// let listeners: Vec<_> = (0..3).map(|_| WorkerListener::bind("127.0.0.1").unwrap()).collect();
/// let addresses: Vec<String> =
///     listeners.iter().map(|listener| format!("127.0.0.1:{}", listener.port().unwrap())).collect();
/// let work = |(rank, listener): (usize, WorkerListener)| {
///     let addresses = addresses.clone();
///     thread::spawn(move || {
///         let workers = listener.join(rank, &addresses, [7; 32], Duration::from_secs(10)).unwrap();
///         let mut numbers = [rank as f32, 1.0];
///         workers.sum(&mut numbers).unwrap();
///         numbers
///     })
/// };
/// let working: Vec<_> = listeners.into_iter().enumerate().map(work).collect();
/// for worker in working {
///     assert_eq!(worker.join().unwrap(), [3.0, 3.0]);
/// }
/// ```
pub struct Workers {
    rank: usize,
    size: usize,
    /// None where there is but one worker, and when one was lost.
    links: Mutex<Option<Links>>,
}

struct Links {
    /// To the next worker.
    to: TcpStream,
    /// From the one before.
    from: TcpStream,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} of {}", self.rank, self.size)
    }
}

impl Workers {
    /// The number of this worker, from 0.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many workers there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Replaces numbers by their sums over all workers, which all give as many: the same bits everywhere.
    ///
    /// # Errors
    /// When a worker is lost, takes too long, or gave another count of numbers.
    pub fn sum(&self, numbers: &mut [f32]) -> Result<()> {
        let (rank, size, len) = (self.rank, self.size, numbers.len());
        let part = |offset: usize| {
            let place = (rank + offset) % size;
            len * place / size..len * (place + 1) / size
        };
        self.linked(|links| {
            for round in 0..size - 1 {
                let (sent, received) = (part(size - round), part(2 * size - round - 1));
                let found =
                    links.exchange(&bytes_of(&numbers[sent]), Some(received.len() * size_of::<f32>()))?;
                numbers[received]
                    .iter_mut()
                    .zip(numbers_of(&found))
                    .for_each(|(number, more)| *number += more);
            }
            for round in 0..size - 1 {
                let (sent, received) = (part(size + 1 - round), part(size - round));
                let found =
                    links.exchange(&bytes_of(&numbers[sent]), Some(received.len() * size_of::<f32>()))?;
                numbers[received]
                    .iter_mut()
                    .zip(numbers_of(&found))
                    .for_each(|(number, whole)| *number = whole);
            }
            Ok(())
        })
    }

    /// What every worker says, by their numbers: 64 MiB each at most.
    ///
    /// # Errors
    /// When a worker is lost, takes too long, or says more than that.
    pub fn gather(&self, message: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut said = vec![Vec::new(); self.size];
        said[self.rank] = message.to_vec();
        self.linked(|links| {
            for round in 0..self.size - 1 {
                let (sent, received) = (self.size - round, 2 * self.size - round - 1);
                let found = links.exchange(&said[(self.rank + sent) % self.size], None)?;
                said[(self.rank + received) % self.size] = found;
            }
            Ok(())
        })?;
        Ok(said)
    }

    /// Leaves the others, whose calls fail from then on: for who can't go on.
    pub fn leave(&self) {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner).take();
        for stream in links.iter().flat_map(|links| [&links.to, &links.from]) {
            // The other side may be gone already.
            _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Talks to the neighbours; whoever fails leaves, so that all others learn of it.
    fn linked(&self, talk: impl FnOnce(&Links) -> std::io::Result<()>) -> Result<()> {
        if self.size == 1 {
            return Ok(());
        }
        let Self { rank, size, .. } = self;
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let talked = match links.as_ref() {
            Some(links) => talk(links),
            None => Err(std::io::Error::other("another worker was lost before")),
        };
        drop(links);
        talked.map_err(|error| {
            self.leave();
            let (before, after) = ((rank + size - 1) % size, (rank + 1) % size);
            let reason = match error.kind() {
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                    "they took too long".to_owned()
                }
                std::io::ErrorKind::UnexpectedEof => "a connection has ended".to_owned(),
                _ => error.to_string(),
            };
            let problem = format!(
                "worker {rank} of {size} lost the others, worker {before} or {after} first: {reason}"
            );
            Error::Workers { problem }
        })
    }
}

impl Links {
    /// Sends a message to the next worker while the one before sends one, whose length may be known.
    fn exchange(&self, message: &[u8], expected: Option<usize>) -> std::io::Result<Vec<u8>> {
        let (mut to, from) = (&self.to, &self.from);
        thread::scope(|scope| {
            // All of them send at once, so whoever only sent would wait for somebody who also does.
            let sending = scope.spawn(move || {
                to.write_all(&(message.len() as u64).to_le_bytes())?;
                to.write_all(message)
            });
            let received = receive(from, expected);
            if received.is_err() {
                // Else the sending thread may wait until its time is up.
                _ = to.shutdown(Shutdown::Both);
            }
            let sent =
                sending.join().unwrap_or_else(|_| Err(std::io::Error::other("the sending thread has ended")));
            received.and_then(|received| sent.map(|()| received))
        })
    }
}

fn receive(mut from: &TcpStream, expected: Option<usize>) -> std::io::Result<Vec<u8>> {
    let mut length = [0; size_of::<u64>()];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
    let wrong = |words: String| Err(std::io::Error::other(words));
    match expected {
        Some(expected) if expected != length => {
            return wrong(format!(
                "expected {expected} bytes, found {length}: do all workers make the same fits in the same order?"
            ));
        }
        None if length > MESSAGE_BYTES_MAX => {
            return wrong(format!("expected at most {MESSAGE_BYTES_MAX} bytes, found {length}"));
        }
        _ => {}
    }
    let mut message = vec![0; length];
    from.read_exact(&mut message)?;
    Ok(message)
}

fn bytes_of(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn numbers_of(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

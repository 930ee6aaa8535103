//! A server of HTTP whose answers never come to an end.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How it goes on for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It takes the request, and says nothing.
    Silence,
    /// One header, a byte at a time.
    HeadByByte,
    /// One header after another.
    Heads,
    /// One interim answer after another.
    Interim,
    /// A body, a byte at a time.
    BodyByByte,
    /// A body of a gigabyte that is well chunked, as fast as it is read.
    Body,
}

impl Way {
    pub(crate) const ALL: [Self; 6] =
        [Self::Silence, Self::HeadByByte, Self::Heads, Self::Interim, Self::BodyByByte, Self::Body];

    /// What comes first, what comes then again and again, and how fast.
    fn said(self) -> (&'static str, String, Duration) {
        let slowly = Duration::from_millis(50);
        match self {
            Self::Silence => ("", String::new(), slowly),
            Self::HeadByByte => ("HTTP/1.1 200 OK\r\nx: ", "x".into(), slowly),
            Self::Heads => ("HTTP/1.1 200 OK\r\n", "x: y\r\n".repeat(1_000), Duration::ZERO),
            Self::Interim => ("", "HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000), Duration::ZERO),
            Self::BodyByByte => ("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", "x".into(), slowly),
            Self::Body => ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunk(), Duration::ZERO),
        }
    }
}

fn chunk() -> String {
    format!("1000\r\n{}\r\n", "x".repeat(0x1000))
}

/// One that listens.
pub(crate) struct Endless {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
}

impl Endless {
    pub(crate) fn start(way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        let (asked, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let of_thread = (asked.clone(), ends.clone());
        thread::spawn(move || {
            let (asked, ends) = of_thread;
            for socket in listener.incoming().map_while(Result::ok) {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (asked, ends) = (asked.clone(), ends.clone());
                thread::spawn(move || serve(socket, way, &asked, &ends));
            }
        });
        Self { address, asked, ends }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests have come.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// Goes on until the other side has closed the connection.
fn serve(mut socket: TcpStream, way: Way, asked: &AtomicUsize, ends: &AtomicBool) {
    if !socket.read(&mut [0; 65_536]).is_ok_and(|read| read > 0) {
        return;
    }
    asked.fetch_add(1, Ordering::Relaxed);
    let (first, then, pause) = way.said();
    let mut is_open = socket.write_all(first.as_bytes()).is_ok();
    while is_open && !ends.load(Ordering::Relaxed) {
        is_open = socket.write_all(then.as_bytes()).is_ok();
        thread::sleep(pause);
    }
}

//! A wire to a server that loses one of its answers.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// Of what a server says: how long the first frame is that is whole, and whether it answers a publish.
pub(crate) type Frames = fn(&[u8]) -> Option<(usize, bool)>;

/// Of all answers to publishes, the one that is lost.
const VICTIM: u32 = 30;

/// Starts a wire to a server; where its clients connect. Its threads end with their connections.
pub(crate) fn start(server: SocketAddr, frames: Frames) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Arc::new(AtomicU32::new(0));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(server).unwrap();
            let (mut up_from, mut up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                // A connection that breaks is an ended one.
                let _ = io::copy(&mut up_from, &mut up_to);
                let _ = up_to.shutdown(Shutdown::Write);
            });
            let answers = answers.clone();
            thread::spawn(move || copy_down(server, client, frames, &answers));
        }
    });
    address
}

fn copy_down(mut server: TcpStream, mut client: TcpStream, frames: Frames, answers: &AtomicU32) {
    let (mut input, mut bytes) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = server.read(&mut bytes) {
        input.extend_from_slice(&bytes[..read]);
        while let Some((length, is_answer)) = frames(&input) {
            let is_lost = is_answer && answers.fetch_add(1, Ordering::Relaxed) == VICTIM;
            if !is_lost && client.write_all(&input[..length]).is_err() {
                return;
            }
            input.drain(..length);
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

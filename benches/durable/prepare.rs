//! What others must be told before they keep what is published, in their own words.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::ensure;

/// Has JetStream keep what is published to `durable.…`, as the stream of that name says.
pub(crate) fn create_stream(address: SocketAddr, stream: &str) -> anyhow::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let create = format!("PUB $JS.API.STREAM.CREATE.durable _INBOX.bench {}\r\n{stream}\r\n", stream.len());
    socket.write_all(format!("CONNECT {{\"verbose\":false}}\r\nSUB _INBOX.bench 1\r\n{create}").as_bytes())?;
    for line in BufReader::new(socket).lines() {
        let line = line?;
        ensure!(!line.contains("\"error\""), "no stream can be made: {line}");
        if line.contains("\"did_create\":true") {
            return Ok(());
        }
    }
    anyhow::bail!("it closed the connection instead of making a stream")
}

/// Has Kafka make the topic that all is published to, with one partition: `CreateTopics`, version 2.
pub(crate) fn create_topic(address: SocketAddr) -> anyhow::Result<()> {
    const NAME: &[u8] = b"\0\x07durable";
    const IS_THERE: [i16; 2] = [0, 36];
    // Kind, version, number of the request, no client; one topic.
    let head = [0, 19, 0, 2, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 1];
    // One partition on one broker, wherever, nothing configured; ten seconds, in earnest.
    let tail = [0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x27, 0x10, 0];
    let request = [&head[..], NAME, &tail].concat();
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(&(request.len() as u32).to_be_bytes())?;
    socket.write_all(&request)?;
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut answer)?;
    // Number of the request, a delay, one topic with its name, then the code.
    let code = answer.get(4 + 4 + 4 + NAME.len()..).and_then(|rest| rest.first_chunk());
    let code = code.map(|code| i16::from_be_bytes(*code));
    ensure!(code.is_some_and(|code| IS_THERE.contains(&code)), "no topic can be made: {code:?}");
    Ok(())
}

//! Against the RFCs and against `tungstenite`, in memory.

mod http;
mod length;
mod line;
mod websocket;

use std::io::{self, Read, Write};

/// One side's socket: what it can read, and what it has written. An empty input blocks.
#[derive(Debug, Default)]
struct Pipe {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Pipe {
    fn of(input: &[u8]) -> Self {
        Self { input: input.to_vec(), output: Vec::new() }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = buffer.len().min(self.input.len());
        buffer[..len].copy_from_slice(&self.input[..len]);
        self.input.drain(..len);
        Ok(len)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Batches of records in fjall: `fjall-batches FOLDER`, an empty one.
//!
//! Reads from standard input how many records each batch has, a number a line, and inserts and syncs one batch after the other.
//! Writes how long each took, nanoseconds, a line each; last how long it took to open the folder again and to read all records.

use std::error::Error;
use std::io::{self, BufRead as _, Write as _};
use std::time::Instant;

use fjall::{Database, KeyspaceCreateOptions, PersistMode};

/// As long as the payload of the bench's records.
const VALUE: [u8; 200] = [7; 200];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("which folder?")?;
    let batches: Vec<u64> =
        io::stdin().lock().lines().map(|line| Ok(line?.parse()?)).collect::<Result<_, Box<dyn Error>>>()?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut offset = 0_u64;
    {
        let database = Database::builder(&folder).open()?;
        let log = database.keyspace("channel", KeyspaceCreateOptions::default)?;
        for records in &batches {
            let began = Instant::now();
            let mut batch = database.batch().durability(Some(PersistMode::SyncData));
            for _ in 0..*records {
                offset += 1;
                batch.insert(&log, offset.to_be_bytes(), VALUE);
            }
            batch.commit()?;
            writeln!(out, "{}", began.elapsed().as_nanos())?;
        }
    }
    let began = Instant::now();
    let database = Database::builder(&folder).open()?;
    let log = database.keyspace("channel", KeyspaceCreateOptions::default)?;
    let mut read = 0_u64;
    for record in log.iter() {
        let (_, value) = record.into_inner()?;
        read += u64::from(value.len() == VALUE.len());
    }
    if read != offset {
        return Err(format!("{offset} records were written, {read} are there").into());
    }
    writeln!(out, "{}", began.elapsed().as_nanos())?;
    Ok(())
}

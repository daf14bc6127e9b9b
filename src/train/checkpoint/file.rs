//! The file of a checkpoint: safetensors, so that other programs can look into it. What is no matrix is JSON among its metadata.

use crate::atomic::NewFile;
use crate::tensor_file::{self, Entry};
use crate::train::state::Listed;
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The entry of the metadata.
const KEY: &str = "deepnmf_checkpoint";
/// A header is text about some matrices; no file is believed to have more of it.
const MOST_HEADER: u64 = 1 << 28;

/// Writes the matrices that `listed` lists, of numbers of `size` bytes, by `body`. The file that was there stays as it is until all
/// of the new one is on disk. Returns its bytes.
pub(super) fn write(
    path: &Path,
    header: &impl Serialize,
    (listed, size): (&[&Listed], usize),
    body: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<u64> {
    let text = serde_json::to_string(header).map_err(|e| Error::format(path, format!("not written: {e}")))?;
    let matrices = listed.iter().flat_map(|listed| &listed.matrices).enumerate();
    let entries: Vec<_> = matrices
        .map(|(i, (name, rows, cols))| Entry {
            // Numbered: names need not differ.
            name: format!("{i:03} {name}"),
            dtype: if size == 8 { "F64" } else { "F32" },
            shape: vec![*rows, *cols],
            size,
        })
        .collect();
    tensor_file::write(NewFile::create(path)?, (KEY, &text), &entries, body)
}

/// Refuses a file that is no whole checkpoint.
pub(super) fn check(path: &Path) -> Result<()> {
    open(path).map(drop)
}

/// What the file says besides its matrices, and a reader of these.
pub(super) fn read<H: DeserializeOwned>(path: &Path) -> Result<(H, BufReader<File>)> {
    let (ours, file) = open(path)?;
    let header = serde_json::from_str(&ours).map_err(|e| wrong(path, &format!("one of another version ({e})")))?;
    Ok((header, file))
}

fn wrong(path: &Path, found: &str) -> Error {
    Error::format(path, format!("expected a checkpoint of deepnmf, found {found}"))
}

/// The JSON, and a reader of the matrices.
fn open(path: &Path) -> Result<(String, BufReader<File>)> {
    let failed = |e| Error::io(path, e);
    let wrong = |found: String| wrong(path, &found);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut bytes = [0; 8];
    if length < 8 {
        return Err(wrong(format!("{length} bytes")));
    }
    file.read_exact(&mut bytes).map_err(failed)?;
    let header = u64::from_le_bytes(bytes);
    if header > MOST_HEADER.min(length - 8) {
        return Err(wrong("something else, or a part of one".into()));
    }
    let mut text = vec![0; header as usize];
    file.read_exact(&mut text).map_err(failed)?;
    let entries: Map<String, Value> =
        serde_json::from_slice(&text).map_err(|_| wrong("something else, or a part of one".into()))?;
    let Some(ours) = entries.get("__metadata__").and_then(|m| m.get(KEY)).and_then(Value::as_str) else {
        return Err(wrong("a safetensors file of something else".into()));
    };
    let ends = entries.values().filter_map(|entry| entry.get("data_offsets")?.get(1)?.as_u64());
    let (expected, found) = (8 + header + ends.max().unwrap_or(0), length);
    if expected != found {
        return Err(wrong(format!("{found} bytes instead of {expected}: a part of one")));
    }
    let ours = ours.to_string();
    file.seek(SeekFrom::Start(8 + header)).map_err(failed)?;
    Ok((ours, file))
}

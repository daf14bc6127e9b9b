//! The file of a checkpoint: safetensors, so that other programs can look into it. What is no matrix is JSON among its metadata.

use crate::atomic::NewFile;
use crate::tensor_file::{self, Entry};
use crate::train::state::Listed;
use crate::{Error, Result};
use crc32fast::Hasher;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The entry of the metadata.
const KEY: &str = "deepnmf_checkpoint";
/// The last tensor: a checksum of the JSON and of all numbers before it.
const CHECKSUM: &str = "checksum";
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
    let mut entries: Vec<_> = matrices
        .map(|(i, (name, rows, cols))| Entry {
            // Numbered: names need not differ.
            name: format!("{i:03} {name}"),
            dtype: if size == 8 { "F64" } else { "F32" },
            shape: vec![*rows, *cols],
            size,
        })
        .collect();
    entries.push(Entry { name: CHECKSUM.into(), dtype: "U32", shape: vec![1], size: 4 });
    tensor_file::write(NewFile::create(path)?, (KEY, &text), &entries, |out| {
        let mut crc = Hasher::new();
        crc.update(text.as_bytes());
        let mut summed = Summed { out, crc };
        body(&mut summed)?;
        let Summed { out, crc } = summed;
        out.write_all(&crc.finalize().to_le_bytes()).map_err(|e| Error::io(path, e))
    })
}

/// Adds up what is written.
struct Summed<'a> {
    out: &'a mut dyn Write,
    crc: Hasher,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.crc.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
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
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(wrong("no file".into()));
    }
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
    let mut crc = Hasher::new();
    crc.update(ours.as_bytes());
    let (mut left, mut buffer) = ((length - 8 - header).saturating_sub(4), vec![0; 1 << 16]);
    while left > 0 {
        let piece = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.read_exact(&mut buffer[..piece]).map_err(failed)?;
        crc.update(&buffer[..piece]);
        left -= piece as u64;
    }
    let mut sum = [0; 4];
    file.read_exact(&mut sum).map_err(failed)?;
    if !entries.contains_key(CHECKSUM) || u32::from_le_bytes(sum) != crc.finalize() {
        return Err(wrong("one that was changed after it was written".into()));
    }
    let ours = ours.to_string();
    file.seek(SeekFrom::Start(8 + header)).map_err(failed)?;
    Ok((ours, file))
}

/// A file that takes whatever is written to it, and says in the end what went wrong; None takes it, too.
pub(super) struct Deferred(pub(super) std::io::Result<Option<BufWriter<File>>>);

impl Deferred {
    pub(super) fn finish(self) -> std::io::Result<Option<File>> {
        let into_file = |file: BufWriter<File>| file.into_inner().map_err(std::io::IntoInnerError::into_error);
        self.0?.map(into_file).transpose()
    }
}

impl Write for Deferred {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Ok(Some(file)) = &mut self.0
            && let Err(e) = file.write_all(bytes)
        {
            self.0 = Err(e);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

//! Files in safetensors' format, written without holding their content in memory.

use crate::atomic::NewFile;
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::io::Write;

/// A tensor of a file: what the header says of it.
pub(crate) struct Entry {
    pub(crate) name: String,
    /// As safetensors spells it: `F32`, `F64`, `U32`.
    pub(crate) dtype: &'static str,
    pub(crate) shape: Vec<usize>,
    /// Bytes of a number.
    pub(crate) size: usize,
}

impl Entry {
    fn bytes(&self) -> u64 {
        self.shape.iter().fold(self.size as u64, |bytes, &side| bytes.saturating_mul(side as u64))
    }
}

/// Writes these tensors with one entry of metadata, `(key, text)`. `body` writes their numbers, in that order, row by row and
/// little-endian. Returns the bytes of the file.
///
/// # Errors
/// [`Error::Format`] where there is no room, [`Error::Io`], and whatever `body` fails with.
pub(crate) fn write(
    file: NewFile,
    (key, text): (&str, &str),
    entries: &[Entry],
    body: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<u64> {
    let (mut header, mut end) = (Map::<String, Value>::new(), 0_u64);
    header.insert("__metadata__".into(), json!({ key: text }));
    for entry in entries {
        let begin = end;
        end = end.saturating_add(entry.bytes());
        let tensor = json!({ "dtype": entry.dtype, "shape": entry.shape, "data_offsets": [begin, end] });
        header.insert(entry.name.clone(), tensor);
    }
    let mut header = Value::Object(header).to_string();
    // The numbers begin at a multiple of 8 bytes.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let length = end.saturating_add(8 + header.len() as u64);
    file.reserve(length)?;
    let mut failure = None;
    let written = file.write(|out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        body(out).map_err(|e| match e {
            Error::Io { source, .. } => source,
            other => {
                let source = std::io::Error::other(other.to_string());
                failure = Some(other);
                source
            }
        })
    });
    failure.map_or(written, Err).map(|()| length)
}

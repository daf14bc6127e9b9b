//! Rows of numbers, read where they are in a file.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::super::hdf5::Chunked;
use super::super::source::{Kind, Numbers};
use crate::{Error, Result};

/// Samples that come one after the other in a file, which stays as it is.
#[derive(Debug, Clone)]
pub(super) struct RawRows {
    path: PathBuf,
    file: Arc<File>,
    /// The size of the file and the time it was written, when it was opened.
    state: (u64, Option<SystemTime>),
    /// The bytes before the first sample; or chunks, in which they are.
    start: u64,
    chunks: Option<Arc<Chunked>>,
    pub(super) kind: Kind,
    pub(super) big_endian: bool,
    /// The bytes of a sample.
    pub(super) bytes: usize,
}

impl RawRows {
    /// Of samples of `values` numbers.
    pub(super) fn open(path: &Path, numbers: &Numbers, values: usize, chunks: Option<Chunked>) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let state = state(&file.metadata().map_err(|e| Error::io(path, e))?);
        let Numbers { start, kind, big_endian, .. } = *numbers;
        let bytes = values * kind.size() as usize;
        let (path, file, chunks) = (path.to_path_buf(), Arc::new(file), chunks.map(Arc::new));
        Ok(Self { path, file, state, start, chunks, kind, big_endian, bytes })
    }

    /// Refuses a file that is not as it was when it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        let found = state(&self.file.metadata().map_err(|e| Error::io(&self.path, e))?);
        if found == self.state {
            return Ok(());
        }
        let what = if found.0 == self.state.0 { "it was written to".into() } else { self.sizes(found.0) };
        Err(Error::format(&self.path, format!("the file changed while its samples were streamed: {what}")))
    }

    fn sizes(&self, found: u64) -> String {
        format!("expected {} bytes as when it was opened, found {found}", self.state.0)
    }

    /// Fills `out` with whole samples from sample `first` on.
    pub(super) fn read(&self, first: usize, out: &mut [u8]) -> Result<()> {
        if let Some(chunks) = &self.chunks {
            return chunks.read(first, self.bytes, out);
        }
        let at = self.start + first as u64 * self.bytes as u64;
        read_exact_at(&self.file, out, at).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                let found = self.file.metadata().map_or(0, |m| m.len());
                Error::format(&self.path, format!("the file was cut while it was read: {}", self.sizes(found)))
            }
            _ => Error::io(&self.path, e),
        })
    }
}

fn state(file: &Metadata) -> (u64, Option<SystemTime>) {
    (file.len(), file.modified().ok())
}

#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, at)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, out: &mut [u8], at: u64) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(out)
}

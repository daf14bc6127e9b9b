//! Rows of numbers, read where they are in a file.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::super::hdf5::Chunked;
use super::super::source::{Kind, Numbers, too_large};
use crate::{Error, Result};

/// Samples that come one after the other in a file, which stays as it is.
#[derive(Debug, Clone)]
pub(super) struct RawRows {
    path: PathBuf,
    file: Arc<File>,
    /// When it was opened.
    state: State,
    /// The bytes before the first sample; or chunks, in which they are.
    start: u64,
    chunks: Option<Arc<Chunked>>,
    kind: Kind,
    big_endian: bool,
    /// The bytes of a sample.
    pub(super) bytes: usize,
}

impl RawRows {
    /// Of samples of `values` numbers.
    pub(super) fn open(path: &Path, numbers: &Numbers, values: usize, chunks: Option<Chunked>) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let state = State::of(&file.metadata().map_err(|e| Error::io(path, e))?);
        let Numbers { start, kind, big_endian, .. } = *numbers;
        let bytes = values * kind.size() as usize;
        let (path, file, chunks) = (path.to_path_buf(), Arc::new(file), chunks.map(Arc::new));
        Ok(Self { path, file, state, start, chunks, kind, big_endian, bytes })
    }

    /// Refuses a file that is not as it was when it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        self.state.check(&self.path, &self.file.metadata().map_err(|e| Error::io(&self.path, e))?)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Numbers of samples from `first` on, each of `values`, from their bytes.
    pub(super) fn decode(&self, (first, values): (usize, usize), bytes: &[u8], out: &mut [f32]) -> Result<()> {
        self.kind.decode(bytes, self.big_endian, out);
        let Some((at, value)) = self.kind.overflow(bytes, self.big_endian, out) else { return Ok(()) };
        let (row, column) = (first + at / values + 1, at % values + 1);
        Err(Error::format(&self.path, too_large(&format!("{value:e} in row {row}, column {column}, counted from 1"))))
    }

    /// Fills `out` with these samples.
    pub(super) fn read_chosen(&self, rows: &[usize], mut out: &mut [u8]) -> Result<()> {
        for run in rows.chunk_by(|a, b| a + 1 == *b) {
            let (of_run, rest) = out.split_at_mut(run.len() * self.bytes);
            self.read(run[0], of_run)?;
            out = rest;
        }
        Ok(())
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
                Error::format(&self.path, format!("the file was cut while it was read: {}", self.state.sizes(found)))
            }
            _ => Error::io(&self.path, e),
        })
    }
}

/// The size of a file and the time it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    bytes: u64,
    written: Option<SystemTime>,
}

impl State {
    pub(super) fn of(file: &Metadata) -> Self {
        Self { bytes: file.len(), written: file.modified().ok() }
    }

    /// Refuses a file that is not as it was.
    pub(super) fn check(&self, path: &Path, now: &Metadata) -> Result<()> {
        let found = Self::of(now);
        if found == *self {
            return Ok(());
        }
        let what = if found.bytes == self.bytes { "it was written to".into() } else { self.sizes(found.bytes) };
        Err(Error::format(path, format!("the file changed while its samples were streamed: {what}")))
    }

    fn sizes(&self, found: u64) -> String {
        format!("expected {} bytes as when it was opened, found {found}", self.bytes)
    }
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

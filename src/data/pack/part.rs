//! An array that is being written: `X.npy.part`, and `X.npy.part.json`, which says what of it is whole.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::atomic::{inherit, place, reserve, write_atomically};
use crate::{Error, Result};

/// Time between two notes of what is whole.
const BETWEEN_NOTES: Duration = Duration::from_secs(1);

/// Time that a file may still be locked.
const WAIT: Duration = Duration::from_secs(2);

/// What is whole.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    /// What the samples were read and written with.
    pub(super) settings: Value,
    /// The ends of the blocks that were written, in samples, and for each the state of the files that it came from.
    blocks: Vec<(usize, u64)>,
    /// Samples so far that had values which a byte cannot hold.
    pub(super) rounded: usize,
}

/// The files of an array that is being written to `out`.
#[derive(Debug)]
pub(super) struct Part {
    out: PathBuf,
    /// Where it will be, and the file that it replaces.
    target: PathBuf,
    replaced: Option<Metadata>,
    path: PathBuf,
    journal_path: PathBuf,
    file: File,
    pub(super) journal: Journal,
    /// When the journal was written last.
    noted: Option<Instant>,
}

impl Part {
    /// The part that an earlier run left, if there is one; with `restart` it is removed.
    ///
    /// # Errors
    /// [`Error::Format`] for a part without a journal, or one that another process writes; [`Error::Io`].
    pub(super) fn find(out: &Path, restart: bool) -> Result<Option<Self>> {
        let (target, replaced) = place(out)?;
        let (path, journal_path) = paths(&target);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&path, e)),
        };
        lock(&file, &path)?;
        if !path.exists() {
            // The run that had it is done.
            return Ok(None);
        }
        if restart {
            for path in [&path, &journal_path].into_iter().filter(|path| path.exists()) {
                std::fs::remove_file(path).map_err(|e| Error::io(path, e))?;
            }
            return Ok(None);
        }
        let wrong = |why: String| {
            let message = format!("found what an earlier run left, but {why}; remove it, or begin anew with --restart");
            Error::format(&path, message)
        };
        let mut text = String::new();
        let read = File::open(&journal_path).and_then(|mut file| file.read_to_string(&mut text));
        read.map_err(|e| wrong(format!("{} does not read: {e}", journal_path.display())))?;
        let journal: Journal = serde_json::from_str(&text)
            .map_err(|e| wrong(format!("{} does not say what of it is whole: {e}", journal_path.display())))?;
        Ok(Some(Self { out: out.into(), target, replaced, path, journal_path, file, journal, noted: None }))
    }

    /// Begins an array.
    pub(super) fn create(out: &Path, settings: Value) -> Result<Self> {
        let (target, replaced) = place(out)?;
        let (path, journal_path) = paths(&target);
        let journal = Journal { settings, blocks: Vec::new(), rounded: 0 };
        // First the journal: there is no part without one, whenever this is killed.
        write_journal(&journal_path, &journal)?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|e| match e.kind() {
            // Since it was looked for.
            ErrorKind::AlreadyExists => Error::format(&path, "another process is writing this file"),
            _ => Error::io(&path, e),
        })?;
        lock(&file, &path)?;
        Ok(Self { out: out.into(), target, replaced, path, journal_path, file, journal, noted: None })
    }

    /// The samples that are whole.
    pub(super) fn done(&self) -> usize {
        self.journal.blocks.last().map_or(0, |(end, _)| *end)
    }

    /// The samples of every block that is whole, and the state of its files.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (Range<usize>, u64)> {
        let ends = self.journal.blocks.iter();
        let starts = std::iter::once(0).chain(ends.clone().map(|(end, _)| *end));
        starts.zip(ends).map(|(start, (end, state))| (start..*end, *state))
    }

    /// An error for a run that is not the one that left this part.
    pub(super) fn other(&self, what: &str) -> Error {
        let message = format!(
            "an earlier run packed {} samples, and cannot be gone on with: {what}; remove the file, or begin anew with --restart",
            self.done()
        );
        Error::format(&self.path, message)
    }

    /// Prepares for the next block: `header` is that of the whole array, whose samples have `row` bytes each.
    pub(super) fn start(&mut self, header: &[u8], samples: usize, row: usize) -> Result<()> {
        let failed = |e| Error::io(&self.path, e);
        let at = |samples: usize| header.len() as u64 + samples as u64 * row as u64;
        let end = at(self.done());
        if self.file.metadata().map_err(failed)?.len() < end && self.done() > 0 {
            return Err(self.other("the file is shorter than it was"));
        }
        if let Err(e) = reserve(&self.file, &self.out, at(samples)) {
            let _ = self.stop();
            return Err(e);
        }
        let written = self.file.rewind().and_then(|()| self.file.write_all(header));
        written.and_then(|()| self.file.seek(SeekFrom::Start(end))).map(drop).map_err(failed)
    }

    /// Writes the samples up to `end`, which came from files in this state.
    pub(super) fn append(&mut self, bytes: &[u8], end: usize, state: u64) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::io(&self.path, e))?;
        match self.journal.blocks.last_mut() {
            // Blocks of one file.
            Some(last) if last.1 == state => last.0 = end,
            _ => self.journal.blocks.push((end, state)),
        }
        match self.noted {
            Some(noted) if noted.elapsed() < BETWEEN_NOTES => Ok(()),
            _ => self.note(),
        }
    }

    fn note(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io(&self.path, e))?;
        self.noted = Some(Instant::now());
        write_journal(&self.journal_path, &self.journal)
    }

    /// Leaves what is whole for another run; nothing if that is nothing.
    pub(super) fn stop(&mut self) -> Result<()> {
        if self.done() > 0 {
            return self.note();
        }
        let remove = |path: &Path| std::fs::remove_file(path).map_err(|e| Error::io(path, e));
        remove(&self.path).and_then(|()| remove(&self.journal_path))
    }

    /// Moves the whole array to its place, after `before` has been given the file that it is in.
    pub(super) fn finish(self, bytes: u64, before: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let failed = |e| Error::io(&self.path, e);
        // More may have been reserved by an earlier run.
        self.file.set_len(bytes).and_then(|()| self.file.sync_all()).map_err(failed)?;
        if let Some(replaced) = &self.replaced {
            inherit(&self.file, replaced).map_err(failed)?;
        }
        write_journal(&self.journal_path, &self.journal)?;
        before(&self.path)?;
        std::fs::rename(&self.path, &self.target).map_err(|e| Error::io(&self.out, e))?;
        std::fs::remove_file(&self.journal_path).map_err(|e| Error::io(&self.journal_path, e))
    }
}

/// The part of an array, and its journal.
fn paths(target: &Path) -> (PathBuf, PathBuf) {
    let with = |end: &str| {
        let mut name = target.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    (with(".part"), with(".part.json"))
}

/// Waits a little for a process that was killed and has not ended yet.
fn lock(file: &File, path: &Path) -> Result<()> {
    let start = Instant::now();
    // Not every file system has locks: other errors do not matter.
    while matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        if start.elapsed() > WAIT {
            return Err(Error::format(path, "another process is writing this file"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn write_journal(path: &Path, journal: &Journal) -> Result<()> {
    write_atomically(path, |out| Ok(serde_json::to_writer(out, journal)?))
}

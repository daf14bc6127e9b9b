//! Files that are there as a whole or not at all.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{BufWriter, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs4::FileExt;
use tempfile::NamedTempFile;

use crate::{Error, Result};

/// Temporary files are called so, with [`RANDOM`] letters and digits in between.
const PREFIX: &str = ".deepnmf-";
const SUFFIX: &str = ".tmp";
const RANDOM: usize = 6;
/// Links that are followed to a file, at most.
const MAX_LINKS: usize = 40;

/// The temporary files of this process.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every unfinished file of this process, and blocks whoever would make or finish one as long as the guard lives: for
/// a process that is about to end.
#[must_use = "files can be made again when the guard is gone"]
pub fn abandon_files() -> impl Sized {
    let unfinished = unfinished();
    for path in &*unfinished {
        let _ = std::fs::remove_file(path);
    }
    unfinished
}

/// A file that is about to be written. Until it is, its content lies in a temporary file beside it, and a file that is
/// already there is untouched; if it is dropped, nothing is left behind.
///
/// A file that is replaced keeps its mode and, where the system allows it, its owner; a symbolic link stays one, and the file
/// that it leads to is replaced.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    /// `path`, links followed.
    target: PathBuf,
    file: NamedTempFile,
    listed: Listed,
}

/// An entry of [`UNFINISHED`].
#[derive(Debug)]
struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        unfinished().retain(|path| *path != self.0);
    }
}

impl NewFile {
    /// Makes the temporary file: whether the place can be written to is known from then on. Temporary files that dead processes
    /// have left there are removed.
    ///
    /// # Errors
    /// [`Error::Format`] where there is something else than a file, or no folder; [`Error::Io`].
    pub fn create(path: &Path) -> Result<Self> {
        let target = target_of(path)?;
        if target.file_name().is_none() || target.exists() && !target.is_file() {
            let found = if target.is_dir() { "a folder" } else { "something else" };
            return Err(Error::format(path, format!("expected a file to write, found {found}")));
        }
        let folder = folder_of(&target);
        if !folder.is_dir() {
            let message = format!("expected a file in a folder that exists, found no folder {}", folder.display());
            return Err(Error::format(path, message));
        }
        remove_leftovers(folder);
        let failed = |e: std::io::Error| Error::io(path, e.kind().into());
        let replaced = match std::fs::metadata(&target) {
            // A file that may not be written to may not be replaced either.
            Ok(metadata) => OpenOptions::new().write(true).open(&target).map(|_| Some(metadata)).map_err(failed)?,
            Err(_) => None,
        };
        let (file, listed) = temporary(folder, replaced.as_ref()).map_err(failed)?;
        Ok(Self { path: path.to_path_buf(), target, file, listed })
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that there is room for `bytes`, so that a full disk is noticed before there is something to lose.
    ///
    /// # Errors
    /// [`Error::Format`] with what is there.
    pub fn reserve(&self, bytes: u64) -> Result<()> {
        let available = fs4::available_space(folder_of(&self.target)).ok();
        let too_little = match self.file.as_file().allocate(bytes) {
            Ok(()) => false,
            Err(e) => match e.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => true,
                // Not every file system can reserve.
                _ => available.is_some_and(|available| available < bytes),
            },
        };
        if !too_little {
            return Ok(());
        }
        let found = available.map_or("less".into(), |bytes| format!("{bytes} bytes, or a lower limit"));
        Err(Error::format(&self.path, format!("expected room for {bytes} bytes, found {found}; nothing was computed")))
    }

    /// Writes the content, and puts the file in its place when everything is on disk.
    pub fn write(mut self, write: impl FnOnce(&mut BufWriter<&mut File>) -> std::io::Result<()>) -> Result<()> {
        let failed = |e| Error::io(&self.path, e);
        let mut out = BufWriter::new(self.file.as_file_mut());
        write(&mut out).and_then(|()| out.flush()).map_err(failed)?;
        drop(out);
        let mut file = self.file.as_file();
        // What was reserved may be more.
        file.stream_position().and_then(|end| file.set_len(end)).and_then(|()| file.sync_all()).map_err(failed)?;
        let unfinished = unfinished();
        let placed = self.file.persist(&self.target);
        drop(unfinished);
        drop(self.listed);
        placed.map(drop).map_err(|e| failed(e.error))
    }
}

/// Writes the file `path`, all of it or nothing: [`NewFile`].
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> std::io::Result<()>,
) -> Result<()> {
    NewFile::create(path)?.write(write)
}

/// Where links lead; the last one may lead to a file that is not there yet.
pub(crate) fn target_of(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match std::fs::read_link(&target) {
            Ok(link) => target = folder_of(&target).join(link),
            Err(_) => return Ok(target),
        }
    }
    Err(Error::format(path, format!("expected a file to write, found a link that leads to over {MAX_LINKS} others")))
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file in `folder` that is locked as long as it is open, which tells those of living processes from leftovers.
fn temporary(folder: &Path, replaced: Option<&Metadata>) -> std::io::Result<(NamedTempFile, Listed)> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    // Temporary files are private by default; a result is as readable as the user's umask, or the replaced file, says.
    #[cfg(unix)]
    let anyone = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(replaced.map_or(anyone, Metadata::permissions));
    loop {
        let mut unfinished = unfinished();
        let file = builder.tempfile_in(folder)?;
        let listed = Listed(file.path().to_path_buf());
        unfinished.push(listed.0.clone());
        drop(unfinished);
        // Another process may take it for a leftover before it is locked.
        let mine = !matches!(file.as_file().try_lock(), Err(std::fs::TryLockError::WouldBlock));
        if mine && file.path().exists() {
            if let Some(replaced) = replaced {
                inherit(file.as_file(), replaced)?;
            }
            return Ok((file, listed));
        }
    }
}

/// The mode of the file that is replaced, and its owner where the system allows it.
fn inherit(file: &File, replaced: &Metadata) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let _ = fchown(file, Some(replaced.uid()), Some(replaced.gid()));
    }
    file.set_permissions(replaced.permissions())
}

/// Removes temporary files that nobody holds a lock on: those of processes that were killed.
fn remove_leftovers(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        let ours = random.is_some_and(|r| r.len() == RANDOM && r.bytes().all(|b| b.is_ascii_alphanumeric()));
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let path = entry.path();
            if OpenOptions::new().write(true).open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

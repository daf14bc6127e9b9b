//! Files that are written completely or not at all.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{BufWriter, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs4::FileExt;
use tempfile::{NamedTempFile, TempDir};

use crate::{Error, Result};

/// Names of temporary files begin and end so, with [`RANDOM`] letters and digits in between.
const PREFIX: &str = ".deepnmf-";
const SUFFIX: &str = ".tmp";
const RANDOM: usize = 6;
/// The most links that are followed to a file.
const MAX_LINKS: usize = 40;

/// The temporary files and folders of this process.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every unfinished file and folder of this process. While the returned guard lives, threads that give a file a name block:
/// for a process that is about to end.
#[must_use = "files can be created again when the guard is dropped"]
pub fn abandon_files() -> impl Sized {
    let unfinished = unfinished();
    for path in &*unfinished {
        let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir_all(path));
    }
    unfinished
}

/// A file that is about to be written. Its content goes to a temporary file beside it, which replaces an existing file only
/// when it is complete. Dropped before that, it leaves nothing behind; nor does a process that is killed where the system has files
/// without a name, as Linux has.
///
/// A file that is replaced keeps its mode and, where the system allows it, its owner. Symbolic links are followed: the file
/// that they lead to is replaced.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    /// `path`, links followed.
    target: PathBuf,
    file: Temporary,
}

/// A temporary file in the folder of what it will be.
#[derive(Debug)]
enum Temporary {
    /// It is gone with the process.
    Unnamed(File),
    Named(NamedTempFile, Listed),
}

impl Temporary {
    fn file(&self) -> &File {
        match self {
            Self::Unnamed(file) => file,
            Self::Named(file, _) => file.as_file(),
        }
    }

    /// Moves it to its place.
    fn persist(self, target: &Path) -> std::io::Result<()> {
        let unfinished = unfinished();
        match self {
            Self::Unnamed(file) => {
                let named = builder().rand_bytes(RANDOM).make_in(folder_of(target), |path| link(&file, path))?;
                named.persist(target).map(drop).map_err(|e| e.error)
            }
            Self::Named(file, listed) => {
                let placed = file.persist(target);
                drop(unfinished);
                drop(listed);
                placed.map(drop).map_err(|e| e.error)
            }
        }
    }
}

/// Names of temporary files.
fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    builder
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
    /// Creates the temporary file, so that an unwritable place is noticed now. Removes temporary files of processes that
    /// ended without removing theirs.
    ///
    /// # Errors
    /// [`Error::Format`] if `path` exists and is no file, or its folder does not exist; [`Error::Io`] if the system refuses.
    pub fn create(path: &Path) -> Result<Self> {
        let (target, replaced) = place(path)?;
        let folder = folder_of(&target);
        remove_leftovers(folder);
        let failed = |e: std::io::Error| Error::io(path, e.kind().into());
        let file = temporary(folder, replaced.as_ref()).map_err(failed)?;
        Ok(Self { path: path.to_path_buf(), target, file })
    }

    /// The path that [`NewFile::create`] was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reserves room for `bytes`, so that a full disk is noticed before anything is computed.
    ///
    /// # Errors
    /// [`Error::Format`] with the bytes that are available.
    pub fn reserve(&self, bytes: u64) -> Result<()> {
        reserve(self.file.file(), &self.path, bytes)
    }

    /// Writes the content, then moves the file to its place once all is on disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(self, write: impl FnOnce(&mut BufWriter<&File>) -> std::io::Result<()>) -> Result<()> {
        let Self { path, target, file } = self;
        let failed = |e| Error::io(&path, e);
        let mut out = BufWriter::new(file.file());
        write(&mut out).and_then(|()| out.flush()).map_err(failed)?;
        drop(out);
        // More may have been reserved.
        let mut whole = file.file();
        whole.stream_position().and_then(|end| whole.set_len(end)).and_then(|()| whole.sync_all()).map_err(failed)?;
        file.persist(&target).map_err(failed)
    }
}

/// What was read from a stream, in a temporary file that lasts as long as this.
#[derive(Debug)]
pub struct Spooled {
    file: NamedTempFile,
    _listed: Listed,
}

impl Spooled {
    /// All that is left of `from`, in a file whose name ends in `ending`, in the folder of the system for temporary files.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn of(from: &mut dyn Read, ending: &str) -> Result<Self> {
        let folder = std::env::temp_dir();
        let failed = |e| Error::io(&folder, e);
        let mut unfinished = unfinished();
        let mut file = tempfile::Builder::new().prefix("deepnmf-").suffix(ending).tempfile().map_err(failed)?;
        unfinished.push(file.path().to_path_buf());
        drop(unfinished);
        let listed = Listed(file.path().to_path_buf());
        std::io::copy(from, &mut file).map_err(failed)?;
        Ok(Self { file, _listed: listed })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

/// A temporary folder, for files that are to be in another one all at once. It goes with what is still in it when this is dropped.
#[derive(Debug)]
pub struct NewFolder {
    folder: TempDir,
    _listed: Listed,
}

impl NewFolder {
    /// In the folder `parent`, from where its files can be moved without a copy.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create_in(parent: &Path) -> Result<Self> {
        let mut unfinished = unfinished();
        let mut builder = builder();
        builder.rand_bytes(RANDOM);
        // As any other folder of the user.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let folder = builder.tempdir_in(parent).map_err(|e| Error::io(parent, e))?;
        unfinished.push(folder.path().to_path_buf());
        drop(unfinished);
        let listed = Listed(folder.path().to_path_buf());
        Ok(Self { folder, _listed: listed })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Writes the file `path` completely or not at all, as [`NewFile`] does.
///
/// # Errors
/// As [`NewFile::create`] and [`NewFile::write`].
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> std::io::Result<()>) -> Result<()> {
    NewFile::create(path)?.write(write)
}

/// Where a file will be: `path`, links followed, and what is known of the file that is there now.
///
/// # Errors
/// [`Error::Format`] if that is no file, or its folder does not exist; [`Error::Io`] if it may not be written to.
pub(crate) fn place(path: &Path) -> Result<(PathBuf, Option<Metadata>)> {
    let target = target_of(path)?;
    // Links like /dev/stdout lead to what has no path.
    let is_other = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
    let of_folder = path.as_os_str().to_string_lossy().ends_with(std::path::is_separator);
    if of_folder || is_other || target.file_name().is_none() || target.exists() && !target.is_file() {
        let found = if of_folder || target.is_dir() { "a folder" } else { "a device, a pipe or the like" };
        return Err(Error::format(path, format!("expected a file to write, found {found}")));
    }
    let folder = folder_of(&target);
    if !folder.is_dir() {
        let message = format!("expected a file in a folder that exists, found no folder {}", folder.display());
        return Err(Error::format(path, message));
    }
    let Ok(metadata) = std::fs::metadata(&target) else { return Ok((target, None)) };
    // A file that may not be written to may not be replaced either.
    OpenOptions::new().write(true).open(&target).map_err(|e| Error::io(path, e.kind().into()))?;
    Ok((target, Some(metadata)))
}

/// Reserves room for `bytes` in `file`, which will be at `path`.
///
/// # Errors
/// [`Error::Format`] with the bytes that are available.
pub(crate) fn reserve(file: &File, path: &Path, bytes: u64) -> Result<()> {
    let available = fs4::available_space(folder_of(&target_of(path)?)).ok();
    let too_little = match file.allocate(bytes) {
        Ok(()) => false,
        Err(e) => match e.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => true,
            // Not every file system can reserve room.
            _ => available.is_some_and(|available| available < bytes),
        },
    };
    if !too_little {
        return Ok(());
    }
    let found = available.map_or("less".into(), |bytes| format!("{bytes} bytes, or a lower limit"));
    Err(Error::format(path, format!("expected room for {bytes} bytes, found {found}; nothing was written")))
}

/// The file that a link leads to, which need not exist yet; other paths as they are.
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

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file without a name in `folder`, where the file system has such and the system lets it be named later.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags};
    let (how, anyone) = (OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::from_raw_mode(0o666));
    let new = || Some(File::from(rustix::fs::open(folder, how, anyone).ok()?));
    let (file, tried) = (new()?, new()?);
    // Whether another one can be named.
    builder().rand_bytes(RANDOM).make_in(folder, |path| link(&tried, path)).ok()?;
    // So that it is not taken for a leftover in the moment in which it has a temporary name.
    let _ = file.try_lock();
    Some(file)
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_: &Path) -> Option<File> {
    None
}

/// Where Linux has a file that is open.
#[cfg(target_os = "linux")]
fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file)).into()
}

/// Gives a file of [`unnamed`] a name that nothing has.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> std::io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    Ok(linkat(CWD, path_of(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn link(_: &File, _: &Path) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// A temporary file in `folder`, without a name where that is possible.
fn temporary(folder: &Path, replaced: Option<&Metadata>) -> std::io::Result<Temporary> {
    match unnamed(folder) {
        Some(file) => {
            replaced.map_or(Ok(()), |replaced| inherit(&file, replaced))?;
            Ok(Temporary::Unnamed(file))
        }
        None => named(folder, replaced),
    }
}

/// It is locked while it is open: an unlocked one is of a process that has ended.
fn named(folder: &Path, replaced: Option<&Metadata>) -> std::io::Result<Temporary> {
    let mut builder = builder();
    builder.rand_bytes(RANDOM);
    // Temporary files are private by default. A result gets the mode of the file it replaces, or that of the user's umask.
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
        // Another process may remove it before it is locked.
        let mine = !matches!(file.as_file().try_lock(), Err(std::fs::TryLockError::WouldBlock));
        if mine && file.path().exists() {
            if let Some(replaced) = replaced {
                inherit(file.as_file(), replaced)?;
            }
            return Ok(Temporary::Named(file, listed));
        }
    }
}

/// Sets mode and, where the system allows it, owner to those of the replaced file.
pub(crate) fn inherit(file: &File, replaced: &Metadata) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let _ = fchown(file, Some(replaced.uid()), Some(replaced.gid()));
    }
    file.set_permissions(replaced.permissions())
}

/// Removes temporary files that no process has locked: those of processes that were killed.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_whole_has_no_name_or_is_locked() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("a");
        let files = || std::fs::read_dir(folder.path()).map_or(0, Iterator::count);
        // Not every system, nor every file system, has files without a name.
        let ways = [named(folder.path(), None).ok(), unnamed(folder.path()).map(Temporary::Unnamed)];
        assert!(ways[0].is_some());
        for file in ways.into_iter().flatten() {
            write_atomically(&folder.path().join("b"), |out| out.write_all(b"another")).expect("written");
            assert_eq!(files(), 2);
            file.file().write_all(b"whole").expect("written");
            file.persist(&target).expect("moved");
            assert_eq!(std::fs::read(&target).expect("there"), b"whole");
            assert_eq!(files(), 2);
        }
    }
}

//! Files that are there as a whole or not at all.

use std::io::{BufWriter, Write};
use std::path::Path;

use crate::{Error, Result};

/// Gives `write` a temporary file beside `path` and renames it to `path` when everything is on disk.
///
/// After an error nothing is left behind, and a file that was there before is untouched.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut std::fs::File>) -> std::io::Result<()>,
) -> Result<()> {
    let failed = |e| Error::io(path, e);
    let mut temporary = temporary_beside(path)?;
    let mut out = BufWriter::new(temporary.as_file_mut());
    write(&mut out).and_then(|()| out.flush()).map_err(failed)?;
    drop(out);
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Whether [`write_atomically`] can be expected to succeed on `path`: worth asking before hours of work.
pub fn check_writable(path: &Path) -> Result<()> {
    if path.file_name().is_none() || path.exists() && !path.is_file() {
        let found = if path.is_dir() { "a folder" } else { "something else" };
        return Err(Error::format(path, format!("expected a file to write, found {found}")));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        let message = format!("expected a file in a folder that exists, found no folder {}", folder.display());
        return Err(Error::format(path, message));
    }
    temporary_beside(path).map(drop)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary_beside(path: &Path) -> Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".deepnmf-").suffix(".tmp");
    // Temporary files are private by default; a result is as readable as the user's umask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder_of(path)).map_err(|e| Error::io(path, e.kind().into()))
}

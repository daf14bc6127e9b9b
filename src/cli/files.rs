//! Checks of the files of a command: inputs exist, and no output is an input.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use deepnmf::atomic::{NewFile, Spooled};
use deepnmf::{Error, data};

use super::Result;

/// Standard input, once it was read.
static INPUT: Mutex<Option<Spooled>> = Mutex::new(None);

fn input() -> MutexGuard<'static, Option<Spooled>> {
    INPUT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error in which the file that standard input was read into is called that.
pub(super) fn named_input(error: Error) -> Error {
    const NAME: &str = "standard input";
    let Some(file) = input().as_ref().map(|spooled| spooled.path().to_path_buf()) else { return error };
    let named = |message: String| message.replace(&file.display().to_string(), NAME);
    match error {
        Error::Format { path, message } if path == file => Error::format(Path::new(NAME), message),
        Error::Io { path, source } if path == file => Error::io(Path::new(NAME), source),
        Error::Config(message) => Error::Config(named(message)),
        Error::Data(message) => Error::Data(named(message)),
        other => other,
    }
}

/// Removes the file that standard input was read into.
pub(super) fn forget_input() {
    *input() = None;
}

/// The path if it exists, or the error of the file system. `-` is standard input, which is read whole into a temporary file: its format
/// is told by its first bytes; the ending of the file's name says no more than that it is a TIFF or may be a table.
pub(super) fn existing(path: PathBuf) -> Result<PathBuf> {
    if path.as_os_str() == "-" {
        let mut stdin = std::io::stdin().lock();
        if stdin.is_terminal() {
            let message = "-: expected data on standard input, found a terminal; pipe them in, or name a file";
            return Err(Error::Config(message.into()).into());
        }
        let mut begin = Vec::new();
        let failed = |e| Error::io(Path::new("standard input"), e);
        stdin.by_ref().take(4).read_to_end(&mut begin).map_err(failed)?;
        let tiff = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|of| begin == **of);
        let ending = if tiff { "-stdin.tif" } else { "-stdin.txt" };
        let spooled = Spooled::of(&mut begin.chain(stdin), ending)?;
        return Ok(input().insert(spooled).path().to_path_buf());
    }
    std::fs::metadata(&path).map_err(|e| Error::io(&path, e))?;
    Ok(path)
}

/// Creates the output `out` of a command with these inputs, before anything is computed.
pub(super) fn output(out: &Path, inputs: &[&Path]) -> Result<NewFile> {
    refuse_input(out, inputs)?;
    Ok(NewFile::create(out)?)
}

/// Refuses names of models that say that they are data, or a page.
pub(super) fn not_data(out: &Path) -> Result {
    const ENDINGS: [&str; 14] =
        ["npy", "npz", "csv", "tsv", "mat", "h5", "hdf5", "h5ad", "parquet", "png", "jpg", "tif", "tiff", "html"];
    let ending = out.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    if ENDINGS.contains(&&*ending) {
        let message = format!("--out: a model is a .safetensors file, found {}", out.display());
        return Err(Error::Config(message).into());
    }
    Ok(())
}

/// Checks the folder `out`, in which and in whose sub-folders a command with these inputs will write files called `name…`.
pub(super) fn output_folder(out: &Path, name: &str, inputs: &[&Path]) -> Result {
    refuse_file(out)?;
    for input in inputs.iter().filter(|input| input.is_dir()) {
        // Pictures written into a folder of images would later be read as samples.
        let picture = out.join(name).with_extension("png");
        if data::reads(input, &picture)? {
            let message = "expected a folder that is not in the folder of the images, found";
            return Err(Error::Config(format!("--out: {message} {}", out.display())).into());
        }
    }
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let (folders, files): (Vec<_>, Vec<_>) = entries(out).partition(|entry| entry.path().is_dir());
    let deeper = folders.iter().flat_map(|folder| entries(&folder.path()));
    for file in files.into_iter().chain(deeper).filter(|f| f.file_name().to_string_lossy().starts_with(name)) {
        refuse_input(&file.path(), inputs)?;
    }
    Ok(())
}

/// Refuses a folder that is a file, or would be in one.
fn refuse_file(out: &Path) -> Result {
    match out.ancestors().find(|part| part.exists() && !part.is_dir()) {
        None => Ok(()),
        Some(file) => Err(Error::Config(format!("--out: expected a folder, found the file {}", file.display())).into()),
    }
}

/// Creates the folder `out` with those that it is in, where they are not there.
pub(super) fn make_folder(out: &Path) -> Result {
    refuse_file(out)?;
    std::fs::create_dir_all(out).map_err(|e| Error::io(out, e).into())
}

/// Refuses an output that is one of the inputs.
pub(super) fn refuse_input(out: &Path, inputs: &[&Path]) -> Result {
    if out.as_os_str() == "-" {
        let message =
            "--out: expected the name of a file, found -; nothing is written to standard output but with --json";
        return Err(Error::Config(message.into()).into());
    }
    for input in inputs {
        if data::reads(input, out)? {
            let message = format!(
                "--out: expected another file than those that are read, found {}, which belongs to {}; choose another name",
                out.display(),
                input.display()
            );
            return Err(Error::Config(message).into());
        }
    }
    Ok(())
}

/// A path quoted for a shell.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    // Otherwise it would be taken for an option.
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    shlex::try_quote(&text).map(Into::into).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_path_is_one_word() {
        for path in ["faces", "my faces", "it's", "$HOME;ls", "-v", "a\"b\\c", "*?[x]", "ä ö"] {
            let word = shlex::split(&quoted(Path::new(path))).expect("words");
            let expected = if path == "-v" { "./-v" } else { path };
            assert_eq!(word, [expected]);
        }
        assert_eq!(quoted(Path::new("faces/s1")), "faces/s1");
    }
}

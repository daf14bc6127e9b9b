//! Checks of the files of a command: inputs exist, and no output is an input.

use std::io::IsTerminal;
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

/// Removes the file that standard input was read into.
pub(super) fn forget_input() {
    *input() = None;
}

/// The path if it exists, or the error of the file system. `-` is standard input, which is read whole into a temporary file: its format
/// is told by its first bytes.
pub(super) fn existing(path: PathBuf) -> Result<PathBuf> {
    if path.as_os_str() == "-" {
        let mut stdin = std::io::stdin().lock();
        if stdin.is_terminal() {
            let message = "-: expected data on standard input, found a terminal; pipe them in, or name a file";
            return Err(Error::Config(message.into()).into());
        }
        let spooled = Spooled::of(&mut stdin, "-stdin.txt")?;
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

/// Checks the folder `out`, in which and in whose sub-folders a command with these inputs will write files called `name…`.
pub(super) fn output_folder(out: &Path, name: &str, inputs: &[&Path]) -> Result {
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

//! The one error type of the crate.

use std::path::{Path, PathBuf};

/// What can go wrong, said in the terms of whoever has to mend it.
///
/// Every message says what was expected and what was found. The same misuse gives the same error on
/// every backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Matrices whose shapes do not fit each other.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// The operation or argument.
        what: &'static str,
        /// The shape that would fit.
        expected: String,
        /// The shape that was given.
        found: String,
    },
    /// A setting that makes no sense, alone or for this data.
    #[error("{0}")]
    Config(String),
    /// A file that is not what it claims to be, or not what is needed.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        message: String,
    },
    /// Data that the model cannot take: negative values, NaN, nothing but zeros.
    #[error("{0}")]
    Data(String),
    /// The operating system refused to read or write.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// No device that fits the request; the message lists those there are.
    #[error("{0}")]
    NoDevice(String),
    /// More of something than there may be.
    #[error("{what} needs {needed} {unit}, {limit} are allowed")]
    TooLarge {
        /// What was asked for.
        what: String,
        /// How much of it.
        needed: u64,
        /// How much of it there may be.
        limit: u64,
        /// What both count: bytes, pixels, samples.
        unit: &'static str,
    },
    /// The device has no room for what was asked for. What it holds is as it was, and it can go on with less.
    #[error("the device is out of memory: {0}")]
    OutOfMemory(String),
    /// The driver refused something, or a kernel did what it must not. What was queued by then counts as not computed; the
    /// device can go on with new work.
    #[error("the device failed: {0}")]
    DeviceFault(String),
    /// The device went away, and what it held with it. It has to be opened anew.
    #[error("the device was lost: {0}")]
    DeviceLost(String),
    /// The objective is no longer a finite number.
    #[error(
        "the objective became {objective} in {stage} after {iterations} iterations; lower the penalties or change the initialisation"
    )]
    Diverged {
        /// Where in the training.
        stage: String,
        /// How many iterations had been done.
        iterations: usize,
        /// What it became.
        objective: f64,
    },
}

impl Error {
    /// A [`Error::Format`] for `path`.
    pub fn format(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Format { path: path.as_ref().to_path_buf(), message: message.into() }
    }

    /// An [`Error::Io`] for `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// An [`Error::Shape`] for two `(rows, columns)` pairs.
    pub fn shape(what: &'static str, expected: (usize, usize), found: (usize, usize)) -> Self {
        let say = |(r, c): (usize, usize)| format!("{r}×{c}");
        Self::Shape { what, expected: say(expected), found: say(found) }
    }
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

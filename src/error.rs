//! The one error type of the crate.

use std::path::{Path, PathBuf};

/// Everything that can go wrong.
///
/// Every message says what was expected and what was found. The same mistake gives the same error on every backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Shapes of matrices that do not match.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// The operation or argument.
        what: &'static str,
        /// The shape that would fit.
        expected: String,
        /// The shape that was given.
        found: String,
    },
    /// A setting that is invalid, or does not fit the data.
    #[error("{0}")]
    Config(String),
    /// A file whose content is not as expected.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        message: String,
    },
    /// Data that the model cannot take: negative values, NaN, only zeros.
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
    /// No device fits the request; the message lists the devices.
    #[error("{0}")]
    NoDevice(String),
    /// A size above a limit.
    #[error("{what} needs {needed} {unit}, {limit} are allowed")]
    TooLarge {
        /// What was asked for.
        what: String,
        /// The size.
        needed: u64,
        /// The limit.
        limit: u64,
        /// The unit of both, such as bytes, pixels or samples.
        unit: &'static str,
    },
    /// The device has not enough memory for a request. What it holds is unchanged; smaller requests can succeed.
    #[error("the device is out of memory: {0}")]
    OutOfMemory(String),
    /// The driver refused an operation, or a kernel failed. Results of all queued operations are invalid; the device can
    /// take new work.
    #[error("the device failed: {0}")]
    DeviceFault(String),
    /// The device is gone, with all data on it. It has to be opened again.
    #[error("the device was lost: {0}")]
    DeviceLost(String),
    /// A fit was told to end, and can go on from its checkpoint.
    #[error("interrupted; {}", checkpoint.as_ref().map_or("there is no checkpoint".into(), |at| format!("the checkpoint is {}", at.display())))]
    Interrupted {
        /// The file to go on from; None where none was written.
        checkpoint: Option<PathBuf>,
    },
    /// The objective is no longer a finite number.
    #[error(
        "the objective became {objective} in {stage} after {iterations} iterations; lower the penalties or change the initialisation"
    )]
    Diverged {
        /// Where in the training.
        stage: String,
        /// Iterations before it.
        iterations: usize,
        /// The objective.
        objective: f64,
    },
}

impl Error {
    /// An [`Error::Format`] for `path`.
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

/// The result type of the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

//! Errors as exceptions of the class that Python has for them.

use crate::Error;
use pyo3::PyErr;
use pyo3::exceptions::{
    PyFileNotFoundError, PyFloatingPointError, PyKeyboardInterrupt, PyMemoryError, PyOSError, PyPermissionError,
    PyRuntimeError, PyValueError,
};
use std::io::ErrorKind;

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let message = spelt(&error.to_string());
        match error {
            Error::Shape { .. } | Error::Config(_) | Error::Format { .. } | Error::Data(_) | Error::NoDevice(_) => {
                PyValueError::new_err(message)
            }
            Error::Io { source, .. } => match source.kind() {
                ErrorKind::NotFound => PyFileNotFoundError::new_err(message),
                ErrorKind::PermissionDenied => PyPermissionError::new_err(message),
                ErrorKind::OutOfMemory => PyMemoryError::new_err(message),
                _ => PyOSError::new_err(message),
            },
            Error::TooLarge { .. } | Error::OutOfMemory(_) => PyMemoryError::new_err(message),
            Error::DeviceFault(_) | Error::DeviceLost(_) => PyRuntimeError::new_err(message),
            Error::Interrupted { .. } => PyKeyboardInterrupt::new_err(message),
            Error::Diverged { .. } => PyFloatingPointError::new_err(message),
        }
    }
}

/// Settings as the command spells them, and as an estimator does.
const SPELLINGS: [(&str, &str); 12] = [
    ("--mu and --lambda", "mu and lam"),
    ("--scale max", "X divided by its largest value"),
    ("--penalties scale-free", "penalty_scale='scale-free'"),
    ("--init random", "init='random'"),
    ("--sweeps", "max_iter"),
    ("--tol ", "tol="),
    ("--solver ", "solver="),
    ("--device ", "device="),
    ("--pretrain-samples", "pretrain_samples"),
    ("--stream yes", "stream=True"),
    ("--seed", "random_state"),
    (", or --memory SIZE", ""),
];

/// A message that names settings as an estimator does. Of how files are read an estimator has none.
pub(super) fn spelt(message: &str) -> String {
    let text =
        SPELLINGS.iter().fold(message.to_string(), |text, (command, estimator)| text.replace(command, estimator));
    if text.contains(" --") {
        return format!("{text} (options of the command: `deepnmf pack` makes a file of it that needs none)");
    }
    text
}

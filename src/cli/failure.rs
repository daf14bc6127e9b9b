//! Failures of a command.

/// Why a command failed; `main` turns it into an exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the library, or an argument that only it can check.
    Failed(deepnmf::Error),
    /// clap refused the arguments, or printed help.
    Usage(clap::Error),
    /// Writing to standard output failed.
    Stdout(std::io::Error),
    /// A fit was stopped by a signal, and that was said; with the exit code.
    Interrupted(u8),
    /// `verify` has printed failed checks.
    ChecksFailed,
}

impl From<deepnmf::Error> for Failure {
    fn from(e: deepnmf::Error) -> Self {
        Self::Failed(e)
    }
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

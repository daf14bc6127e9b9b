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

impl Failure {
    /// Whether the command came to its end for all that, or was told to end.
    pub(crate) fn is_no_fault(&self) -> bool {
        match self {
            Self::Interrupted(_) => true,
            // The reader closed our output, as in `deepnmf devices | head -1`.
            Self::Stdout(e) => e.kind() == std::io::ErrorKind::BrokenPipe,
            Self::Failed(_) | Self::Usage(_) | Self::ChecksFailed => false,
        }
    }
}

impl From<deepnmf::Error> for Failure {
    fn from(e: deepnmf::Error) -> Self {
        Self::Failed(e)
    }
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

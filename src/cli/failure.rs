//! Why a command fails.

/// Why the command did not do what it was asked to do; `main` makes exit codes of it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The library refused, or an argument only it can judge was wrong.
    Failed(deepnmf::Error),
    /// clap refused, or was asked for help.
    Usage(clap::Error),
    /// Standard output did not take what was written.
    Stdout(std::io::Error),
    /// `verify` found a value out of bounds and has said so.
    ChecksFailed,
}

impl From<deepnmf::Error> for Failure {
    fn from(e: deepnmf::Error) -> Self {
        Self::Failed(e)
    }
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

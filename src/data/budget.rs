//! Limits on the memory that reading takes.

use std::path::Path;

use indicatif::HumanBytes;

use super::LoadOptions;
use crate::{Error, Result, memory};

impl LoadOptions {
    /// The bytes of memory that reading may take: [`LoadOptions::memory`], else half of what is free ([`memory::available`]).
    pub fn budget(&self) -> u64 {
        self.memory.or_else(|| memory::available().map(|free| free / 2)).unwrap_or(u64::MAX)
    }
}

/// [`Error::Config`] if `what` needs more bytes than the budget.
pub(super) fn afford(path: &Path, what: &str, needed: u64, budget: u64) -> Result<()> {
    // `u64::MAX` is a sum that overflowed.
    if needed <= budget && needed < u64::MAX {
        return Ok(());
    }
    let message = format!(
        "{}: {what} needs {} of memory, expected at most {} (half of what is free, or --memory SIZE); samples in an .npy file, \
         which `deepnmf pack` makes, need not fit",
        path.display(),
        HumanBytes(needed),
        HumanBytes(budget)
    );
    Err(Error::Config(message))
}

//! How much memory reading may take.

use std::path::Path;

use indicatif::HumanBytes;

use super::LoadOptions;
use crate::{Error, Result, memory};

impl LoadOptions {
    /// The bytes that reading may take: [`LoadOptions::memory`], else half of what is free.
    pub fn budget(&self) -> u64 {
        self.memory.or_else(|| memory::available().map(|free| free / 2)).unwrap_or(u64::MAX)
    }
}

/// Refuses to allocate more than the budget.
pub(super) fn afford(path: &Path, what: &str, needed: u64, budget: u64) -> Result<()> {
    // A number that saturated is more than there ever is.
    if needed <= budget && needed < u64::MAX {
        return Ok(());
    }
    let message = format!(
        "{}: {what} needs {} of memory, expected at most {} (half of what is free, or --memory SIZE)",
        path.display(),
        HumanBytes(needed),
        HumanBytes(budget)
    );
    Err(Error::Config(message))
}

//! Bytes that are held, and the most that ever were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are held now, and the most that ever were at once.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    now: AtomicU64,
    peak: AtomicU64,
}

impl Tally {
    /// The peak is counted from here on.
    pub(crate) fn forget_peak(&self) {
        self.peak.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// `(now, at most)`.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.now.load(Ordering::Relaxed), self.peak.load(Ordering::Relaxed))
    }
}

/// Bytes that count while this lives.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: u64,
    tally: Arc<Tally>,
}

impl Held {
    pub(crate) fn new(bytes: u64, tally: &Arc<Tally>) -> Self {
        let now = tally.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        tally.peak.fetch_max(now, Ordering::Relaxed);
        Self { bytes, tally: Arc::clone(tally) }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it is counted there.
    pub(crate) fn is_of(&self, tally: &Arc<Tally>) -> bool {
        Arc::ptr_eq(&self.tally, tally)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.tally.now.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

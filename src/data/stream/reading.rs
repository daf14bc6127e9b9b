//! What is read of samples in a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What was read so far.
#[derive(Debug, Default)]
pub struct Reading {
    pass: u64,
    samples: AtomicU64,
    bytes: AtomicU64,
    waited: AtomicU64,
}

impl Reading {
    pub(super) fn of(pass: u64) -> Arc<Self> {
        Arc::new(Self { pass, ..Self::default() })
    }

    pub(super) fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn hand_out(&self, samples: usize, waited: Duration) {
        self.samples.fetch_add(samples as u64, Ordering::Relaxed);
        self.waited.fetch_add(waited.as_nanos() as u64, Ordering::Relaxed);
    }

    /// The bytes of all samples: of one pass over them.
    pub fn pass(&self) -> u64 {
        self.pass
    }

    /// Samples that were handed out; in every pass anew.
    pub fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// Bytes that were read.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The time that was spent waiting for them.
    pub fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited.load(Ordering::Relaxed))
    }
}

//! What `bench` asks a device.

use super::Backend;
use crate::Result;
use std::time::Duration;

/// What `bench` asks a device.
pub trait Clock: Backend {
    /// How long the host has waited for the device so far; None where the host is the device. The rest of the time is the
    /// host's share of the work.
    fn waited(&self) -> Option<Duration> {
        None
    }
    /// Whether the device is to time what it computes, from now on; counting begins at 0. False where it has no clock of its
    /// own. Off, as at first, it costs nothing.
    fn time_passes(&mut self, _on: bool) -> bool {
        false
    }
    /// Seconds that the device computed since this was last asked; None where it is not timed. Submits, and waits.
    fn pass_seconds(&mut self) -> Result<Option<f64>> {
        Ok(None)
    }
}

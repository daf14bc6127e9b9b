//! Limits and results of measurements.

use crate::memory;

/// The limits of a run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Approximate seconds for all measurements together.
    pub seconds: f64,
    /// The most bytes that the data of a measurement may take; None: until the device refuses.
    pub bytes: Option<u64>,
}

impl Limits {
    /// `seconds`, and half of the free memory of the host, or 4 GiB if that is unknown: for devices without memory of their own.
    pub fn of_this_machine(seconds: f64) -> Self {
        Self { seconds, bytes: Some(memory::available().map_or(4 << 30, |bytes| bytes / 2)) }
    }
}

/// A measurement, or why it was left out.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Row {
    /// `copy`, `product …`, `H block`, `W block`, `sweep …` or `fit`.
    pub name: &'static str,
    /// Rows × columns of a copy; rows × inner size × columns of a product; samples × features → layers otherwise.
    pub shape: String,
    /// The median of the wall seconds of one launch, sweep or fit; None if the measurement was left out.
    pub seconds: Option<f64>,
    /// Work per second, in [`Row::unit`].
    pub rate: Option<f64>,
    /// The unit of the rate: GB/s (read and written), GFLOP/s or images/s.
    pub unit: &'static str,
    /// The number of times that the median is of.
    pub samples: usize,
    /// Of a product: its rate ÷ the best of all products on this device.
    pub of_best: Option<f64>,
    /// Of a sweep over more samples: its time ÷ (the time of the smallest sweep, times the ratio of their samples).
    pub of_linear: Option<f64>,
    /// Seconds of one by the clock of the device; None if it has none.
    pub device_seconds: Option<f64>,
    /// Seconds of one in which the host did not wait for the device; None if the host is the device.
    pub host_seconds: Option<f64>,
    /// CPU seconds of this process ÷ wall seconds.
    pub cpu_per_wall: Option<f64>,
    /// Of a fit: the relative error at which it stops.
    pub target_error: Option<f64>,
    /// Of a fit: the relative error at its end.
    pub relative_error: Option<f64>,
    /// Of a fit: the iterations of pre-training and fine-tuning.
    pub iterations: Option<usize>,
    /// The usual shape, if another one was measured; or why the measurement was left out.
    pub note: Option<String>,
}

//! What a run may take, and what it measured.

use crate::memory;

/// How much a run may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Seconds for all measurements together, about.
    pub seconds: f64,
    /// Bytes that the data of a measurement may take; None where only the device knows.
    pub bytes: Option<u64>,
}

impl Limits {
    /// `seconds`, and half of the memory that this machine has left: for devices that have none of their own.
    pub fn of_this_machine(seconds: f64) -> Self {
        Self { seconds, bytes: Some(memory::available().map_or(4 << 30, |bytes| bytes / 2)) }
    }
}

/// What was measured, or why it was not.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Row {
    /// What: `copy`, `product …`, `H block`, `W block`, `sweep …` or `fit`.
    pub name: &'static str,
    /// Rows × columns of a copy; rows × inner size × columns of a product; samples × features → layers otherwise.
    pub shape: String,
    /// Wall seconds of one, the median; None where it was left out.
    pub seconds: Option<f64>,
    /// What was done per second.
    pub rate: Option<f64>,
    /// Of what: GB (read and written), GFLOP or images.
    pub unit: &'static str,
    /// How many samples the median is of.
    pub samples: usize,
    /// Of a product: its rate ÷ the best of all products on this device.
    pub of_best: Option<f64>,
    /// Of a sweep over more samples: its time ÷ the time that the smaller sweep's would make it.
    pub of_linear: Option<f64>,
    /// Seconds of one by the clock of the device, where it has one.
    pub device_seconds: Option<f64>,
    /// Seconds of one that the host spent on anything but waiting; None where the host is the device.
    pub host_seconds: Option<f64>,
    /// CPU seconds of this process ÷ wall seconds.
    pub cpu_per_wall: Option<f64>,
    /// Of a fit: the relative error that ends it.
    pub target_error: Option<f64>,
    /// Of a fit: the relative error that it ended with.
    pub relative_error: Option<f64>,
    /// Of a fit: iterations of pre-training and sweeps.
    pub iterations: Option<usize>,
    /// Why the shape is not the usual one, or why it was left out.
    pub note: Option<String>,
}

//! The CPU time of this process.

/// User and system seconds of all threads of this process; None if the system does not tell.
///
/// Divided by wall seconds it is the number of cores that were busy. If it is less than the number of threads, other processes
/// were busy too, or the measured work does not use all threads.
pub fn cpu_seconds() -> Option<f64> {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Some(time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64)
    }
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn work_takes_cpu_time() {
        let before = cpu_seconds().unwrap();
        assert!((0..1_000_000_u64).map(std::hint::black_box).sum::<u64>() > 0);
        assert!(cpu_seconds().unwrap() > before);
    }
}

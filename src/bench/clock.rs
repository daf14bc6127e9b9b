//! What the system says of this process and its memory.

/// User and system seconds of all threads of this process; None where the system does not tell.
///
/// Divided by wall time it says how many cores were at work: less than there are threads means that others were at work
/// on the machine, or that what was measured does not use them.
pub fn cpu_seconds() -> Option<f64> {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Some(time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64)
    }
    #[cfg(not(unix))]
    None
}

/// Bytes that programs may still take on this machine; None where there is no `/proc`.
pub(super) fn available_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_both() {
        let before = cpu_seconds().unwrap();
        assert!((0..1_000_000_u64).map(std::hint::black_box).sum::<u64>() > 0);
        assert!(cpu_seconds().unwrap() > before);
        assert!(available_memory().unwrap() > 1 << 20);
    }
}

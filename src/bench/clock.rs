//! What the system says of this process and its memory.

/// User and system seconds of all threads of this process, in steps of a hundredth; None where there is no `/proc`.
///
/// Divided by wall time it says how many cores were at work: less than there are threads means that others were at work
/// on the machine, or that what was measured does not use them.
pub fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may hold anything; utime and stime are the fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
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
        let start = std::time::Instant::now();
        let before = cpu_seconds().unwrap();
        while cpu_seconds().unwrap() == before {
            assert!(start.elapsed().as_secs() < 60, "no time passes");
        }
        assert!(available_memory().unwrap() > 1 << 20);
    }
}

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

/// Bytes that this process may still take: what the machine has left, its container and its own limit; None where there is no
/// `/proc`.
pub fn available_memory() -> Option<u64> {
    let left = kilobytes("/proc/meminfo", "MemAvailable:")?;
    Some([of_container(), of_process()].into_iter().flatten().fold(left, u64::min))
}

/// The bytes that a file of the system says in kilobytes behind `name`.
fn kilobytes(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// What is left of the limit of a control group, where there is one. Pages of files are given back when they are needed.
fn of_container() -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let files = read("memory.stat")?.lines().find_map(|l| l.strip_prefix("inactive_file ")?.parse::<u64>().ok());
    Some(number("memory.max")?.saturating_sub(number("memory.current")?).saturating_add(files.unwrap_or(0)))
}

/// What is left of `ulimit -v`.
fn of_process() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let limit = rustix::process::getrlimit(rustix::process::Resource::As).current?;
        Some(limit.saturating_sub(kilobytes("/proc/self/status", "VmSize:")?))
    }
    #[cfg(not(target_os = "linux"))]
    None
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

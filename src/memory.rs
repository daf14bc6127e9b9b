//! The free memory of the host.

use std::path::Path;
use sysinfo::{MemoryRefreshKind, System};

/// The bytes of memory that this process may still take: the least of what the machine can give without swapping, what its
/// control groups (a container) leave, and its own limit (`ulimit -v`). None where the system does not say.
pub fn available() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    // sysinfo panics when it is asked for the limits of a system that does not even say how much memory it has.
    if system.total_memory() == 0 {
        return None;
    }
    let group = system.cgroup_limits().map(|group| group.total_memory.saturating_sub(group.rss));
    [group, left_in_groups(), left_in_process()].into_iter().flatten().chain([system.available_memory()]).min()
}

/// What is left in the control groups (version 2) of this process: its own and those around it. Pages of files are given back
/// when they are needed.
fn left_in_groups() -> Option<u64> {
    const ROOT: &str = "/sys/fs/cgroup";
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = Path::new(ROOT).join(groups.lines().find_map(|line| line.strip_prefix("0::/"))?);
    let left = |group: &Path| {
        let read = |name: &str| std::fs::read_to_string(group.join(name)).ok();
        let bytes = |name: &str| read(name)?.trim().parse::<u64>().ok();
        let files = read("memory.stat")?.lines().find_map(|l| l.strip_prefix("inactive_file ")?.parse::<u64>().ok());
        Some(bytes("memory.max")?.saturating_sub(bytes("memory.current")?).saturating_add(files.unwrap_or(0)))
    };
    own.ancestors().take_while(|group| group.starts_with(ROOT)).filter_map(left).min()
}

/// What is left of `ulimit -v`.
fn left_in_process() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let limit = rustix::process::getrlimit(rustix::process::Resource::As).current?;
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let used =
            status.lines().find_map(|line| line.strip_prefix("VmSize:")?.split_whitespace().next()?.parse().ok());
        Some(limit.saturating_sub(used.map_or(0, |kilobytes: u64| kilobytes << 10)))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn linux_says_how_much_is_free() {
        assert!(super::available().unwrap() > 1 << 20);
    }
}

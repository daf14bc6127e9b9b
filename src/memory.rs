//! The memory of the host.

use sysinfo::{MemoryRefreshKind, System};

/// How many bytes of the host's memory are free: what the system can give without swapping, or less where a control group
/// (a container) limits it. None where the system does not say.
pub fn available() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    // Where the system does not say even how much there is, sysinfo panics when it is asked for limits.
    if system.total_memory() == 0 {
        return None;
    }
    let group = system.cgroup_limits().map(|group| group.total_memory.saturating_sub(group.rss));
    let free = system.available_memory();
    Some(group.map_or(free, |group| group.min(free))).filter(|&bytes| bytes > 0)
}

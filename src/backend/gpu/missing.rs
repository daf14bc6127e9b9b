//! GPUs that the system knows of, and that no adapter is for.

use crate::backend::DeviceInfo;
use std::path::Path;

/// Who makes GPUs: the number by which PCI knows them, what their adapters are called, and what an adapter takes.
const MAKERS: [(&str, &[&str], &str); 3] = [
    (
        "0x10de",
        &["nvidia"],
        "an NVIDIA GPU is there, but no Vulkan for it: install the driver's Vulkan library; a container needs \
         NVIDIA_DRIVER_CAPABILITIES=all (or graphics,compute,utility) and the packages libvulkan1, libegl1 and libxext6",
    ),
    ("0x1002", &["amd", "radeon", "radv"], "an AMD GPU is there, but no Vulkan for it: install mesa-vulkan-drivers"),
    ("0x8086", &["intel"], "an Intel GPU is there, but no Vulkan for it: install mesa-vulkan-drivers"),
];

/// What to do about a GPU of this machine that is in no `list` of adapters; None where there is none, as far as can be seen.
pub(crate) fn missing(list: &[DeviceInfo]) -> Option<String> {
    missing_below(Path::new("/"), list)
}

fn missing_below(root: &Path, list: &[DeviceInfo]) -> Option<String> {
    let cards = std::fs::read_dir(root.join("sys/class/drm")).into_iter().flatten().flatten();
    let vendors: Vec<_> =
        cards.filter_map(|card| std::fs::read_to_string(card.path().join("device/vendor")).ok()).collect();
    // In a container this may be all that there is.
    let nvidia = root.join("proc/driver/nvidia/version").exists();
    let usable = list.iter().filter(|adapter| adapter.problem.is_none());
    let names: Vec<_> = usable.map(|adapter| format!("{} {}", adapter.name, adapter.driver).to_lowercase()).collect();
    let lacking = MAKERS.into_iter().find(|(number, called, _)| {
        let is_there = vendors.iter().any(|vendor| vendor.trim() == *number) || nvidia && *number == MAKERS[0].0;
        is_there && !names.iter().any(|name| called.iter().any(|part| name.contains(part)))
    });
    lacking.map(|(_, _, hint)| hint.into())
}

#[cfg(test)]
mod tests {
    use super::super::list;
    use super::*;

    #[test]
    fn a_gpu_without_an_adapter_is_told_of() {
        let root = tempfile::tempdir().unwrap();
        let below = |list: &[DeviceInfo]| missing_below(root.path(), list);
        assert_eq!(below(&[]), None);
        let card = root.path().join("sys/class/drm/card0/device");
        std::fs::create_dir_all(&card).unwrap();
        for (number, name) in [("0x10de\n", "NVIDIA"), ("0x1002\n", "AMD"), ("0x8086\n", "Intel")] {
            std::fs::write(card.join("vendor"), number).unwrap();
            assert!(below(&[]).is_some_and(|hint| hint.contains(name)), "{name}");
        }
        std::fs::write(card.join("vendor"), "0x1af4\n").unwrap();
        assert_eq!(below(&[]), None);
        let driver = root.path().join("proc/driver/nvidia");
        std::fs::create_dir_all(&driver).unwrap();
        std::fs::write(driver.join("version"), "NVRM version: 580").unwrap();
        assert!(below(&[]).is_some_and(|hint| hint.contains("NVIDIA_DRIVER_CAPABILITIES")));
        let Some(mut adapter) = list(true).into_iter().next() else { return };
        assert!(below(std::slice::from_ref(&adapter)).is_some());
        adapter.name = "NVIDIA H200".into();
        assert_eq!(below(std::slice::from_ref(&adapter)), None);
        // Listed, and of no use.
        adapter.problem = Some("it has GL 3.3".into());
        assert!(below(&[adapter]).is_some());
    }
}

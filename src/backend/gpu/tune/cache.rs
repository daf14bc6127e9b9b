//! What was measured, in the user's cache folder: `deepnmf/products.json`, for every device the fastest variants.

use super::super::kernels::matmul_tiled::VARIANTS;
use crate::atomic::write_atomically;
use crate::backend::gpu::kernels::class::{Class, Table};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// By device, then by class, the name of the variant.
type File = BTreeMap<String, BTreeMap<String, String>>;

/// The file in `folder`, or in the user's; None where there is no such folder.
pub(super) fn file(folder: Option<&Path>) -> Option<PathBuf> {
    let folder = folder.map(Path::to_path_buf).or_else(|| Some(users()?.join("deepnmf")))?;
    Some(folder.join("products.json"))
}

/// The user's cache folder, as the system has it.
fn users() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return named("LOCALAPPDATA");
    }
    let home = |folder| std::env::home_dir().filter(|path| path.is_absolute()).map(|home| home.join(folder));
    if cfg!(target_os = "macos") { home("Library/Caches") } else { named("XDG_CACHE_HOME").or_else(|| home(".cache")) }
}

fn load(path: &Path) -> Option<File> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

/// What is known of the device `key`; None where that is nothing, or not what this version writes.
pub(super) fn read(path: &Path, key: &str) -> Option<Table> {
    let of_device = load(path)?.remove(key)?;
    let classes: BTreeMap<String, Class> = Class::all().map(|class| (class.name(), class)).collect();
    let entry = |(class, name): (&String, &String)| {
        Some((*classes.get(class)?, VARIANTS.iter().position(|v| v.name == *name)?))
    };
    of_device.iter().map(entry).collect()
}

/// Keeps what was measured on the device `key`. A folder that cannot be written to is none: then it is measured again.
pub(super) fn write(path: &Path, key: &str, table: &Table) {
    let mut all = load(path).unwrap_or_default();
    let named = table.iter().map(|(class, variant)| (class.name(), VARIANTS[*variant].name.into()));
    all.insert(key.into(), named.collect());
    if let (Some(folder), Ok(text)) = (path.parent(), serde_json::to_string_pretty(&all)) {
        let _ = std::fs::create_dir_all(folder);
        let _ = write_atomically(path, |out| out.write_all(text.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_cannot_be_read_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(Some(&folder.path().join("new"))).unwrap();
        let table: Table = Class::all().enumerate().map(|(i, class)| (class, i % VARIANTS.len())).collect();
        assert_eq!(read(&path, "a"), None);
        write(&path, "a", &table);
        assert_eq!(read(&path, "a").as_ref(), Some(&table));
        assert_eq!(read(&path, "b"), None);
        write(&path, "b", &Table::new());
        assert_eq!(read(&path, "a"), Some(table.clone()));
        for broken in ["", "{", "[1]", r#"{"a": {"NN 1x1x1": "64x64 4x4"}}"#, r#"{"a": {"NN 256x64x32": "none"}}"#] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(read(&path, "a"), None, "{broken}");
        }
        write(&path, "a", &table);
        assert_eq!(read(&path, "a"), Some(table.clone()));
        // Under a file there is no folder.
        write(&path.join("below.json"), "a", &table);
    }
}

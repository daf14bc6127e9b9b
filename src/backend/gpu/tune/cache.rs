//! What was measured, in the user's cache folder: `deepnmf/products.json`, for every device the fastest variants, and those that it
//! does not take.

use super::super::kernels::matmul_tiled::VARIANTS;
use crate::atomic::write_atomically;
use crate::backend::gpu::kernels::class::{Class, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// By device.
type File = BTreeMap<String, Names>;

#[derive(Serialize, Deserialize)]
struct Names {
    /// By class the name of the variant.
    fastest: BTreeMap<String, String>,
    /// Variants that the driver refused, or that the device was lost with.
    broken: Vec<String>,
}

/// The same by numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Known {
    pub(super) fastest: Table,
    pub(super) broken: Vec<usize>,
}

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
pub(super) fn read(path: &Path, key: &str) -> Option<Known> {
    let of_device = load(path)?.remove(key)?;
    let classes: BTreeMap<String, Class> = Class::all().map(|class| (class.name(), class)).collect();
    let number = |name: &String| VARIANTS.iter().position(|v| v.name == *name);
    let entry = |(class, name): (&String, &String)| Some((*classes.get(class)?, number(name)?));
    let fastest = of_device.fastest.iter().map(entry).collect::<Option<_>>()?;
    Some(Known { fastest, broken: of_device.broken.iter().map(number).collect::<Option<_>>()? })
}

/// Keeps what was measured on the device `key`. A folder that cannot be written to is none: then it is measured again.
pub(super) fn write(path: &Path, key: &str, known: &Known) {
    let mut all = load(path).unwrap_or_default();
    let name = |variant: &usize| VARIANTS[*variant].name.to_string();
    let fastest = known.fastest.iter().map(|(class, variant)| (class.name(), name(variant))).collect();
    all.insert(key.into(), Names { fastest, broken: known.broken.iter().map(name).collect() });
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
        let fastest = Class::all().enumerate().map(|(i, class)| (class, i % VARIANTS.len())).collect();
        let table = Known { fastest, broken: vec![7, 2] };
        assert_eq!(read(&path, "a"), None);
        write(&path, "a", &table);
        assert_eq!(read(&path, "a").as_ref(), Some(&table));
        assert_eq!(read(&path, "b"), None);
        write(&path, "b", &Known::default());
        assert_eq!(read(&path, "a"), Some(table.clone()));
        let of =
            |fastest: &str, broken: &str| format!(r#"{{"a": {{"fastest": {{{fastest}}}, "broken": [{broken}]}}}}"#);
        let class = Class::all().next().unwrap().name();
        let unknown = [
            of(r#""NN 1x1x1": "64x64 4x4""#, ""),
            of(&format!(r#""{class}": "none""#), ""),
            of("", r#""none""#),
            // What earlier versions wrote.
            format!(r#"{{"a": {{"{class}": "64x64 4x4"}}}}"#),
        ];
        for broken in ["", "{", "[1]"].into_iter().map(String::from).chain(unknown) {
            std::fs::write(&path, &broken).unwrap();
            assert_eq!(read(&path, "a"), None, "{broken}");
        }
        write(&path, "a", &table);
        assert_eq!(read(&path, "a"), Some(table.clone()));
        // Under a file there is no folder.
        write(&path.join("below.json"), "a", &table);
    }
}

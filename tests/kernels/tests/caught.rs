//! What the check is there for is caught: a kernel that spills, one that got worse, one that is none.

use std::path::Path;
use std::process::Command;

/// Whether `build` of that folder succeeds, and what it says.
fn build(folder: &Path, table: Option<&Path>) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deepnmf-kernels"));
    command.env("RADV_FORCE_FAMILY", "navi21").arg("build").arg(folder).args(table);
    let output = command.output().unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

/// A folder with these files.
fn folder(name: &str, files: &[(&str, &str)]) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    files.iter().for_each(|(file, text)| std::fs::write(folder.join(file), text).unwrap());
    folder
}

#[test]
fn a_kernel_that_spills_is_caught() {
    let (is_good, said) = build(Path::new("spills"), None);
    assert!(!is_good && said.contains("error: navi21: many_sums spills"), "{said}");
}

#[test]
fn a_kernel_that_is_worse_than_the_table_is_caught() {
    let text = "@group(0) @binding(0) var<storage, read_write> x: array<f32>;
        @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { x[i] *= 2.0; }";
    let folder = folder("worse", &[("double.wgsl", text)]);
    let table = |line: &str| {
        let table = folder.join("table.csv");
        std::fs::write(&table, format!("Mesa\n{line}\n")).unwrap();
        build(&folder, Some(&table))
    };
    let (is_good, said) = table("navi21,double,40,0");
    assert!(is_good && said.contains("1 kernels compared"), "{said}");
    for (line, expected) in [
        ("navi21,double,40,50", "double got worse"),
        ("navi21,double,-40,0", "expected numbers"),
        ("navi21,other,40,0", "other is in the table and was not built"),
        ("vega20,double,40,0", "it has nothing of navi21"),
        ("navi21,double", "expected four fields"),
    ] {
        let (is_good, said) = table(line);
        assert!(!is_good && said.contains(expected), "{line}: {said}");
    }
}

#[test]
fn what_is_no_kernel_is_caught() {
    let folder = folder("none", &[("none.wgsl", "@compute @workgroup_size(64) fn main() { undeclared = 1; }")]);
    let (is_good, said) = build(&folder, None);
    assert!(!is_good && said.contains("undeclared"), "{said}");
}

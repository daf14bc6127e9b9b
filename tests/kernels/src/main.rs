//! What the compilers of GPUs make of every kernel, without a GPU.
//!
//! `deepnmf-kernels translate FOLDER` writes every `.wgsl` of a folder as `.spv`, `.hlsl` and `.metal`.
//!
//! `deepnmf-kernels build FOLDER [TABLE]` builds them on the Vulkan device of RADV that RADV_FORCE_FAMILY names and that is not
//! there, and prints what they take. It fails where one is not built or spills registers, and where one of the table takes more
//! registers, or has a smaller share of multiplications in its inner loop.

mod driver;
mod kernel;
mod listing;
mod table;

use kernel::Kernel;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let problems = match words[..] {
        ["translate", folder] => kernels(folder).and_then(|all| translate(&all)),
        ["build", folder] => kernels(folder).and_then(|all| build(&all, None)),
        ["build", folder, table] => kernels(folder).and_then(|all| build(&all, Some(table))),
        _ => Err("deepnmf-kernels translate FOLDER | build FOLDER [TABLE]".into()),
    };
    let problems = problems.unwrap_or_else(|e| vec![e]);
    problems.iter().for_each(|problem| eprintln!("error: {problem}"));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The kernels of a folder, by name.
fn kernels(folder: &str) -> Result<Vec<Kernel>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{folder}: {e}"))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "wgsl"));
    files.sort();
    if files.is_empty() {
        return Err(format!("{folder}: there is no .wgsl"));
    }
    files.iter().map(|file| Kernel::read(file)).collect()
}

fn translate(all: &[Kernel]) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for kernel in all {
        let mut put = |end: &str, made: Result<Vec<u8>, String>| {
            let done = made
                .and_then(|bytes| std::fs::write(kernel.file.with_extension(end), bytes).map_err(|e| e.to_string()));
            problems.extend(done.err().map(|e| format!("{}: .{end}: {e}", kernel.name)));
        };
        put("spv", kernel.spirv().map(|words| words.iter().flat_map(|word| word.to_le_bytes()).collect()));
        // naga has no matrices of subgroups in HLSL.
        if !kernel.is_cooperative() {
            put("hlsl", kernel.hlsl().map(String::into_bytes));
        }
        put("metal", kernel.msl().map(String::into_bytes));
    }
    println!("{} kernels translated", all.len());
    Ok(problems)
}

fn build(all: &[Kernel], table: Option<&str>) -> Result<Vec<String>, String> {
    let family = std::env::var("RADV_FORCE_FAMILY").map_err(|_| "RADV_FORCE_FAMILY names no family")?;
    let driver = driver::Driver::open()?;
    println!("{family}: {}", driver.name);
    println!(
        "{:48} {:>5} {:>5} {:>6} {:>5} {:>5} {:>6}",
        "kernel", "VGPRs", "SGPRs", "LDS", "waves", "FMA %", "spills"
    );
    let (mut problems, mut built) = (Vec::new(), Vec::new());
    for kernel in all.iter().filter(|kernel| driver.takes(kernel)) {
        match kernel.spirv().and_then(|words| driver.build(kernel, &words)) {
            Ok(figures) => {
                println!("{:48} {figures}", kernel.name);
                if figures.spills > 0 {
                    problems.push(format!("{family}: {} spills {} registers", kernel.name, figures.spills));
                }
                built.push((kernel.name.as_str(), figures));
            }
            Err(e) => problems.push(format!("{family}: {}: {e}", kernel.name)),
        }
    }
    println!("{family}: {} kernels built", built.len());
    if let Some(table) = table {
        problems.extend(table::compare(Path::new(table), &family, &driver.name, &built)?);
    }
    Ok(problems)
}

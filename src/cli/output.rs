//! What is written where: results to standard output, everything else to standard error.

use std::io::{IsTerminal, Write};
use std::path::Path;

use super::{Failure, Result};

/// Who reads the output, and how much of it is wanted.
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    verbose: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool, verbose: bool) -> Self {
        Self { json, quiet, verbose }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// The JSON object of `--json`.
    pub(crate) fn json(&self, value: &serde_json::Value) -> Result {
        to_stdout(&value.to_string())
    }

    /// A line for people that is the result itself; it gives way to JSON.
    pub(crate) fn line(&self, text: &str) -> Result {
        if self.json { Ok(()) } else { to_stdout(text) }
    }

    /// A line for people about a result that is in a file; `-q` does without it.
    pub(crate) fn summary(&self, name: &str, text: &str) -> Result {
        if self.quiet { Ok(()) } else { self.line(&format!("{name:<10} {text}")) }
    }

    /// What is going on.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            to_stderr(text);
        }
    }

    /// What is going on, for those who want to know.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose {
            to_stderr(text);
        }
    }

    /// What is odd about the input but no reason to stop; even `-q` wants to know.
    pub(crate) fn warn(&self, text: &str) {
        to_stderr(&format!("warning: {text}"));
    }
}

/// `println!` panics when the reader has gone; this says so.
fn to_stdout(text: &str) -> Result {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::Stdout)
}

/// `eprintln!` without its panic: where standard error is closed there is nobody to tell.
pub(crate) fn to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether progress can be drawn over itself.
pub(crate) fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// `0.0812` → `8.12 %`.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

/// `600 → 160`.
pub(crate) fn arrows(sizes: &[usize]) -> String {
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → ")
}

/// `12.3 MB`.
pub(crate) fn bytes(n: u64) -> String {
    indicatif::HumanBytes(n).to_string()
}

/// The path with its size, as far as the system tells it.
pub(crate) fn written(path: &Path) -> String {
    match std::fs::metadata(path) {
        Ok(m) => format!("{} ({})", path.display(), bytes(m.len())),
        Err(_) => path.display().to_string(),
    }
}

/// What a setting is called on the command line: the name by which it is serialised.
pub(crate) fn name_of(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

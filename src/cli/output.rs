//! Output: results to standard output, everything else to standard error.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Failure, Result};

/// The form and the amount of output.
#[derive(Clone, Copy)]
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
        // Characters that JSON does not escape but a terminal may act on are escaped too.
        let text: String =
            value.to_string().chars().flat_map(|c| escaped(c, |c| format!("\\u{:04x}", c as u32))).collect();
        to_stdout(&text)
    }

    /// The result as it is, of a command that has no other form.
    pub(crate) fn text(&self, text: &[u8]) -> Result {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text).and_then(|()| stdout.flush()).map_err(Failure::Stdout)
    }

    /// A line of the result; not printed with `--json`.
    pub(crate) fn line(&self, text: &str) -> Result {
        let lines = || text.split('\n').map(printable).collect::<Vec<_>>().join("\n");
        if self.json { Ok(()) } else { to_stdout(&lines()) }
    }

    /// A line about a result in a file; not printed with `--json` or `-q`.
    pub(crate) fn summary(&self, name: &str, text: &str) -> Result {
        if self.quiet { Ok(()) } else { self.line(&format!("{name:<10} {}", printable(text))) }
    }

    /// A note on progress or on a choice.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            to_stderr(text);
        }
    }

    /// A note that is printed only with `-v`.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose {
            to_stderr(text);
        }
    }

    /// A warning; printed even with `-q`.
    pub(crate) fn warn(&self, text: &str) {
        to_stderr(&format!("warning: {text}"));
    }
}

/// Whether nothing is printed: by all but the first of several processes.
static IS_MUTE: AtomicBool = AtomicBool::new(false);

/// Prints nothing from here on, but for [`say`].
pub(super) fn mute() {
    IS_MUTE.store(true, Ordering::Relaxed);
}

fn is_mute() -> bool {
    IS_MUTE.load(Ordering::Relaxed)
}

/// Prints a line; an error where `println!` would panic.
fn to_stdout(text: &str) -> Result {
    if is_mute() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::Stdout)
}

/// Prints a line to standard error; does nothing if that is closed.
pub(crate) fn to_stderr(text: &str) {
    if !is_mute() {
        say(text);
    }
}

/// [`to_stderr`], whoever prints.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable(text));
}

/// `text` in one line that is safe for a terminal: control characters, which names of files and classes may contain, and those
/// that change the direction of text are written as in Rust, `\n` or `\u{1b}`.
pub(crate) fn printable(text: &str) -> String {
    text.chars().flat_map(|c| escaped(c, |c| c.escape_default().collect())).collect()
}

/// `c`, or `how(c)` if it is a control character or changes the direction of text.
fn escaped(c: char, how: impl Fn(char) -> String) -> impl Iterator<Item = char> {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text = if c.is_control() || turns { how(c) } else { c.to_string() };
    text.chars().collect::<Vec<_>>().into_iter()
}

/// Whether standard error is a terminal, on which progress can be redrawn.
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

/// The path with the size of the file, if the system tells it.
pub(crate) fn written(path: &Path) -> String {
    match std::fs::metadata(path) {
        Ok(m) => format!("{} ({})", path.display(), bytes(m.len())),
        Err(_) => path.display().to_string(),
    }
}

/// The name of a setting on the command line, which is its serialised name.
pub(crate) fn name_of(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_commands_a_terminal() {
        assert_eq!(printable("Gesicht 1.png, ψ₁"), "Gesicht 1.png, ψ₁");
        assert_eq!(printable("a\u{1b}[31mred\u{7f}"), "a\\u{1b}[31mred\\u{7f}");
        assert_eq!(printable("two\nlines\r\t"), "two\\nlines\\r\\t");
        assert_eq!(printable("\u{9b}2J \u{202e}txt.exe"), "\\u{9b}2J \\u{202e}txt.exe");
    }
}

//! The `deepnmf` command.

mod cli;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use cli::Failure;
use deepnmf::{Error, ranks};

/// The only place where a failure becomes an exit code: 1 for errors, 2 for wrong arguments.
fn main() -> ExitCode {
    silence_display_search();
    let Err(failure) = cli::run() else {
        return ExitCode::SUCCESS;
    };
    match failure {
        Failure::Interrupted(code) => ExitCode::from(code),
        failure if failure.is_no_fault() => ExitCode::SUCCESS,
        Failure::Stdout(e) => complain(&format!("standard output: {e}"), 1),
        Failure::ChecksFailed => ExitCode::from(1),
        Failure::Failed(e @ Error::Config(_)) => complain(&e.to_string(), 2),
        Failure::Failed(e) => complain(&e.to_string(), 1),
        Failure::Usage(e) => usage(&e),
    }
}

/// Of several processes the first one prints the help, or says what is wrong with the arguments; another one, where only its own are.
fn usage(e: &clap::Error) -> ExitCode {
    let code = u8::try_from(e.exit_code()).unwrap_or(2);
    if let Some((rank, size)) = ranks::launched().filter(|(rank, _)| *rank > 0) {
        if code == 0 {
            return ExitCode::SUCCESS;
        }
        wait_for_first(code);
        cli::output::say(&format!("error: rank {rank} of {size}: its arguments may not be those of rank 0"));
    }
    match expected(e).map_or_else(|| e.print(), |text| write!(std::io::stderr(), "{text}")) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::from(1),
        _ => ExitCode::from(code),
    }
}

/// A process that fails ends all, and what the first of them says, the others need not say again: it has three seconds for that.
fn wait_for_first(code: u8) {
    if code != 0 {
        std::thread::sleep(Duration::from_secs(3));
    }
}

/// What Rust says of text that is no number, and what is expected instead.
const NUMBERS: [(&str, &str); 6] = [
    ("invalid digit found in string", "expected a whole number"),
    ("cannot parse integer from empty string", "expected a whole number, found nothing"),
    ("number would be zero for non-zero type", "expected a whole number from 1 on"),
    ("number too large to fit in target type", "the number is too large"),
    ("invalid float literal", "expected a number"),
    ("cannot parse float from empty string", "expected a number, found nothing"),
];

/// The text of an error about a value that is no number; None for others.
fn expected(e: &clap::Error) -> Option<String> {
    let styled = e.render();
    let text = if cli::output::stderr_is_terminal() { styled.ansi().to_string() } else { styled.to_string() };
    let (rust, ours) = NUMBERS.iter().find(|(rust, _)| text.contains(rust))?;
    Some(text.replace(rust, ours))
}

/// Vulkan and GL layers look for a display. Without this variable each of them prints errors that look like ours; with any value
/// they find no display and are silent.
fn silence_display_search() {
    const VARIABLE: &str = "XDG_RUNTIME_DIR";
    if cfg!(target_os = "linux") && std::env::var_os(VARIABLE).is_none_or(|folder| folder.is_empty()) {
        // SAFETY: the program has only this thread yet.
        unsafe { std::env::set_var(VARIABLE, "/nonexistent") };
    }
}

/// One of several processes ends them all.
fn complain(what: &str, code: u8) -> ExitCode {
    let Some((rank, size)) = ranks::launched().filter(|(_, size)| *size > 1) else {
        cli::output::say(&format!("error: {what}"));
        return ExitCode::from(code);
    };
    if rank > 0 {
        wait_for_first(code);
    }
    cli::output::say(&format!("error: rank {rank} of {size}: {what}"));
    ranks::abort(code)
}

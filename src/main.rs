//! The `deepnmf` command.

mod cli;

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
        // The reader closed our output, as in `deepnmf devices | head -1`: no failure.
        Failure::Stdout(e) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Failure::Stdout(e) => complain(&format!("standard output: {e}"), 1),
        Failure::Usage(_) if ranks::launched().is_some_and(|(rank, _)| rank > 0) => complain("usage", 2),
        Failure::Interrupted(code) => ExitCode::from(code),
        Failure::ChecksFailed => ExitCode::from(1),
        Failure::Failed(e @ Error::Config(_)) => complain(&e.to_string(), 2),
        Failure::Failed(e) => complain(&e.to_string(), 1),
        Failure::Usage(e) => match e.print() {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::from(1),
            _ => ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2)),
        },
    }
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

/// One of several processes ends them all. What the first of them says, the others need not say again: it has a second for that.
fn complain(what: &str, code: u8) -> ExitCode {
    let Some((rank, size)) = ranks::launched().filter(|(_, size)| *size > 1) else {
        cli::output::say(&format!("error: {what}"));
        return ExitCode::from(code);
    };
    if rank > 0 {
        std::thread::sleep(Duration::from_secs(1));
    }
    cli::output::say(&format!("error: rank {rank} of {size}: {what}"));
    ranks::abort(code)
}

//! Signals: the command prints a line, removes unfinished files and ends with the usual exit code.

use std::sync::OnceLock;

/// Watches for SIGINT and SIGTERM. On other systems than Unix the program just ends; the next one removes its unfinished files.
#[cfg(unix)]
pub(super) fn watch() {
    use deepnmf::atomic::abandon_files;
    use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};

    use super::output::{stderr_is_terminal, to_stderr};

    // A file above the size limit of the user should be an error of the write, not a signal that ends the program.
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGXFSZ]) else { return };
    std::thread::spawn(move || {
        for signal in &mut signals {
            let name = match signal {
                SIGINT => "SIGINT",
                SIGTERM => "SIGTERM",
                _ => continue,
            };
            let _no_more_files = abandon_files();
            let line = if stderr_is_terminal() { "\n" } else { "" };
            let stays = STAYS.get().copied().unwrap_or_default();
            to_stderr(&format!(
                "{line}stopped by {name}: files that are there are whole, unfinished ones are removed{stays}"
            ));
            // Without the handlers of a usual exit, because other threads are still running.
            signal_hook::low_level::exit(128 + signal);
        }
    });
}

#[cfg(not(unix))]
pub(super) fn watch() {}

/// What is said of an unfinished file that stays.
static STAYS: OnceLock<&str> = OnceLock::new();

/// The command leaves an unfinished file that the same command goes on with.
pub(super) fn leaves(what: &'static str) {
    let _ = STAYS.set(what);
}

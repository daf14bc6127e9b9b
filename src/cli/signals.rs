//! What a signal does: a line, no unfinished file, and the exit code that shells know.

/// Watches for SIGINT and SIGTERM. Elsewhere than on Unix the system ends the program; what it leaves is removed by the next one.
#[cfg(unix)]
pub(super) fn watch() {
    use deepnmf::atomic::abandon_files;
    use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};

    use super::output::{stderr_is_terminal, to_stderr};

    // A file that grows beyond the limit of the user is an error of the write; the signal for it would end the program.
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
            to_stderr(&format!("{line}stopped by {name}: files that are there are whole, unfinished ones are removed"));
            // Without what runs at a usual exit: other threads are still at work.
            signal_hook::low_level::exit(128 + signal);
        }
    });
}

#[cfg(not(unix))]
pub(super) fn watch() {}

//! Signals: the command ends with the usual exit code. A fit that is written down finishes its iteration first; what cannot wait
//! prints a line and removes unfinished files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use deepnmf::ranks::Ranks;

/// What the next signal sets, instead of ending the program.
static FINISHES: Mutex<Option<Arc<AtomicBool>>> = Mutex::new(None);
/// The last signal, 0 for none.
static RECEIVED: AtomicI32 = AtomicI32::new(0);

fn finishes() -> MutexGuard<'static, Option<Arc<AtomicBool>>> {
    FINISHES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on the first signal sets this flag, and only the second ends the program at once.
pub(super) fn finish_first() -> Arc<AtomicBool> {
    Arc::clone(finishes().insert(Arc::default()))
}

/// Every signal ends the program at once again.
pub(super) fn finish_no_more() {
    *finishes() = None;
}

/// The exit code after the signal that set the flag, of any of several ranks.
pub(super) fn exit_code(ranks: Option<Ranks>) -> deepnmf::Result<u8> {
    let mut signal = RECEIVED.load(Ordering::Relaxed);
    if let Some(ranks) = ranks {
        signal = ranks.all_of(&signal)?.into_iter().max().unwrap_or(signal);
    }
    Ok(u8::try_from(128 + signal).unwrap_or(1))
}

/// Watches for SIGINT, SIGTERM and SIGHUP. On other systems than Unix the program just ends; the next one removes its unfinished files.
#[cfg(unix)]
pub(super) fn watch() {
    use deepnmf::atomic::abandon_files;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

    use super::output::{stderr_is_terminal, to_stderr};

    // A file above the size limit of the user should be an error of the write, not a signal that ends the program.
    let hangup = Some(SIGHUP).filter(|signal| !is_ignored(*signal));
    let heard = [SIGINT, SIGTERM, SIGXFSZ].into_iter().chain(hangup);
    let Ok(mut signals) = signal_hook::iterator::Signals::new(heard) else { return };
    std::thread::spawn(move || {
        for signal in &mut signals {
            let name = match signal {
                SIGINT => "SIGINT",
                SIGTERM => "SIGTERM",
                SIGHUP => "SIGHUP",
                _ => continue,
            };
            RECEIVED.store(signal, Ordering::Relaxed);
            let line = if stderr_is_terminal() { "\n" } else { "" };
            if let Some(flag) = finishes().take() {
                flag.store(true, Ordering::Relaxed);
                to_stderr(&format!("{line}{name}: ends after this iteration; once more ends it at once"));
                continue;
            }
            let _no_more_files = abandon_files();
            let stays = STAYS.get().copied().unwrap_or_default();
            to_stderr(&format!(
                "{line}stopped by {name}: files that are there are whole, unfinished ones are removed{stays}"
            ));
            // Without the handlers of a usual exit, because other threads are still running.
            signal_hook::low_level::exit(128 + signal);
        }
    });
}

/// Whether who started this wants the signal to be ignored, as `nohup` does; only Linux says so.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(not(unix))]
pub(super) fn watch() {}

/// What is said of an unfinished file that stays.
static STAYS: OnceLock<&str> = OnceLock::new();

/// The command leaves an unfinished file that the same command goes on with.
pub(super) fn leaves(what: &'static str) {
    let _ = STAYS.set(what);
}

//! Signals: the command ends with the usual exit code. A fit that is written down finishes its iteration first; what cannot wait
//! prints a line and removes unfinished files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use deepnmf::ranks::Ranks;

use super::output::to_stderr;

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

/// The exit code after the signal that set the flag, of any of several ranks; says which of them, where the first one did not hear it.
pub(super) fn exit_code(ranks: Option<Ranks>) -> deepnmf::Result<u8> {
    let mut signal = RECEIVED.load(Ordering::Relaxed);
    if let Some(ranks) = ranks {
        let all = ranks.all_of(&signal)?;
        let (rank, heard) = all.iter().enumerate().max_by_key(|(_, signal)| **signal).unwrap_or((0, &signal));
        if all[0] == 0 {
            to_stderr(&format!("stopped by {}, which rank {rank} was sent", name(*heard)));
        }
        signal = *heard;
    }
    Ok(u8::try_from(128 + signal).unwrap_or(1))
}

fn name(signal: i32) -> String {
    match signal {
        1 => "SIGHUP".into(),
        2 => "SIGINT".into(),
        15 => "SIGTERM".into(),
        other => format!("signal {other}"),
    }
}

/// Watches for SIGINT, SIGTERM and SIGHUP. On other systems than Unix the program just ends; the next one removes its unfinished files.
#[cfg(unix)]
pub(super) fn watch() {
    use deepnmf::atomic::abandon_files;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

    use super::output::stderr_is_terminal;

    // A file above the size limit of the user should be an error of the write, not a signal that ends the program.
    let hangup = Some(SIGHUP).filter(|signal| !is_ignored(*signal));
    let heard = [SIGINT, SIGTERM, SIGXFSZ].into_iter().chain(hangup);
    let Ok(mut signals) = signal_hook::iterator::Signals::new(heard) else { return };
    std::thread::spawn(move || {
        for signal in &mut signals {
            if signal == SIGXFSZ {
                continue;
            }
            let name = name(signal);
            RECEIVED.store(signal, Ordering::Relaxed);
            let line = if stderr_is_terminal() { "\n" } else { "" };
            if let Some(flag) = finishes().take() {
                flag.store(true, Ordering::Relaxed);
                // A rank that fails has its launcher end the others by a signal, too.
                let unless = if deepnmf::ranks::launched().is_some_and(|(_, size)| size > 1) {
                    ", unless a rank has failed"
                } else {
                    ""
                };
                to_stderr(&format!("{line}{name}: ends after this iteration{unless}; once more ends it at once"));
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

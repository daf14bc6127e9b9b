//! Checkpoints of `fit`: where, how often, and the command that goes on from one.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use deepnmf::Error;
use deepnmf::ranks::Ranks;
use deepnmf::train::{Checkpoints, Fit, Notice, Stage, Warning};
use serde_json::{Value, json};

use super::args::duration;
use super::files::quoted;
use super::output::{Output, bytes, to_stderr};
use super::signals;
use super::{Failure, Result};

#[derive(clap::Args)]
#[command(next_help_heading = "Checkpoints")]
pub(crate) struct CheckpointArgs {
    /// Where the fit is written down while it runs, so that it can go on after a stop; removed once the model is there [default: the
    /// model file with .checkpoint behind its name]
    #[arg(long, value_name = "FILE", conflicts_with = "no_checkpoint")]
    checkpoint: Option<PathBuf>,
    /// The time between two checkpoints: 90s, 5m, 2h; more where writing takes long, and less at the end of a stage
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    checkpoint_every: Duration,
    /// Write none; a fit that is stopped is then lost
    #[arg(long)]
    no_checkpoint: bool,
    /// Go on from the checkpoint FILE, everything else as it was given before, but for --sweeps, of which there may be more. On the same kind
    /// of device the model has the bits of one that was never stopped. FILE stays, unless it is the default of --checkpoint
    #[arg(long, value_name = "FILE", conflicts_with_all = ["checkpoint", "no_checkpoint"])]
    resume: Option<PathBuf>,
}

impl CheckpointArgs {
    fn path(&self, out: &Path) -> PathBuf {
        let given = self.resume.clone().or_else(|| self.checkpoint.clone());
        given.unwrap_or_else(|| Self::default_path(out))
    }

    fn default_path(out: &Path) -> PathBuf {
        let mut name = out.as_os_str().to_owned();
        name.push(".checkpoint");
        name.into()
    }

    /// Refuses a checkpoint that is the model file `out`, or one that is there already and would be lost.
    pub(crate) fn check(&self, out: &Path) -> Result {
        let path = self.path(out);
        let at = path.display();
        if !self.no_checkpoint && absolute(&path) == absolute(out) {
            return Err(Error::Config(format!("--checkpoint: expected another file than the model, found {at}")).into());
        }
        if self.no_checkpoint || self.resume.is_some() || !path.exists() {
            return Ok(());
        }
        if !Checkpoints::is_one(&path) {
            let message = format!("{at} is there already and is no checkpoint: name another file (--checkpoint)");
            return Err(Error::Config(message).into());
        }
        Err(Error::Config(format!(
            "{at} is there already: go on from it with --resume {}; to begin anew, remove it or name another file (--checkpoint)",
            quoted(&path)
        ))
        .into())
    }

    /// For the model file `out`; None where there are to be none.
    pub(crate) fn open(&self, out: &Path, settings: Value, output: &Output) -> Option<(Checkpoints, Written)> {
        if self.no_checkpoint {
            return None;
        }
        let path = self.path(out);
        let said = *output;
        let named = path.display().to_string();
        // What --resume names may be a copy that is to be kept.
        let removed = self.resume.is_none() || absolute(&path) == absolute(&Self::default_path(out));
        let written = Written { path: path.clone(), removed, stamp: Rc::default() };
        let (seen, stamp) = (path.clone(), written.stamp.clone());
        let checkpoints = Checkpoints {
            every: self.checkpoint_every,
            resume: self.resume.is_some(),
            settings: settings.as_object().cloned().unwrap_or_default(),
            interrupt: signals::finish_first(),
            notice: Box::new(move |notice| match notice {
                Notice::GoesOn { stage, done } => {
                    stamp.set(Stamp::of(&seen));
                    said.note(&format!("{named}: the fit goes on with its {stage}, after {done} iterations"));
                }
                Notice::OtherDevice { wrote } => {
                    said.warn(&format!("{named} was written on {wrote}: the fit goes on, but not to the same bits"));
                }
                Notice::Written { bytes: size, took } => {
                    stamp.set(Stamp::of(&seen));
                    said.detail(&format!("checkpoint {named}: {}, {:.2} s", bytes(size), took.as_secs_f64()));
                }
                Notice::Failed(why) => said.warn(&format!("no checkpoint: {why}; the fit goes on")),
            }),
            ..Checkpoints::new(path)
        };
        Some((checkpoints, written))
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

/// What tells the file that a fit wrote from another one in its place: its length and its time.
#[derive(Clone, Copy, PartialEq)]
struct Stamp(u64, SystemTime);

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self(found.len(), found.modified().ok()?))
    }
}

/// The checkpoint that a fit has written, or went on from.
pub(crate) struct Written {
    path: PathBuf,
    /// Whether it goes once the model is there.
    removed: bool,
    /// Of the last one; None where there was none.
    stamp: Rc<Cell<Option<Stamp>>>,
}

impl Written {
    /// Its file, if that is there and nobody else has written it since.
    fn is_there(&self) -> Option<&Path> {
        let stamp = self.stamp.get();
        Some(&*self.path).filter(|path| stamp.is_some() && Stamp::of(path) == stamp)
    }

    /// The model is there: removes the file if it is the fit's own.
    pub(crate) fn done(&self, out: &Output) {
        match self.is_there() {
            Some(path) if self.removed => drop(std::fs::remove_file(path)),
            Some(path) => out.note(&format!("{} stays; the fit is done and does not need it", path.display())),
            None => {}
        }
    }
}

/// In which stage the fit was stopped, if it was.
pub(crate) fn stopped(warnings: &[Warning]) -> Option<Stage> {
    warnings.iter().find_map(|warning| match warning {
        Warning::Stopped { stage, .. } => Some(*stage),
        _ => None,
    })
}

/// This command, going on from `checkpoint`; of ranks with what starts as many.
pub(crate) fn command(checkpoint: &Path) -> String {
    let mut words: Vec<String> = deepnmf::ranks::launcher().into_iter().flatten().collect();
    let mut given = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = given.next() {
        match word.as_str() {
            "--resume" | "--checkpoint" => drop(given.next()),
            text if text.starts_with("--resume=") || text.starts_with("--checkpoint=") => {}
            _ => words.push(word),
        }
    }
    words.extend(["--resume".into(), checkpoint.display().to_string()]);
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// What came of a fit that was written down to `checkpoint`; one that was stopped says how it can go on. From here on, signals end
/// the program at once.
pub(crate) fn finished(
    fit: deepnmf::Result<Fit<f32>>,
    written: Option<&Written>,
    ranks: Option<Ranks>,
    out: &Output,
) -> Result<Fit<f32>> {
    signals::finish_no_more();
    let goes_on = |at: &Path| {
        let command = command(at);
        to_stderr("it goes on with:");
        to_stderr(&format!("  {command}"));
        command
    };
    match fit {
        Ok(fit) => {
            if stopped(&fit.warnings).is_some() {
                written.and_then(Written::is_there).map(goes_on);
            }
            Ok(fit)
        }
        Err(Error::Interrupted { checkpoint }) => {
            let code = signals::exit_code(ranks)?;
            let command = checkpoint.as_deref().map(goes_on);
            if command.is_none() {
                to_stderr("there is no checkpoint yet: the same command begins anew");
            }
            if out.is_json() {
                let at = checkpoint.map(|at| at.display().to_string());
                out.json(&json!({ "interrupted": true, "checkpoint": at, "resume": command }))?;
            }
            Err(Failure::Interrupted(code))
        }
        Err(e) => {
            // It is no fault of the fit.
            let of_device = matches!(e, Error::DeviceLost(_) | Error::DeviceFault(_) | Error::OutOfMemory(_));
            written.filter(|_| of_device).and_then(Written::is_there).map(goes_on);
            Err(e.into())
        }
    }
}

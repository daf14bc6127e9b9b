//! Checkpoints: a fit that is written down between two iterations, and goes on from there to the same bits.
//!
//! A fit is a row of stages, which are the layers and then the fine-tuning, and a stage is a row of loops. A checkpoint has, of the
//! stages that are over, their factors and penalty constants (the [`Course`], and the matrices of its base); of the loops of
//! the stage that are over, their histories; and the [`State`] of the loop that is under way. A fit that goes on passes over
//! what is over and begins at that loop. What no iteration depends on (scratch, right sides) is not written.

mod file;
mod header;
mod identity;

use header::Header;
pub(super) use header::{Course, LoopState};
pub(super) use identity::Identity;

use super::state::{Listed, Reading, State, Visitor};
use super::{Config, Stage};
use crate::backend::Backend;
use crate::ranks::Ranks;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Where a fit is written down, how often, and whether it goes on from there.
pub struct Checkpoints {
    /// The file. A checkpoint that is there is replaced, by a whole one; another file is refused. It is removed by nobody but the
    /// caller.
    pub path: PathBuf,
    /// The time between two checkpoints, at least. Writing takes at most a twentieth of the time: where it takes long they are
    /// fewer. At the end of a stage a sixtieth of this time is enough. With 0 there is one after every iteration.
    pub every: Duration,
    /// Whether the fit goes on from the file that is there.
    pub resume: bool,
    /// What else has to be the same for a fit that goes on, such as how the samples were scaled: names and values.
    pub settings: Map<String, Value>,
    /// Once this is true the fit ends after the iteration under way, with a checkpoint and [`Error::Interrupted`].
    pub interrupt: Arc<AtomicBool>,
    /// Is told what happens to checkpoints.
    pub notice: Box<dyn FnMut(Notice)>,
}

/// What happens to checkpoints.
#[derive(Debug)]
pub enum Notice {
    /// The fit goes on in this stage, after so many of its iterations.
    GoesOn {
        /// The stage.
        stage: Stage,
        /// Its iterations that were made.
        done: usize,
    },
    /// The fit goes on from one that another device wrote: not to the same bits.
    OtherDevice {
        /// The device that wrote it.
        wrote: String,
    },
    /// One was written.
    Written {
        /// The size of the file.
        bytes: u64,
        /// How long it took.
        took: Duration,
    },
    /// One could not be written. The one before is still there, and the fit goes on.
    Failed(Error),
}

impl Checkpoints {
    /// To this file once a minute, from the start of the fit.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            every: Duration::from_secs(60),
            resume: false,
            settings: Map::new(),
            interrupt: Arc::new(AtomicBool::new(false)),
            notice: Box::new(|_| {}),
        }
    }

    /// Whether there is a checkpoint in this file, and it is whole.
    pub fn is_one(path: &std::path::Path) -> bool {
        file::check(path).is_ok()
    }

    /// The share of the time that goes into writing is one in so many.
    const SHARE: u32 = 20;
    /// At the end of a stage: of the time between two checkpoints.
    const OF_STAGE: u32 = 60;
}

/// Where a loop begins.
pub(super) enum Entered {
    /// It is over already, and this is what it came to.
    Over(Vec<f64>),
    /// At its start, or where it goes on.
    At(LoopState),
}

/// Writes a fit down, and takes it up again.
pub(crate) struct Keeper<'a> {
    to: &'a mut Checkpoints,
    identity: Identity,
    sweeps: usize,
    device: String,
    stage: usize,
    course: Course,
    /// Seconds that were spent before this process, on the stage and on the fit, and since when it runs.
    spent: (f64, f64),
    since: (Instant, Instant),
    /// What is there since the beginning of the stage, and its bytes.
    base: Option<(Listed, Option<File>)>,
    loops: Vec<Vec<f64>>,
    resumed: Option<(Header, BufReader<File>)>,
    last: Instant,
    pause: Duration,
    /// Whether the file that is there may be replaced.
    kept: bool,
    /// Of which the first one writes.
    ranks: Option<Ranks>,
    /// Whether one of them was told to end, as all of them know.
    ends: bool,
}

impl<'a> Keeper<'a> {
    /// # Errors
    /// [`Error::Format`] and [`Error::Io`] where there is no checkpoint to go on from, [`Error::Config`] where it is of another fit.
    pub(super) fn new<B: Backend>(
        b: &B,
        data: ((usize, usize), u32),
        config: &Config,
        to: &'a mut Checkpoints,
    ) -> Result<Self> {
        let identity = Identity::of::<B::Elem>(data, config, &to.settings)?;
        let (mut resumed, mut spent) = (None, (0.0, 0.0));
        if to.resume {
            let (header, bytes) = file::read::<Header>(&to.path)?;
            let mut differences = header.identity.differences(&identity);
            if differences.is_empty() && !header.is_of_sweeps(config) {
                let (least, found) = (header.least_sweeps(), config.sweeps);
                differences.push(format!("sweeps: expected {least} or more, found {found}"));
            }
            if !differences.is_empty() {
                return Err(Error::Config(format!(
                    "{}: the checkpoint is of another fit, and this one cannot go on from it; {}",
                    to.path.display(),
                    differences.join("; ")
                )));
            }
            header.check(config.layers.len()).map_err(|found| Error::format(&to.path, found))?;
            if device_of(&header.device) != device_of(&b.device_name()) {
                (to.notice)(Notice::OtherDevice { wrote: header.device.clone() });
            }
            spent = header.seconds;
            resumed = Some((header, bytes));
        } else if to.path.exists() {
            file::check(&to.path)?;
        }
        let (pause, now) = (to.every, Instant::now());
        Ok(Self {
            kept: to.path.exists(),
            to,
            identity,
            sweeps: config.sweeps,
            spent,
            since: (now, now),
            device: b.device_name(),
            stage: 0,
            course: Course::default(),
            base: None,
            loops: Vec::new(),
            resumed,
            last: now,
            pause,
            ranks: config.ranks,
            ends: false,
        })
    }

    /// What the fit goes on from.
    pub(super) fn resumed(&self) -> Result<String> {
        let Some((header, _)) = &self.resumed else { return Ok("none to go on from".into()) };
        let sum = crc32fast::hash(&serde_json::to_vec(header).map_err(|e| Error::Data(format!("a checkpoint: {e}")))?);
        Ok(format!(
            "one of stage {} after {} iterations, with the checksum {sum:08x}",
            header.stage,
            header.here.made()
        ))
    }

    /// The stage that the fit goes on in, and how it stood at its beginning; None once it has begun it.
    pub(super) fn resumes(&self) -> Option<(usize, Course)> {
        self.resumed.as_ref().map(|(header, _)| (header.stage, header.course.clone()))
    }

    /// Fills the matrices of the base.
    pub(super) fn restore<B: Backend>(&mut self, b: &mut B, base: &mut dyn State<B>) -> Result<()> {
        let Some((header, bytes)) = &mut self.resumed else { return Ok(()) };
        fill(b, base, &header.base, bytes)
    }

    /// A stage begins. `base` is what the stages before have left; it does not change while this one is under way. Where there is no
    /// room for it, the stage has no checkpoints.
    pub(super) fn begin<B: Backend>(
        &mut self,
        b: &mut B,
        stage: usize,
        course: Course,
        base: &mut dyn State<B>,
    ) -> Result<()> {
        (self.stage, self.course) = (stage, course);
        self.since.0 = Instant::now();
        if self.resumed.is_none() {
            self.spent.0 = 0.0;
        }
        self.loops.clear();
        self.base = self.set_down(b, base)?.map_err(|why| (self.to.notice)(Notice::Failed(why))).ok();
        Ok(())
    }

    /// Writes a state to a file of its own; of several ranks, the first one does, and the others send what they have. The inner result is
    /// that of the writing, which the others do not know of; what fails otherwise on one of several ranks, for the others wait for it.
    fn set_down<B: Backend>(&self, b: &mut B, state: &mut dyn State<B>) -> Result<Result<(Listed, Option<File>)>> {
        let writes = self.ranks.is_none_or(|ranks| ranks.is_first());
        // Without a name: it is gone with the process, however that ends.
        let file = writes.then(|| tempfile::tempfile_in(crate::atomic::folder_of(&self.to.path)).map(BufWriter::new));
        let (mut file, mut listed) = (file::Deferred(file.transpose()), Listed::default());
        let visited = state.visit(b, &mut Visitor::List(&mut listed));
        match visited.and_then(|()| state.visit(b, &mut Visitor::Write(&mut file))) {
            Err(e) if self.ranks.is_some() => Err(e),
            Err(e) => Ok(Err(e)),
            Ok(()) => Ok(file.finish().map(|file| (listed, file)).map_err(|e| Error::io(&self.to.path, e))),
        }
    }

    /// Seconds that were spent on the stage, and on the fit, before it went on.
    pub(super) fn spent(&self) -> (f64, f64) {
        self.spent
    }

    /// A loop of the stage begins.
    pub(super) fn enter<B: Backend>(
        &mut self,
        b: &mut B,
        (stage, start): (Stage, LoopState),
        state: &mut dyn State<B>,
    ) -> Result<Entered> {
        let Some((header, bytes)) = &mut self.resumed else { return Ok(Entered::At(start)) };
        if let Some(history) = header.loops.get(self.loops.len()) {
            self.loops.push(history.clone());
            return Ok(Entered::Over(history.clone()));
        }
        fill(b, state, &header.state, bytes)?;
        let here = header.here.clone();
        (self.to.notice)(Notice::GoesOn { stage, done: here.made() });
        self.resumed = None;
        Ok(Entered::At(here))
    }

    /// A loop of the stage is over.
    pub(super) fn leave(&mut self, history: &[f64]) {
        self.loops.push(history.to_vec());
    }

    /// Whether this process was told to end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.ends || self.to.interrupt.load(Ordering::Relaxed)
    }

    /// All ranks know that one of them was told to end.
    pub(super) fn end(&mut self) {
        self.ends = true;
    }

    /// Whether it is time for a checkpoint.
    pub(super) fn is_due(&self, over: bool) -> bool {
        let pause = if over { self.pause / Checkpoints::OF_STAGE } else { self.pause };
        self.is_interrupted() || self.base.is_some() && self.last.elapsed() >= pause
    }

    /// Writes a checkpoint of the loop under way, and says how that went.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where the fit is to end.
    pub(super) fn keep<B: Backend>(&mut self, b: &mut B, here: LoopState, state: &mut dyn State<B>) -> Result<()> {
        let begin = Instant::now();
        let of_ranks = self.ranks.map(|_| self.set_down(b, state)).transpose()?;
        let written = self.write(b, here, state, of_ranks.transpose());
        let took = begin.elapsed();
        self.last = Instant::now();
        if !self.to.every.is_zero() {
            self.pause = self.to.every.max(took * Checkpoints::SHARE);
        }
        self.kept |= written.is_ok();
        (self.to.notice)(match written {
            Ok(bytes) => Notice::Written { bytes, took },
            // There is nothing left that could go on.
            Err(lost @ Error::DeviceLost(_)) => return Err(lost),
            Err(why) => Notice::Failed(why),
        });
        self.check()
    }

    /// [`Error::Interrupted`] where the fit is to end.
    pub(super) fn check(&self) -> Result<()> {
        // What the others do not know yet waits until they do.
        let ends = if self.ranks.is_some() { self.ends } else { self.is_interrupted() };
        match ends {
            true => Err(Error::Interrupted { checkpoint: self.kept.then(|| self.to.path.clone()) }),
            false => Ok(()),
        }
    }

    /// Writes the file, with what [`Keeper::set_down`] has made of the state of several ranks.
    fn write<B: Backend>(
        &mut self,
        b: &mut B,
        here: LoopState,
        state: &mut dyn State<B>,
        of_ranks: Result<Option<(Listed, Option<File>)>>,
    ) -> Result<u64> {
        let (path, of_ranks) = (&self.to.path, of_ranks?);
        let Some((base, bytes)) = &mut self.base else {
            return Err(Error::format(path, "what the stage began with was not written down"));
        };
        let Some(bytes) = bytes else { return Ok(0) };
        if !self.kept && path.exists() {
            let message = "since this fit began another one has written its checkpoint here; give each its own file";
            return Err(Error::format(path, message));
        }
        let mut listed = Listed::default();
        state.visit(b, &mut Visitor::List(&mut listed))?;
        let header = Header {
            identity: self.identity.clone(),
            sweeps: self.sweeps,
            device: self.device.clone(),
            seconds: (
                self.spent.0 + self.since.0.elapsed().as_secs_f64(),
                self.spent.1 + self.since.1.elapsed().as_secs_f64(),
            ),
            stage: self.stage,
            course: self.course.clone(),
            base: base.clone(),
            loops: self.loops.clone(),
            here,
            state: listed,
        };
        file::write(path, &header, (&[&header.base, &header.state], size_of::<B::Elem>()), |out| {
            let copied = bytes.seek(SeekFrom::Start(0)).and_then(|_| std::io::copy(bytes, out));
            copied.map_err(|e| Error::io(path, e))?;
            let Some((_, Some(mut of_ranks))) = of_ranks else {
                return state.visit(b, &mut Visitor::Write(out));
            };
            let copied = of_ranks.seek(SeekFrom::Start(0)).and_then(|_| std::io::copy(&mut of_ranks, out));
            copied.map(drop).map_err(|e| Error::io(path, e))
        })
    }
}

/// Of the name of a device, what makes its bits: on the CPU not the number of threads.
pub(super) fn device_of(name: &str) -> &str {
    if name.starts_with("cpu") { name.split(", ").next().unwrap_or(name) } else { name }
}

fn fill<B: Backend>(b: &mut B, state: &mut dyn State<B>, listed: &Listed, bytes: &mut BufReader<File>) -> Result<()> {
    let mut visitor = Visitor::Read(Reading::new(listed, bytes));
    state.visit(b, &mut visitor)?;
    match visitor {
        Visitor::Read(reading) if !reading.is_done() => {
            Err(Error::Data("the checkpoint has more than this fit takes: it is of another version".into()))
        }
        _ => Ok(()),
    }
}

/// Loops that are part of a stage; others are made again where a fit goes on.
pub(super) fn is_kept(stage: Stage) -> bool {
    matches!(stage, Stage::Pretrain { .. } | Stage::Finetune)
}

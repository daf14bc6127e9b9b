//! Checkpoints: a fit that is written down between two iterations, and goes on from there to the same bits.
//!
//! A fit is a row of stages, which are the layers and then the fine-tuning, and a stage is a row of loops. A checkpoint has, of the
//! stages that are over, their factors and penalty constants (the [`Course`], and the matrices of its base); of the loops of
//! the stage that are over, their histories; and the [`State`] of the loop that is under way. A fit that goes on passes over
//! what is over and begins at that loop. What no iteration depends on (scratch, right sides) is not written.

mod file;
mod identity;

use identity::Identity;

use super::state::{Listed, Reading, State, Visitor};
use super::{Config, Penalties, Progress, Seconds, Source, Stage};
use crate::backend::{Backend, Standing, Stopping};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
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
    /// fewer. At the end of a stage a tenth of this time is enough. With 0 there is one after every iteration.
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

    /// The share of the time that goes into writing is one in so many.
    const SHARE: u32 = 20;
    /// At the end of a stage: of the time between two checkpoints.
    const OF_STAGE: u32 = 10;
}

/// What a fit has come to at the beginning of a stage, but for its matrices.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Course {
    /// [`History::pretrain`](super::History::pretrain).
    pub(super) history: Vec<Vec<f64>>,
    /// Of the layers that are trained. As they weigh against ‖X‖².
    pub(super) penalties: Penalties,
    /// What of the objective is neither residual nor one of these penalties.
    pub(super) graph_penalty: f64,
    /// Whether products were of halves.
    pub(super) halves: bool,
    /// The constants mu and lambda of the layer that the stage trains, as they weigh in it.
    pub(super) constants: (f64, f64),
    /// Seconds up to here.
    pub(super) seconds: Seconds,
}

/// A loop between two iterations, but for its [`State`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LoopState {
    pub(super) history: Vec<f64>,
    /// The least objective so far, with its relative error where that is known.
    pub(super) least: (f64, Option<f64>),
    /// See [`Standing`].
    pub(super) before: Option<f64>,
    pub(super) small: u32,
    /// The objective of the last iteration.
    pub(super) last: f64,
    pub(super) over: bool,
}

impl LoopState {
    /// Before the first iteration, from `(objective, relative error)`; over where that meets the rule.
    pub(super) fn start((objective, relative_error): (f64, f64), stop: Stopping) -> Self {
        Self {
            history: vec![objective],
            least: (objective, Some(relative_error).filter(|e| e.is_finite())),
            before: Some(objective).filter(|f| f.is_finite()),
            small: 0,
            last: objective,
            over: stop.target_error.is_some_and(|target| relative_error <= target),
        }
    }

    /// Iterations that were made.
    pub(super) fn made(&self) -> usize {
        self.history.len() - 1
    }

    /// What is reported of the last one, in a loop of at most `of`.
    pub(super) fn progress(&self, (stage, of): (Stage, usize)) -> Progress {
        let (objective, relative_error) = (self.least.0, self.least.1.unwrap_or(f64::NAN));
        Progress { stage, done: self.made(), of, objective, relative_error }
    }

    pub(super) fn standing(&self) -> Standing {
        Standing { made: self.made(), before: self.before.unwrap_or(f64::NAN), small: self.small }
    }
}

/// What the file says besides the matrices.
#[derive(Serialize, Deserialize)]
struct Header {
    identity: Identity,
    device: String,
    /// The layer that is trained, from 0, or the number of layers in the fine-tuning.
    stage: usize,
    course: Course,
    base: Listed,
    /// Of the loops of the stage that are over.
    loops: Vec<Vec<f64>>,
    here: LoopState,
    state: Listed,
}

impl Header {
    /// What no fit writes.
    fn check(&self, depth: usize) -> Result<(), String> {
        let Course { history, penalties, .. } = &self.course;
        let lengths = [history.len(), penalties.mu.len(), penalties.lambda.len()];
        let empty = self.here.history.is_empty() || self.loops.iter().any(Vec::is_empty);
        match self.stage > depth || lengths != [self.stage; 3] || empty {
            true => Err(format!("expected a checkpoint of {depth} layers, found one of something else")),
            false => Ok(()),
        }
    }
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
    device: String,
    stage: usize,
    course: Course,
    /// What is there since the beginning of the stage, and its bytes.
    base: Option<(Listed, File)>,
    loops: Vec<Vec<f64>>,
    resumed: Option<(Header, BufReader<File>)>,
    last: Instant,
    pause: Duration,
    /// Whether there is a file of this fit.
    kept: bool,
}

impl<'a> Keeper<'a> {
    /// # Errors
    /// [`Error::Format`] and [`Error::Io`] where there is no checkpoint to go on from, [`Error::Config`] where it is of another fit.
    pub(super) fn new<B: Backend>(
        b: &B,
        x: &mut dyn Source<B::Elem>,
        config: &Config,
        to: &'a mut Checkpoints,
    ) -> Result<Self> {
        let identity = Identity::of(x, config, &to.settings)?;
        let mut resumed = None;
        if to.resume {
            let (header, bytes) = file::read::<Header>(&to.path)?;
            let differences = header.identity.differences(&identity);
            if !differences.is_empty() {
                return Err(Error::Config(format!(
                    "{}: the checkpoint is of another fit, and this one cannot go on from it; {}",
                    to.path.display(),
                    differences.join("; ")
                )));
            }
            header.check(config.layers.len()).map_err(|found| Error::format(&to.path, found))?;
            if header.device != b.device_name() {
                (to.notice)(Notice::OtherDevice { wrote: header.device.clone() });
            }
            resumed = Some((header, bytes));
        } else if to.path.exists() {
            file::check(&to.path)?;
        }
        let (pause, kept) = (to.every, to.resume);
        Ok(Self {
            kept,
            to,
            identity,
            device: b.device_name(),
            stage: 0,
            course: Course::default(),
            base: None,
            loops: Vec::new(),
            resumed,
            last: Instant::now(),
            pause,
        })
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
    pub(super) fn begin<B: Backend>(&mut self, b: &mut B, stage: usize, course: Course, base: &mut dyn State<B>) {
        (self.stage, self.course) = (stage, course);
        self.loops.clear();
        self.base = self.write_base(b, base).map_err(|why| (self.to.notice)(Notice::Failed(why))).ok();
    }

    fn write_base<B: Backend>(&self, b: &mut B, base: &mut dyn State<B>) -> Result<(Listed, File)> {
        let failed = |e| Error::io(&self.to.path, e);
        let mut listed = Listed::default();
        base.visit(b, &mut Visitor::List(&mut listed))?;
        // Without a name: it is gone with the process, however that ends.
        let scratch = tempfile::tempfile_in(crate::atomic::folder_of(&self.to.path)).map_err(failed)?;
        let mut scratch = std::io::BufWriter::new(scratch);
        base.visit(b, &mut Visitor::Write(&mut scratch))?;
        Ok((listed, scratch.into_inner().map_err(|e| failed(e.into_error()))?))
    }

    /// A loop of the stage begins.
    pub(super) fn enter<B: Backend>(
        &mut self,
        b: &mut B,
        start: LoopState,
        state: &mut dyn State<B>,
    ) -> Result<Entered> {
        let Some((header, bytes)) = &mut self.resumed else { return Ok(Entered::At(start)) };
        if let Some(history) = header.loops.get(self.loops.len()) {
            self.loops.push(history.clone());
            return Ok(Entered::Over(history.clone()));
        }
        fill(b, state, &header.state, bytes)?;
        let here = header.here.clone();
        self.resumed = None;
        Ok(Entered::At(here))
    }

    /// A loop of the stage is over.
    pub(super) fn leave(&mut self, history: &[f64]) {
        self.loops.push(history.to_vec());
    }

    fn is_interrupted(&self) -> bool {
        self.to.interrupt.load(Ordering::Relaxed)
    }

    /// Whether it is time for a checkpoint.
    pub(super) fn is_due(&self, over: bool) -> bool {
        let pause = if over { self.pause / Checkpoints::OF_STAGE } else { self.pause };
        self.is_interrupted() || self.last.elapsed() >= pause
    }

    /// Writes a checkpoint of the loop under way, and says how that went.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where the fit is to end.
    pub(super) fn keep<B: Backend>(&mut self, b: &mut B, here: LoopState, state: &mut dyn State<B>) -> Result<()> {
        let begin = Instant::now();
        let written = self.write(b, here, state);
        let took = begin.elapsed();
        self.last = Instant::now();
        if !self.to.every.is_zero() {
            self.pause = self.to.every.max(took * Checkpoints::SHARE);
        }
        self.kept |= written.is_ok();
        (self.to.notice)(match written {
            Ok(bytes) => Notice::Written { bytes, took },
            Err(why) => Notice::Failed(why),
        });
        self.check()
    }

    /// [`Error::Interrupted`] where the fit is to end.
    pub(super) fn check(&self) -> Result<()> {
        match self.is_interrupted() {
            true => Err(Error::Interrupted { checkpoint: self.kept.then(|| self.to.path.clone()) }),
            false => Ok(()),
        }
    }

    fn write<B: Backend>(&mut self, b: &mut B, here: LoopState, state: &mut dyn State<B>) -> Result<u64> {
        let path = &self.to.path;
        let Some((base, bytes)) = &mut self.base else {
            return Err(Error::format(path, "the stage before was not written down"));
        };
        let mut listed = Listed::default();
        state.visit(b, &mut Visitor::List(&mut listed))?;
        let header = Header {
            identity: self.identity.clone(),
            device: self.device.clone(),
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
            state.visit(b, &mut Visitor::Write(out))
        })
    }
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

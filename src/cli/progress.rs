//! Progress: a bar on a terminal, a line every two seconds elsewhere.

use std::ops::ControlFlow;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use deepnmf::data::{Reading, SoFar};
use deepnmf::train::{Progress, Stage};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::output::{Output, bytes, percent, stderr_is_terminal, to_stderr};
use super::stages::Stages;

const BETWEEN_LINES: Duration = Duration::from_secs(2);
/// How often a pass over streamed samples is looked at, and the time between two lines on it.
const TICK: Duration = Duration::from_millis(500);
const BETWEEN_TICKS: Duration = Duration::from_secs(5);
/// A pass before the first stage.
const LOOK: &str = "looking at the samples";
/// With the longest text this has 80 columns; narrower terminals cut it off, because a wrapped bar cannot be redrawn.
const TEMPLATE: &str = "{prefix:<23} [{bar:14}] {wide_msg}";

/// Prints the progress of a running engine, one stage after the other. Where samples are streamed, also how far a pass over them is.
pub(crate) struct Reporter {
    shown: Arc<Mutex<Shown>>,
    /// When there is no more time.
    until: Option<Instant>,
    /// Of samples that are streamed; ends the thread that looks at them.
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

struct Shown {
    how: How,
    stage: Option<Running>,
    /// What there is to do in all.
    stages: Option<Stages>,
    /// What is read of samples that are streamed.
    reading: Option<Arc<Reading>>,
    /// Of a pass over them.
    pass: Pass,
}

/// A pass over samples that are streamed, since the last report.
struct Pass {
    since: Instant,
    before: Read,
    said: Instant,
    bar: Option<ProgressBar>,
}

enum How {
    Silent,
    Lines { between: Duration },
    Bar,
}

struct Running {
    last: Progress,
    /// Time and iterations at the first report, from where the rate counts.
    since: Instant,
    first: usize,
    said: Option<(Instant, usize)>,
    bar: Option<ProgressBar>,
    /// What had been read before it.
    before: Read,
    /// Whether the stage is over, perhaps before its last iteration: then there is no ETA.
    ended: bool,
}

/// What was read until a moment.
#[derive(Clone, Copy, Default)]
struct Read {
    samples: u64,
    bytes: u64,
    waited: Duration,
}

impl Read {
    fn now(reading: &Reading) -> Self {
        Self { samples: reading.samples(), bytes: reading.bytes(), waited: reading.waited() }
    }
}

impl How {
    fn of(out: &Output) -> Self {
        match (out.is_quiet(), stderr_is_terminal()) {
            (true, _) => Self::Silent,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines { between: if out.is_verbose() { Duration::ZERO } else { BETWEEN_LINES } },
        }
    }

    fn bar(&self, length: usize, name: &str) -> Option<ProgressBar> {
        matches!(self, Self::Bar).then(|| {
            let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(length as u64).with_style(style).with_prefix(name.to_string())
        })
    }
}

impl Reporter {
    pub(crate) fn new(out: &Output) -> Self {
        let pass = Pass { since: Instant::now(), before: Read::default(), said: Instant::now(), bar: None };
        let shown = Shown { how: How::of(out), stage: None, stages: None, reading: None, pass };
        Self { shown: Arc::new(Mutex::new(shown)), until: None, ticker: None }
    }

    /// For a fit of these stages.
    pub(crate) fn of_fit(self, stages: Stages) -> Self {
        lock(&self.shown).stages = Some(stages);
        self
    }

    /// With samples that are read anew in every pass, if there is a `reading`.
    pub(crate) fn reading(mut self, reading: Option<Arc<Reading>>) -> Self {
        let Some(reading) = reading else { return self };
        let mut shown = lock(&self.shown);
        shown.pass.before = Read::now(&reading);
        shown.reading = Some(reading);
        if !matches!(shown.how, How::Silent) {
            let (end, ends) = channel();
            let shown = self.shown.clone();
            let tick = move || {
                while let Err(RecvTimeoutError::Timeout) = ends.recv_timeout(TICK) {
                    lock(&shown).tick();
                }
            };
            // Without a thread there is less to see.
            self.ticker = Builder::new().name("progress".into()).spawn(tick).ok().map(|thread| (end, thread));
        }
        drop(shown);
        self
    }

    /// For work that ends then.
    pub(crate) fn until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    /// Takes a report, and says whether to go on.
    pub(crate) fn go_on(&mut self, p: &Progress) -> ControlFlow<()> {
        lock(&self.shown).report(p);
        if self.until.is_some_and(|until| Instant::now() >= until) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Ends the last stage.
    pub(crate) fn finish(&mut self) {
        lock(&self.shown).finish();
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shown {
    /// Takes a report; a new stage ends the one before.
    fn report(&mut self, p: &Progress) {
        if matches!(self.how, How::Silent) {
            return;
        }
        self.end_pass();
        if self.stage.as_ref().is_some_and(|s| s.last.stage != p.stage) {
            self.finish();
        }
        let (how, reading, stages) = (&self.how, self.reading.as_deref(), self.stages.as_ref());
        let running = self.stage.get_or_insert_with(|| Running::start(p, how, reading));
        running.last = *p;
        if let Some(bar) = &running.bar {
            bar.set_length(p.of as u64);
            bar.set_position(p.done as u64);
            bar.set_message(running.text(stages, reading, None));
        } else if let How::Lines { between } = how {
            // The first report starts the clock; a shorter stage prints its last line only.
            let quiet_since = running.said.map_or(running.since, |(at, _)| at);
            if quiet_since.elapsed() >= *between {
                running.say(stages, reading);
            }
        }
    }

    /// Ends the last stage.
    fn finish(&mut self) {
        self.end_pass();
        let Some(mut running) = self.stage.take() else { return };
        running.ended = true;
        let (reading, stages) = (self.reading.as_deref(), self.stages.as_ref());
        if let Some(bar) = &running.bar {
            bar.abandon_with_message(running.text(stages, reading, None));
        } else if running.said.is_none_or(|(_, done)| done != running.last.done) {
            running.say(stages, reading);
        }
    }

    fn end_pass(&mut self) {
        if let Some(bar) = self.pass.bar.take() {
            bar.finish_and_clear();
        }
        let before = self.reading.as_deref().map_or_else(Read::default, Read::now);
        self.pass = Pass { since: Instant::now(), before, said: Instant::now(), bar: None };
    }

    /// Shows a pass that takes long.
    fn tick(&mut self) {
        let Self { how, stage, stages, reading: Some(reading), pass } = self else { return };
        let (read, whole) = (Read::now(reading).bytes - pass.before.bytes, reading.pass());
        let quiet = pass.said.elapsed();
        if read == 0 || whole == 0 || quiet < TICK {
            return;
        }
        let share = (read % whole) as f64 / whole as f64;
        let text = match stage {
            Some(running) => running.text(stages.as_ref(), Some(reading), Some(share)),
            None => {
                let rate = bytes((read as f64 / pass.since.elapsed().as_secs_f64()) as u64);
                format!("{} of {}, {rate}/s", percent(share), bytes(whole))
            }
        };
        match how {
            How::Silent => {}
            How::Bar => match stage.as_ref().and_then(|running| running.bar.as_ref()) {
                Some(bar) => bar.set_message(text),
                None => {
                    pass.bar = pass.bar.take().or_else(|| how.bar(100, LOOK));
                    pass.bar.iter().for_each(|bar| {
                        bar.set_position((100.0 * share) as u64);
                        bar.set_message(text.clone());
                    });
                }
            },
            How::Lines { .. } if quiet >= BETWEEN_TICKS => {
                let name = stage.as_ref().map_or(LOOK.into(), |running| running.last.stage.to_string());
                to_stderr(&format!("{name}: {text}"));
                pass.said = Instant::now();
            }
            How::Lines { .. } => {}
        }
    }
}

impl Drop for Reporter {
    /// Clears the bar, so that an error is not printed into it.
    fn drop(&mut self) {
        if let Some((end, thread)) = self.ticker.take() {
            drop(end);
            let _ = thread.join();
        }
        self.finish();
    }
}

impl Running {
    fn start(p: &Progress, how: &How, reading: Option<&Reading>) -> Self {
        let bar = how.bar(p.of, &p.stage.to_string());
        let before = reading.map_or_else(Read::default, Read::now);
        Self { last: *p, since: Instant::now(), first: p.done, said: None, bar, before, ended: false }
    }

    fn say(&mut self, stages: Option<&Stages>, reading: Option<&Reading>) {
        to_stderr(&format!("{}: {}", self.last.stage, self.text(stages, reading, None)));
        self.said = Some((Instant::now(), self.last.done));
    }

    /// `12/40, 22.1/s, ETA 1 s, of the fit 9 s, error 26.10 %`, without what is unknown; of samples that are streamed also how many are read
    /// in a second, the share of the time that is spent waiting for them, and how much of a pass over them was made since the
    /// last report.
    fn text(&self, stages: Option<&Stages>, reading: Option<&Reading>, pass: Option<f64>) -> String {
        let p = &self.last;
        let pass = pass.map_or_else(String::new, |share| format!(" and {} of a pass", percent(share)));
        let mut parts = vec![format!("{}/{}{pass}", p.done, p.of)];
        // indicatif's own rate counts from 0 and from its start, which makes the first rates wrong.
        let rate = p.done.saturating_sub(self.first) as f64 / self.since.elapsed().as_secs_f64();
        if rate > 0.0 && rate.is_finite() && !matches!(p.stage, Stage::Init { .. }) {
            parts.push(format!("{rate:.1}/s"));
            if p.done < p.of && !self.ended {
                let left = (p.of - p.done) as f64 / rate;
                parts.push(format!("ETA {left:.0} s"));
                if let Some(later) = stages.and_then(|stages| stages.after(p.stage)).filter(|later| *later > 0.0) {
                    parts.push(format!("of the fit {:.0} s", left + later / rate));
                }
            }
        }
        if p.relative_error.is_finite() {
            parts.push(format!("error {}", percent(p.relative_error)));
        } else if p.objective.is_finite() {
            parts.push(format!("objective {:.6e}", p.objective));
        }
        parts.extend(reading.and_then(|reading| self.read_since(reading)));
        parts.join(", ")
    }

    /// `1,204,331 samples/s, 900.47 MiB/s, 3.10 % waiting`.
    fn read_since(&self, reading: &Reading) -> Option<String> {
        let (now, seconds) = (Read::now(reading), self.since.elapsed().as_secs_f64());
        let per_second = |now: u64, before: u64| ((now - before) as f64 / seconds) as u64;
        let samples = per_second(now.samples, self.before.samples);
        let waiting = percent((now.waited - self.before.waited).as_secs_f64() / seconds);
        let read = bytes(per_second(now.bytes, self.before.bytes));
        // Others read theirs.
        let of = if deepnmf::ranks::launched().is_some_and(|(_, size)| size > 1) { " of rank 0" } else { "" };
        (samples > 0).then(|| format!("{} samples/s{of}, {read}/s, {waiting} waiting", HumanCount(samples)))
    }
}

/// Prints how many samples are read or packed.
pub(crate) struct Counter {
    how: How,
    name: &'static str,
    /// How long nothing is printed.
    silent: Duration,
    /// The first report and its time, from where the rate counts; the last one; when a line was printed.
    first: Option<(SoFar, Instant)>,
    last: Option<SoFar>,
    said: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Counter {
    /// Prints nothing if `name` takes less than `silent`.
    pub(crate) fn new(name: &'static str, silent: Duration, out: &Output) -> Self {
        Self { how: How::of(out), name, silent, first: None, last: None, said: None, bar: None }
    }

    /// Takes a report.
    pub(crate) fn report(&mut self, p: &SoFar) {
        let (_, since) = *self.first.get_or_insert_with(|| {
            if p.done > 0 && !matches!(self.how, How::Silent) {
                to_stderr(&format!("going on after {} of {} samples", p.done, p.of));
            }
            (*p, Instant::now())
        });
        if since.elapsed() < self.silent {
            return;
        }
        if self.last.is_none() {
            self.bar = self.how.bar(p.of, self.name);
        }
        self.last = Some(*p);
        let text = self.text();
        if let Some(bar) = &self.bar {
            bar.set_position(p.done as u64);
            bar.set_message(text);
        } else if let How::Lines { between } = self.how
            && self.said.unwrap_or(since).elapsed() >= between
        {
            to_stderr(&format!("{}: {text}", self.name));
            self.said = Some(Instant::now());
        }
    }

    /// `12800/60000, 5,331 samples/s, 3.99 MiB/s, ETA 9 s`.
    fn text(&self) -> String {
        let (Some((first, since)), Some(p)) = (self.first, self.last) else { return String::new() };
        let mut text = format!("{}/{}", p.done, p.of);
        let rate = (p.done - first.done) as f64 / since.elapsed().as_secs_f64();
        if rate > 0.0 && rate.is_finite() {
            let written = bytes((rate * p.sample_bytes as f64) as u64);
            text += &format!(", {} samples/s, {written}/s", HumanCount(rate as u64));
            if p.done < p.of {
                text += &format!(", ETA {:.0} s", (p.of - p.done) as f64 / rate);
            }
        }
        text
    }
}

impl Drop for Counter {
    /// Leaves the last state on the screen.
    fn drop(&mut self) {
        if self.last.is_none() {
            return;
        }
        match (&self.bar, &self.how) {
            (Some(bar), _) => bar.abandon_with_message(self.text()),
            (None, How::Lines { .. }) => to_stderr(&format!("{}: {}", self.name, self.text())),
            _ => {}
        }
    }
}

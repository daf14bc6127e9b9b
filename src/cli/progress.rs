//! Progress: a bar on a terminal, a line every two seconds elsewhere.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use deepnmf::train::{Progress, Stage};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{Output, percent, stderr_is_terminal, to_stderr};

const BETWEEN_LINES: Duration = Duration::from_secs(2);
/// With the longest text this has 80 columns; narrower terminals cut it off, because a wrapped bar cannot be redrawn.
const TEMPLATE: &str = "{prefix:<23} [{bar:14}] {wide_msg}";

/// Prints the progress of a running engine, one stage after the other.
pub(crate) struct Reporter {
    how: How,
    stage: Option<Running>,
    /// When there is no more time.
    until: Option<Instant>,
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
    /// Whether the stage is over, perhaps before its last iteration: then there is no ETA.
    ended: bool,
}

impl Reporter {
    pub(crate) fn new(out: &Output) -> Self {
        let how = match (out.is_quiet(), stderr_is_terminal()) {
            (true, _) => How::Silent,
            (false, true) => How::Bar,
            (false, false) => How::Lines { between: if out.is_verbose() { Duration::ZERO } else { BETWEEN_LINES } },
        };
        Self { how, stage: None, until: None }
    }

    /// For work that ends then.
    pub(crate) fn until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    /// [`Reporter::report`], and whether to go on.
    pub(crate) fn go_on(&mut self, p: &Progress) -> ControlFlow<()> {
        self.report(p);
        if self.until.is_some_and(|until| Instant::now() >= until) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Takes a report; a new stage ends the one before.
    fn report(&mut self, p: &Progress) {
        if matches!(self.how, How::Silent) {
            return;
        }
        if self.stage.as_ref().is_some_and(|s| s.last.stage != p.stage) {
            self.finish();
        }
        let how = &self.how;
        let running = self.stage.get_or_insert_with(|| Running::start(p, how));
        running.last = *p;
        if let Some(bar) = &running.bar {
            bar.set_length(p.of as u64);
            bar.set_position(p.done as u64);
            bar.set_message(running.text());
        } else if let How::Lines { between } = how {
            // The first report starts the clock; a shorter stage prints its last line only.
            let quiet_since = running.said.map_or(running.since, |(at, _)| at);
            if quiet_since.elapsed() >= *between {
                running.say();
            }
        }
    }

    /// Ends the last stage.
    pub(crate) fn finish(&mut self) {
        let Some(mut running) = self.stage.take() else { return };
        running.ended = true;
        if let Some(bar) = &running.bar {
            bar.abandon_with_message(running.text());
        } else if running.said.is_none_or(|(_, done)| done != running.last.done) {
            running.say();
        }
    }
}

impl Drop for Reporter {
    /// Clears the bar, so that an error is not printed into it.
    fn drop(&mut self) {
        self.finish();
    }
}

impl Running {
    fn start(p: &Progress, how: &How) -> Self {
        let bar = matches!(how, How::Bar).then(|| {
            let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(p.of as u64).with_style(style).with_prefix(p.stage.to_string())
        });
        Self { last: *p, since: Instant::now(), first: p.done, said: None, bar, ended: false }
    }

    fn say(&mut self) {
        to_stderr(&format!("{}: {}", self.last.stage, self.text()));
        self.said = Some((Instant::now(), self.last.done));
    }

    /// `12/40, 22.1/s, ETA 1 s, error 26.10 %`, without what is unknown.
    fn text(&self) -> String {
        let p = &self.last;
        let mut parts = vec![format!("{}/{}", p.done, p.of)];
        // indicatif's own rate counts from 0 and from its start, which makes the first rates wrong.
        let rate = p.done.saturating_sub(self.first) as f64 / self.since.elapsed().as_secs_f64();
        if rate > 0.0 && rate.is_finite() && !matches!(p.stage, Stage::Init { .. }) {
            parts.push(format!("{rate:.1}/s"));
            if p.done < p.of && !self.ended {
                parts.push(format!("ETA {:.0} s", (p.of - p.done) as f64 / rate));
            }
        }
        if p.relative_error.is_finite() {
            parts.push(format!("error {}", percent(p.relative_error)));
        } else if p.objective.is_finite() {
            parts.push(format!("objective {:.6e}", p.objective));
        }
        parts.join(", ")
    }
}

//! Progress: a bar on a terminal, a line every two seconds elsewhere.

use std::time::{Duration, Instant};

use deepnmf::train::{Progress, Stage};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{Output, percent, stderr_is_terminal, to_stderr};

const BETWEEN_LINES: Duration = Duration::from_secs(2);
/// A bar that wraps cannot be drawn over itself: with the longest text this has 80 columns, and less is cut off.
const TEMPLATE: &str = "{prefix:<23} [{bar:14}] {wide_msg}";

/// Shows the reports of a running engine, one stage after the other.
pub(crate) struct Reporter {
    how: How,
    stage: Option<Running>,
}

enum How {
    Silent,
    Lines { between: Duration },
    Bar,
}

struct Running {
    last: Progress,
    /// Of the first report: the rate counts from there.
    since: Instant,
    first: usize,
    said: Option<(Instant, usize)>,
    bar: Option<ProgressBar>,
    /// It may end before its last iteration; then nothing is left to wait for.
    ended: bool,
}

impl Reporter {
    pub(crate) fn new(out: &Output) -> Self {
        let how = match (out.is_quiet(), stderr_is_terminal()) {
            (true, _) => How::Silent,
            (false, true) => How::Bar,
            (false, false) => How::Lines { between: if out.is_verbose() { Duration::ZERO } else { BETWEEN_LINES } },
        };
        Self { how, stage: None }
    }

    /// Takes a report; a new stage ends the one before.
    pub(crate) fn report(&mut self, p: &Progress) {
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
            // The first report starts the clock; a stage that is over before it strikes gets its last line only.
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
    /// An error in the middle of a stage must not be drawn into its bar.
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

    /// `12/40, 22.1/s, ETA 1 s, error 26.10 %`, as far as there is something to say.
    fn text(&self) -> String {
        let p = &self.last;
        let mut parts = vec![format!("{}/{}", p.done, p.of)];
        // The bar of indicatif counts from 0 and from its own start, which makes the first rates absurd.
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

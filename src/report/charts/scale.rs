//! The scale of an axis: its range, positions on it, and ticks.

use super::Axis;

/// The range of an axis, and positions on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    min: f64,
    max: f64,
    log: bool,
}

/// Room beyond the outermost values, as a fraction of the range.
const MARGIN: f64 = 0.04;
/// Larger magnitudes are drawn as this, and smaller ones than its reciprocal as that, so that differences and quotients of two
/// numbers stay finite.
const FARTHEST: f64 = 1e280;

impl Scale {
    /// The range of `axis.limits`, or else of `values` with a little room; it always contains `include`.
    pub(super) fn new(axis: &Axis, values: impl Iterator<Item = f64>, include: Option<f64>) -> Self {
        let log = axis.log;
        let mut found: Option<(f64, f64)> = None;
        for v in values.chain(include).filter(|v| drawable(*v, log)).map(|v| within(v, log)) {
            found = Some(found.map_or((v, v), |(a, b)| (a.min(v), b.max(v))));
        }
        let (a, b) = axis.limits.or(found).unwrap_or(if log { (1.0, 10.0) } else { (0.0, 1.0) });
        let (mut min, mut max) = (within(a.min(b), log), within(a.max(b), log));
        // A single value needs a range too.
        if max - min <= f64::EPSILON * max.abs() {
            (min, max) = match (log, min == 0.0) {
                (true, _) => (min / 2.0, max * 2.0),
                (false, true) => (-1.0, 1.0),
                (false, false) => (min - min.abs() / 2.0, max + max.abs() / 2.0),
            };
        }
        if axis.limits.is_none() {
            let room = if log { ((max.ln() - min.ln()) * MARGIN).exp() } else { (max - min) * MARGIN };
            // A range that begins at zero has no room before it.
            (min, max) = match log {
                true => (min / room, max * room),
                false => (if include == Some(min) { min } else { min - room }, max + room),
            };
        }
        Self { min, max, log }
    }

    /// The position of `v`: 0 at the start of the axis, 1 at its end, values outside beyond; None if it has no position.
    pub(super) fn place(&self, v: f64) -> Option<f64> {
        let to = |v: f64| if self.log { v.ln() } else { v };
        let place = |v: f64| (to(v) - to(self.min)) / (to(self.max) - to(self.min));
        drawable(v, self.log).then(|| place(within(v, self.log)).clamp(-1e9, 1e9))
    }

    /// About `wanted` ticks on the axis, with their texts.
    pub(super) fn ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        let on_it = |v: &f64| self.place(*v).is_some_and(|p| (-1e-9..=1.0 + 1e-9).contains(&p));
        let shown = |ticks: Vec<(f64, String)>| ticks.into_iter().filter(|(v, _)| on_it(v)).collect::<Vec<_>>();
        let ticks = shown(if self.log { self.log_ticks(wanted) } else { Vec::new() });
        // Powers of ten are too few within a decade.
        if ticks.len() < 3 { shown(self.linear_ticks(wanted)) } else { ticks }
    }

    /// The places of the whole multiples of powers of ten on a logarithmic axis of a few decades.
    pub(super) fn minor_ticks(&self) -> Vec<f64> {
        let decades = self.max.log10() - self.min.log10();
        if !self.log || decades > 5.0 {
            return Vec::new();
        }
        let (low, high) = (self.min.log10().floor() as i32, self.max.log10().ceil() as i32);
        let values = (low..=high).flat_map(|n| (1..10).map(move |m| f64::from(m) * 10f64.powi(n)));
        values.filter_map(|v| self.place(v)).filter(|p| (0.0..=1.0).contains(p)).collect()
    }

    fn linear_ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        let rough = (self.max - self.min) / wanted.max(1) as f64;
        let decade = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * decade).into_iter().find(|s| *s >= rough * 0.999);
        let step = step.unwrap_or(10.0 * decade);
        let (first, last) = ((self.min / step - 1e-9).ceil(), (self.max / step + 1e-9).floor());
        // Far from zero f64 cannot tell the steps of a short range apart: then there are ticks at the ends only.
        if !(first.is_finite() && last.is_finite()) || last - first > 1000.0 {
            return [self.min, self.max].map(|v| (v, number(v, step))).into();
        }
        (0..=(last - first) as usize).map(|i| (first + i as f64) * step).map(|v| (v, number(v, step))).collect()
    }

    fn log_ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        let (low, high) = (self.min.log10().floor() as i32, self.max.log10().ceil() as i32);
        let decades = self.max.log10() - self.min.log10();
        let within: &[f64] = if decades <= wanted as f64 / 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let every = (decades / wanted.max(1) as f64).ceil().max(1.0) as i32;
        let powers = (low..=high).filter(|n| n.rem_euclid(every) == 0);
        let values = powers.flat_map(|n| within.iter().map(move |m| (m * 10f64.powi(n), 10f64.powi(n))));
        values.map(|(v, unit)| (v, number(v, unit))).collect()
    }
}

fn drawable(v: f64, log: bool) -> bool {
    v.is_finite() && (!log || v > 0.0)
}

/// The number nearest to `v` that can be drawn.
fn within(v: f64, log: bool) -> f64 {
    match log {
        true => v.clamp(1.0 / FARTHEST, FARTHEST),
        false if v.abs() < 1.0 / FARTHEST => 0.0,
        false => v.clamp(-FARTHEST, FARTHEST),
    }
}

/// `v` with the digits that a step of `step` needs: `0.25`, `12`, `3·10⁶`.
fn number(v: f64, step: f64) -> String {
    let magnitude = v.abs().max(step.abs());
    let decimals = |step: f64| (-step.log10() - 1e-9).ceil().max(0.0) as usize;
    if (1e-3..1e5).contains(&magnitude) {
        return minus(format!("{v:.*}", decimals(step).min(12)));
    }
    if v.abs() < step * 1e-9 {
        return "0".into();
    }
    let exponent = v.abs().log10().floor() as i32;
    let unit = 10f64.powi(exponent);
    let mantissa = format!("{:.*}", decimals(step / unit).min(12), v / unit);
    let power = format!("10{}", superscript(exponent));
    minus(if mantissa == "1" { power } else { format!("{mantissa}·{power}") })
}

/// With a minus sign instead of a hyphen, and no sign on zero.
fn minus(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.into(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

fn superscript(n: i32) -> String {
    let digit = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        _ => c.to_digit(10).and_then(|d| char::from_u32(0x2070 + d)).unwrap_or(c),
    };
    n.to_string().chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(min: f64, max: f64, log: bool) -> Scale {
        Scale::new(&Axis { limits: Some((min, max)), log, ..Axis::default() }, std::iter::empty(), None)
    }

    fn labels(min: f64, max: f64, log: bool) -> Vec<String> {
        scale(min, max, log).ticks(5).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_numbers_as_people_write_them() {
        assert_eq!(labels(0.0, 1.0, false), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(-12.0, 11.0, false), ["−10", "−5", "0", "5", "10"]);
        assert_eq!(labels(0.0, 3.2e6, false), ["0", "10⁶", "2·10⁶", "3·10⁶"]);
        assert_eq!(labels(0.0, 4e-5, false), ["0", "10⁻⁵", "2·10⁻⁵", "3·10⁻⁵", "4·10⁻⁵"]);
        assert_eq!(labels(1.0, 1000.0, true), ["1", "10", "100", "1000"]);
        assert_eq!(labels(0.9, 60.0, true), ["1", "2", "5", "10", "20", "50"]);
        assert_eq!(labels(1e-9, 1e9, true), ["10⁻⁸", "10⁻⁴", "1", "10000", "10⁸"]);
        // Within a decade: as on a linear axis.
        assert_eq!(labels(6.2, 6.9, true), ["6.2", "6.4", "6.6", "6.8"]);
    }

    #[test]
    fn a_logarithmic_axis_has_lines_between_its_numbers() {
        assert_eq!(scale(1.0, 100.0, true).minor_ticks().len(), 19);
        assert!(scale(1.0, 100.0, false).minor_ticks().is_empty());
        assert!(scale(1.0, 1e9, true).minor_ticks().is_empty());
    }

    #[test]
    fn places_run_from_0_to_1_and_what_has_none_has_none() {
        let linear = scale(10.0, 20.0, false);
        assert_eq!([10.0, 15.0, 25.0].map(|v| linear.place(v)), [Some(0.0), Some(0.5), Some(1.5)]);
        assert_eq!(linear.place(f64::NAN), None);
        let log = scale(1.0, 100.0, true);
        assert!(log.place(10.0).is_some_and(|p| (p - 0.5).abs() < 1e-12));
        assert_eq!((log.place(0.0), log.place(-1.0)), (None, None));
    }

    #[test]
    fn limits_leave_a_little_room_and_one_value_has_an_axis() {
        let auto = |values: &[f64], log, include| {
            Scale::new(&Axis { log, ..Axis::default() }, values.iter().copied(), include)
        };
        let s = auto(&[0.0, 10.0, f64::INFINITY], false, None);
        assert_eq!((s.min, s.max), (-0.4, 10.4));
        assert_eq!(auto(&[3.0, 10.0], false, Some(0.0)).min, 0.0);
        for s in [auto(&[5.0], false, None), auto(&[5.0], true, None), auto(&[0.0], false, None), auto(&[], true, None)]
        {
            assert!(s.min < s.max, "{s:?}");
            assert!(s.ticks(5).len() >= 2, "{s:?}: {:?}", s.ticks(5));
        }
        let tiny = scale(1e15, 1e15 + 1.0, false);
        assert!(tiny.ticks(5).len() <= 1001);
    }

    #[test]
    fn an_axis_can_hold_every_number_there_is() {
        let all = [f64::MIN, -1e308, -1.0, 0.0, f64::MIN_POSITIVE, 5e-324, 1.0, 1e308, f64::MAX];
        for (a, b, log) in all.iter().flat_map(|a| all.iter().flat_map(move |b| [(*a, *b, false), (*a, *b, true)])) {
            for s in [scale(a, b, log), Scale::new(&Axis { log, ..Axis::default() }, [a, b].into_iter(), None)] {
                let ticks = s.ticks(5);
                assert!((2..=1001).contains(&ticks.len()), "{a} to {b}: {} ticks of {s:?}", ticks.len());
                for v in all.iter().filter(|v| drawable(**v, log)) {
                    assert!(s.place(*v).is_some_and(f64::is_finite), "{v} on {s:?}");
                }
            }
        }
    }
}

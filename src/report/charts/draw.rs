//! Drawing lines, boxes and bars.

use plotters::prelude::{Circle, DrawingBackend};
use plotters::style::Color;

use super::frame::{Area, Around, COLOURS, Failed, Frame, INK, Mark, Medium};
use super::scale::Scale;
use super::{Axis, Bar, Chart, Content, Group, Series};

/// Draws `chart` on `area`.
pub(super) fn chart<DB: DrawingBackend>(chart: &Chart, area: &Area<DB>, medium: Medium) -> Result<(), Failed<DB>> {
    match &chart.content {
        Content::Lines(series) => lines(chart, series, area, medium),
        Content::Boxes { groups, reference } => {
            let values = groups.iter().flat_map(|g| g.values.iter().copied().chain(g.reference));
            let axis = Scale::new(&chart.x, values, None);
            let names = groups.iter().map(|g| g.label.as_str()).collect();
            let marked = groups.iter().any(|g| g.reference.is_some()).then_some(reference.as_str());
            let frame = rows_frame(chart, names, marked, area, medium)?;
            frame.x_axis(&axis)?;
            each_row(&frame, groups, |frame, group, row| one_box(frame, group, &axis, row))
        }
        Content::Bars { bars, reference } => {
            let ends = |b: &Bar| [b.value, b.value - b.deviation.unwrap_or(0.0), b.value + b.deviation.unwrap_or(0.0)];
            let values = bars.iter().flat_map(|b| ends(b).into_iter().chain(b.reference));
            let axis = Scale::new(&chart.x, values, Some(0.0));
            let names = bars.iter().map(|b| b.label.as_str()).collect();
            let marked = bars.iter().any(|b| b.reference.is_some()).then_some(reference.as_str());
            let frame = rows_frame(chart, names, marked, area, medium)?;
            frame.x_axis(&axis)?;
            each_row(&frame, bars, |frame, bar, row| one_bar(frame, bar, &axis, row))
        }
    }
}

fn lines<DB: DrawingBackend>(
    chart: &Chart,
    series: &[Series],
    area: &Area<DB>,
    medium: Medium,
) -> Result<(), Failed<DB>> {
    let Chart { title, x, y, note, .. } = chart;
    // A point determines the range of an axis only if the other axis can show it.
    let shown = |axis: &Axis, v: f64| v.is_finite() && (!axis.log || v > 0.0);
    let points = || {
        let ends = series.iter().flat_map(|s| {
            let deviations = s.deviations.iter().copied().chain(std::iter::repeat(0.0));
            s.points.iter().zip(deviations).flat_map(|((x, y), d)| [(*x, *y), (*x, y - d), (*x, y + d)])
        });
        ends.filter(|(a, b)| shown(x, *a) && shown(y, *b))
    };
    let (of_x, of_y) = (Scale::new(x, points().map(|p| p.0), None), Scale::new(y, points().map(|p| p.1), None));
    let ticks = of_y.ticks((area.dim_in_pixel().1 / (medium.scale * 48)).max(2) as usize);
    // A curve of many points is a line; of few, every point counts.
    let marked = |s: &Series| s.points.len() <= MARKED;
    let mark = |(series, s): (usize, &Series)| Mark::Line { series, marked: marked(s) };
    let legend: Vec<_> = series.iter().enumerate().map(|(i, s)| (mark((i, s)), s.label.as_str())).collect();
    let (x_label, y_label) = (Chart::title_of(x), Chart::title_of(y));
    let around = Around {
        title,
        x_label: &x_label,
        y_label: &y_label,
        left_texts: ticks.iter().map(|(_, text)| text.as_str()).collect(),
        legend: legend.into_iter().filter(|(_, label)| !label.is_empty()).collect(),
        note,
    };
    let frame = Frame::new(area, medium, &around)?;
    frame.x_axis(&of_x)?;
    frame.y_axis(&ticks, &of_y)?;
    for (i, s) in series.iter().enumerate() {
        let places: Vec<_> = s.points.iter().map(|(x, y)| Some((of_x.place(*x)?, of_y.place(*y)?))).collect();
        for run in visible(&places) {
            frame.series_line(run.iter().map(|(x, y)| (frame.x(*x), frame.y(*y))).collect(), i)?;
        }
        for ((_, y), (place, d)) in s.points.iter().zip(places.iter().zip(&s.deviations)) {
            let (Some((x, middle)), true) = (place.filter(|p| inside(*p)), d.is_finite() && *d > 0.0) else { continue };
            let end = |v: f64| of_y.place(v).unwrap_or(middle).clamp(0.0, 1.0);
            error_bar(&frame, frame.x(x), [frame.y(end(y - d)), frame.y(end(y + d))], i)?;
        }
        // A point that has no line to either side is marked in any case.
        for (at, place) in places.iter().enumerate() {
            let alone = |other: Option<&Option<(f64, f64)>>| other.is_none_or(Option::is_none);
            let Some((x, y)) = place.filter(|p| inside(*p)) else { continue };
            if marked(s) || alone(at.checked_sub(1).and_then(|b| places.get(b))) && alone(places.get(at + 1)) {
                frame.mark((frame.x(x), frame.y(y)), i)?;
            }
        }
    }
    Ok(())
}

/// The most points of a curve that are marked.
const MARKED: usize = 12;

/// Draws the deviation of a point of series `i`.
fn error_bar<DB: DrawingBackend>(frame: &Frame<'_, DB>, x: i32, ends: [i32; 2], i: usize) -> Result<(), Failed<DB>> {
    let style = frame.stroke(COLOURS[i % COLOURS.len()].mix(0.6), 1);
    frame.line(vec![(x, ends[0]), (x, ends[1])], style)?;
    let half = frame.px(3);
    ends.into_iter().try_for_each(|y| frame.line(vec![(x - half, y), (x + half, y)], style))
}

fn inside((x, y): (f64, f64)) -> bool {
    (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y)
}

/// The pieces of a polyline inside the unit square; None interrupts it.
pub(super) fn visible(places: &[Option<(f64, f64)>]) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    for pair in places.windows(2) {
        let (Some(a), Some(b)) = (pair[0], pair[1]) else { continue };
        let Some((from, to)) = clipped(a, b) else { continue };
        match runs.last_mut() {
            Some(run) if run.last() == Some(&from) && from == a => run.push(to),
            _ => runs.push(vec![from, to]),
        }
    }
    runs
}

/// The piece of a segment inside the unit square (Liang and Barsky).
fn clipped(a: (f64, f64), b: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let (mut from, mut to) = (0.0f64, 1.0f64);
    for (step, room) in [(-dx, a.0), (dx, 1.0 - a.0), (-dy, a.1), (dy, 1.0 - a.1)] {
        if step == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if step < 0.0 {
            from = from.max(room / step);
        } else {
            to = to.min(room / step);
        }
    }
    let at = |t: f64| match t {
        0.0 => a,
        1.0 => b,
        t => (a.0 + t * dx, a.1 + t * dy),
    };
    (from <= to).then(|| (at(from), at(to)))
}

fn rows_frame<'a, DB: DrawingBackend>(
    chart: &Chart,
    names: Vec<&str>,
    marked: Option<&str>,
    area: &'a Area<DB>,
    medium: Medium,
) -> Result<Frame<'a, DB>, Failed<DB>> {
    let legend = marked.map(|text| (Mark::Diamond, text)).into_iter().collect();
    let (title, x_label) = (chart.title.as_str(), Chart::title_of(&chart.x));
    Frame::new(
        area,
        medium,
        &Around { title, x_label: &x_label, y_label: "", left_texts: names, legend, note: &chart.note },
    )
}

/// The middle of a row, and half the height of its box or bar.
#[derive(Clone, Copy)]
struct Row {
    middle: i32,
    half: i32,
}

fn each_row<DB: DrawingBackend, T>(
    frame: &Frame<'_, DB>,
    items: &[T],
    one: impl Fn(&Frame<'_, DB>, &T, Row) -> Result<(), Failed<DB>>,
) -> Result<(), Failed<DB>> {
    let height = f64::from(frame.bottom - frame.top) / items.len().max(1) as f64;
    for (i, item) in items.iter().enumerate() {
        let middle = frame.top + (height * (i as f64 + 0.5)).round() as i32;
        let half = ((height * 0.3) as i32).min(frame.px(14));
        one(frame, item, Row { middle, half })?;
    }
    frame.line(vec![(frame.left, frame.top), (frame.left, frame.bottom)], frame.stroke(INK, 1))
}

/// Draws the mark of a reference value, if it is on the axis.
fn reference<DB: DrawingBackend>(
    frame: &Frame<'_, DB>,
    value: Option<f64>,
    axis: &Scale,
    row: Row,
) -> Result<(), Failed<DB>> {
    match value.and_then(|v| axis.place(v)).filter(|p| (0.0..=1.0).contains(p)) {
        Some(place) => frame.diamond((frame.x(place), row.middle)),
        None => Ok(()),
    }
}

fn one_box<DB: DrawingBackend>(frame: &Frame<'_, DB>, group: &Group, axis: &Scale, row: Row) -> Result<(), Failed<DB>> {
    frame.row_text(&group.label, row.middle)?;
    let mut values = group.values.clone();
    values.retain(|v| axis.place(*v).is_some());
    values.sort_by(f64::total_cmp);
    if let Some(five) = Five::of(&values) {
        let x = |v: f64| frame.x(axis.place(v).unwrap_or_default().clamp(0.0, 1.0));
        let Row { middle, half } = row;
        let colour = COLOURS[group.colour % COLOURS.len()];
        let thin = frame.stroke(INK, 1);
        for (end, side) in [(five.low, five.lower), (five.high, five.upper)] {
            frame.line(vec![(x(end), middle), (x(side), middle)], thin)?;
            frame.line(vec![(x(end), middle - half / 2), (x(end), middle + half / 2)], thin)?;
        }
        let corners = [(x(five.lower), middle - half), (x(five.upper), middle + half)];
        frame.rectangle(corners, colour.mix(0.3).filled())?;
        // A closed line, because rectangles in SVG have no stroke width.
        let [(l, t), (r, b)] = corners;
        frame.line(vec![(l, t), (r, t), (r, b), (l, b), (l, t)], frame.stroke(colour, 1))?;
        frame.line(vec![(x(five.median), middle - half), (x(five.median), middle + half)], frame.stroke(colour, 3))?;
        for v in values.iter().filter(|v| **v < five.low || **v > five.high) {
            if axis.place(*v).is_some_and(|p| (0.0..=1.0).contains(&p)) {
                frame.area.draw(&Circle::new((x(*v), middle), frame.px(3), thin))?;
            }
        }
    }
    reference(frame, group.reference, axis, row)
}

/// The ends of the whiskers, the quartiles and the median.
#[derive(Debug, PartialEq)]
pub(super) struct Five {
    pub(super) low: f64,
    pub(super) lower: f64,
    pub(super) median: f64,
    pub(super) upper: f64,
    pub(super) high: f64,
}

impl Five {
    /// Of values in ascending order; quartiles are interpolated as in NumPy.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let last = values.len().checked_sub(1)?;
        let quantile = |q: f64| {
            let at = q * last as f64;
            let (low, high) = (values[at as usize], values[(at.ceil() as usize).min(last)]);
            low + (high - low) * at.fract()
        };
        let (lower, median, upper) = (quantile(0.25), quantile(0.5), quantile(0.75));
        let reach = 1.5 * (upper - lower);
        // An interpolated quartile can lie outside all values within reach: then there is no whisker.
        let low = values.iter().copied().find(|v| *v >= lower - reach).unwrap_or(lower).min(lower);
        let high = values.iter().rev().copied().find(|v| *v <= upper + reach).unwrap_or(upper).max(upper);
        Some(Self { low, lower, median, upper, high })
    }
}

fn one_bar<DB: DrawingBackend>(frame: &Frame<'_, DB>, bar: &Bar, axis: &Scale, row: Row) -> Result<(), Failed<DB>> {
    frame.row_text(&bar.label, row.middle)?;
    let Row { middle, half } = row;
    // On a logarithmic axis, which has no zero, bars begin where the axis begins.
    let x = |v: f64| frame.x(axis.place(v).unwrap_or(0.0).clamp(0.0, 1.0));
    if axis.place(bar.value).is_some() {
        let (zero, end) = (x(0.0), x(bar.value));
        frame.rectangle(
            [(zero.min(end), middle - half), (zero.max(end), middle + half)],
            COLOURS[0].mix(0.75).filled(),
        )?;
        if let Some(d) = bar.deviation.filter(|d| d.is_finite() && *d > 0.0) {
            let (low, high) = (x(bar.value - d), x(bar.value + d));
            frame.line(vec![(low, middle), (high, middle)], frame.stroke(INK, 1))?;
            for end in [low, high] {
                frame.line(vec![(end, middle - half / 2), (end, middle + half / 2)], frame.stroke(INK, 1))?;
            }
        }
    }
    reference(frame, bar.reference, axis, row)
}

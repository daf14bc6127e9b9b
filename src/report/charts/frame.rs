//! What all charts have: the room for title, axes and legend, and how these are drawn.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, DrawingBackend, PathElement, RGBColor, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, ShapeStyle, TextStyle};

use super::scale::Scale;
use crate::report::one_line;

/// The name under which the font is known; an SVG says it too.
pub(super) const FONT: &str = "sans-serif";
/// Lettering and axes.
pub(super) const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
/// The same as an SVG says it.
pub(super) const INK_TEXT: &str = "#24292F";
const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
/// Nothing but [`INK`], so that a page can turn it into its own colour.
const GRID_OPACITY: f64 = 0.15;

/// Told apart with normal sight, without red, without green and without blue cones, with at least 3 : 1 on white and on
/// dark grey; those after the last one are dashed.
pub(super) const COLOURS: [RGBColor; 5] = [
    RGBColor(0x44, 0x77, 0xAA),
    RGBColor(0xC7, 0x85, 0x14),
    RGBColor(0xC0, 0x29, 0x3F),
    RGBColor(0x9B, 0x4D, 0xE0),
    RGBColor(0x8E, 0x8E, 0x8E),
];

/// Pixels of an SVG: letters, the title, a row of boxes or bars, a line of the legend, the gap around everything.
const LETTERS: i32 = 13;
const TITLE: i32 = 15;
const ROW: u32 = 30;
const LINE: i32 = 20;
const GAP: i32 = 10;

pub(super) type Failed<DB> = DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>;
pub(super) type Area<DB> = DrawingArea<DB, Shift>;

/// What is drawn on.
#[derive(Clone, Copy)]
pub(super) struct Medium {
    /// Its pixels for one of the chart.
    pub(super) scale: u32,
    /// Whether it is white, or whatever is behind it.
    pub(super) background: bool,
    /// Whether the letters are drawn by us: plotters sets these a little higher than a browser does.
    pub(super) letters: bool,
}

/// The height of a chart with so many rows.
pub(super) fn height(rows: u32) -> u32 {
    rows.saturating_mul(ROW).saturating_add(120)
}

/// The height of a chart of lines with so many names in its legend.
pub(super) fn lines_height(names: u32) -> u32 {
    names.div_ceil(2).saturating_mul(LINE as u32).saturating_add(300)
}

/// How the legend shows a name.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// The line of the series with that number.
    Line(usize),
    /// The diamond of reference values.
    Diamond,
}

/// The paper, and the plot on it, in pixels of the picture.
pub(super) struct Frame<'a, DB: DrawingBackend> {
    pub(super) area: &'a Area<DB>,
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
    scale: i32,
    letters: bool,
}

/// What stands around the plot.
pub(super) struct Around<'a> {
    pub(super) title: &'a str,
    pub(super) x_label: &'a str,
    pub(super) y_label: &'a str,
    /// What stands left of the plot: its width counts.
    pub(super) left_texts: Vec<&'a str>,
    pub(super) legend: Vec<(Mark, &'a str)>,
}

impl<'a, DB: DrawingBackend> Frame<'a, DB> {
    /// Draws what stands around the plot and leaves the room for it.
    pub(super) fn new(area: &'a Area<DB>, medium: Medium, around: &Around<'_>) -> Result<Self, Failed<DB>> {
        let Medium { scale, background, letters } = medium;
        let scale = scale as i32;
        let (width, height) = area.dim_in_pixel();
        let (width, height) = (width as i32, height as i32);
        if background {
            area.fill(&PAPER)?;
        }
        let gap = GAP * scale;
        let mut frame = Self { area, left: gap, right: width - gap, top: gap, bottom: height - gap, scale, letters };
        if !around.title.is_empty() {
            frame.text(around.title, (gap, frame.top), TITLE, HPos::Left, VPos::Top)?;
            frame.top += (TITLE + 9) * scale;
        }
        if !around.y_label.is_empty() {
            frame.text(around.y_label, (gap, frame.top), LETTERS, HPos::Left, VPos::Top)?;
            frame.top += LINE * scale;
        }
        frame.legend(&around.legend)?;
        if !around.x_label.is_empty() {
            frame.text(around.x_label, (frame.right, frame.bottom), LETTERS, HPos::Right, VPos::Bottom)?;
            frame.bottom -= LINE * scale;
        }
        // The numbers below the plot.
        frame.bottom -= LINE * scale;
        let widest = around.left_texts.iter().map(|t| frame.width(t)).max().unwrap_or(0);
        // However long the names are, half of the picture is the plot's.
        frame.left += (widest + 8 * scale).min(width / 2 - gap);
        Ok(frame)
    }

    /// The width of a text in letters of the usual size. The reader's font may be wider than ours.
    fn width(&self, text: &str) -> i32 {
        let size = self.area.estimate_text_size(text, &self.style(LETTERS, HPos::Left, VPos::Top));
        size.map_or(0, |(w, _)| (f64::from(w) * 1.1) as i32)
    }

    fn style(&self, size: i32, h: HPos, v: VPos) -> TextStyle<'static> {
        // plotters counts the height of a line, of which the letters' size is a part.
        let font = (FONT, f64::from(size * self.scale) * 1.24).into_font();
        TextStyle::from(font).color(&INK).pos(Pos::new(h, v))
    }

    pub(super) fn text(&self, text: &str, at: (i32, i32), size: i32, h: HPos, v: VPos) -> Result<(), Failed<DB>> {
        let down = if self.letters { size * self.scale * 3 / 20 } else { 0 };
        self.area.draw(&Text::new(one_line(text), (at.0, at.1 + down), self.style(size, h, v)))
    }

    /// A name beside its row.
    pub(super) fn row_text(&self, text: &str, y: i32) -> Result<(), Failed<DB>> {
        self.text(text, (self.left - 8 * self.scale, y), LETTERS, HPos::Right, VPos::Center)
    }

    pub(super) fn px(&self, pixels: i32) -> i32 {
        pixels * self.scale
    }

    pub(super) fn stroke(&self, colour: impl Color, width: u32) -> ShapeStyle {
        colour.stroke_width(width * self.scale as u32)
    }

    pub(super) fn line(&self, points: Vec<(i32, i32)>, style: ShapeStyle) -> Result<(), Failed<DB>> {
        self.area.draw(&PathElement::new(points, style))
    }

    pub(super) fn rectangle(&self, corners: [(i32, i32); 2], style: ShapeStyle) -> Result<(), Failed<DB>> {
        self.area.draw(&Rectangle::new(corners, style))
    }

    /// The pixel of a place between 0 and 1 on the horizontal axis.
    pub(super) fn x(&self, place: f64) -> i32 {
        self.left + (place * f64::from(self.right - self.left)).round() as i32
    }

    /// The same on the vertical axis, which runs upwards.
    pub(super) fn y(&self, place: f64) -> i32 {
        self.bottom - (place * f64::from(self.bottom - self.top)).round() as i32
    }

    /// Grid and numbers of the horizontal axis.
    pub(super) fn x_axis(&self, scale: &Scale) -> Result<(), Failed<DB>> {
        let wanted = (self.right - self.left) / self.px(70);
        // Numbers that would touch are left out.
        let mut free = i32::MIN;
        for (v, text) in scale.ticks(wanted.max(2) as usize) {
            let x = self.x(scale.place(v).unwrap_or_default());
            let half = self.width(&text) / 2;
            self.line(vec![(x, self.top), (x, self.bottom)], self.stroke(INK.mix(GRID_OPACITY), 1))?;
            if x - half > free {
                self.text(&text, (x, self.bottom + self.px(5)), LETTERS, HPos::Center, VPos::Top)?;
                free = x + half + self.px(6);
            }
        }
        self.line(vec![(self.left, self.bottom), (self.right, self.bottom)], self.stroke(INK, 1))
    }

    /// Grid and numbers of the vertical axis.
    pub(super) fn y_axis(&self, ticks: &[(f64, String)], scale: &Scale) -> Result<(), Failed<DB>> {
        for (v, text) in ticks {
            let y = self.y(scale.place(*v).unwrap_or_default());
            self.line(vec![(self.left, y), (self.right, y)], self.stroke(INK.mix(GRID_OPACITY), 1))?;
            self.row_text(text, y)?;
        }
        self.line(vec![(self.left, self.top), (self.left, self.bottom)], self.stroke(INK, 1))
    }

    /// A diamond around a point, in ink with a rim of the paper's colour.
    pub(super) fn diamond(&self, (x, y): (i32, i32)) -> Result<(), Failed<DB>> {
        let r = self.px(5);
        let corners = vec![(x, y - r), (x + r, y), (x, y + r), (x - r, y)];
        self.area.draw(&plotters::element::Polygon::new(corners.clone(), INK.filled()))?;
        self.line([corners.clone(), vec![corners[0]]].concat(), self.stroke(PAPER, 1))
    }

    /// The names below everything, in columns.
    fn legend(&mut self, entries: &[(Mark, &str)]) -> Result<(), Failed<DB>> {
        if entries.is_empty() {
            return Ok(());
        }
        let (sample, gap) = (self.px(22), self.px(6));
        let widest = entries.iter().map(|(_, text)| self.width(text)).max().unwrap_or(0);
        let column = sample + widest + 3 * gap;
        let columns = ((self.right - self.left + 2 * gap) / column).max(1);
        let height = self.px(LINE);
        self.bottom -= entries.len().div_ceil(columns as usize) as i32 * height;
        for (i, (mark, text)) in entries.iter().enumerate() {
            let x = self.left + i as i32 % columns * column;
            let y = self.bottom + i as i32 / columns * height + height * 2 / 3;
            match mark {
                Mark::Line(i) => self.series_line(vec![(x, y), (x + sample, y)], *i)?,
                Mark::Diamond => self.diamond((x + sample / 2, y))?,
            }
            self.text(text, (x + sample + gap, y), LETTERS, HPos::Left, VPos::Center)?;
        }
        self.bottom -= self.px(4);
        Ok(())
    }

    /// The line of series `i`: its colour, and dashes once the colours are used up.
    pub(super) fn series_line(&self, points: Vec<(i32, i32)>, i: usize) -> Result<(), Failed<DB>> {
        let style = self.stroke(COLOURS[i % COLOURS.len()], 2);
        let (dash, space) = match i / COLOURS.len() {
            0 => return self.line(points, style),
            1 => (6, 4),
            _ => (2, 3),
        };
        let (dash, space) = (self.px(dash), self.px(space));
        self.area.draw(&plotters::element::DashedPathElement::new(points, dash, space, style))
    }
}

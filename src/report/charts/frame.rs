//! Title, axes and legend of all charts.

use plotters::coord::Shift;
use plotters::prelude::{
    Circle, DrawingArea, DrawingAreaErrorKind, DrawingBackend, PathElement, Polygon, RGBColor, Rectangle, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, ShapeStyle, TextStyle};

use super::scale::Scale;
use crate::report::one_line;

/// The name of the font, also in SVG.
pub(super) const FONT: &str = "sans-serif";
/// The colour of text and axes.
pub(super) const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
/// The same as in SVG.
pub(super) const INK_TEXT: &str = "#24292F";
const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
/// The opacity of the grid, which is drawn in [`INK`], so that a page can replace the colour.
const GRID_OPACITY: f64 = 0.15;

/// The colours of series. They differ for all kinds of colour vision and have a contrast of at least 3 : 1 on white and on dark
/// grey. Further series use them again, dashed.
pub(super) const COLOURS: [RGBColor; 8] = [
    RGBColor(0x40, 0x78, 0xA8),
    RGBColor(0xC8, 0x80, 0x10),
    RGBColor(0xE0, 0x00, 0x60),
    RGBColor(0xA0, 0x10, 0xF0),
    RGBColor(0x80, 0x60, 0x20),
    RGBColor(0xF0, 0x68, 0x58),
    RGBColor(0x98, 0x80, 0xF0),
    RGBColor(0xA0, 0x88, 0x90),
];

/// Marks of points, by their corners around the middle: circle (no corners), square, triangles, diamond. Eight colours and five
/// marks: no two series of forty look the same.
const MARKS: [&[(f64, f64)]; 5] = [
    &[],
    &[(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)],
    &[(0.0, -1.3), (1.2, 0.9), (-1.2, 0.9)],
    &[(0.0, -1.4), (1.3, 0.0), (0.0, 1.4), (-1.3, 0.0)],
    &[(0.0, 1.3), (1.2, -0.9), (-1.2, -0.9)],
];

/// Sizes in pixels of an SVG: text, title, a row of boxes or bars, a line of the legend, the margin.
const LETTERS: i32 = 13;
const TITLE: i32 = 15;
const ROW: u32 = 30;
const LINE: i32 = 20;
const GAP: i32 = 10;

pub(super) type Failed<DB> = DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>;
pub(super) type Area<DB> = DrawingArea<DB, Shift>;

/// The medium that is drawn on.
#[derive(Clone, Copy)]
pub(super) struct Medium {
    /// Its pixels per pixel of the chart.
    pub(super) scale: u32,
    /// Whether it has a white background, or none.
    pub(super) background: bool,
}

/// The height in pixels of a chart with `rows` rows.
pub(super) fn height(rows: u32) -> u32 {
    rows.saturating_mul(ROW).saturating_add(120)
}

/// The height in pixels of a chart of lines with `names` names in its legend.
pub(super) fn lines_height(names: u32) -> u32 {
    names.div_ceil(2).saturating_mul(LINE as u32).saturating_add(300)
}

/// The height in pixels of a note below a chart that is `width` wide, about.
pub(super) fn note_height(note: &str, width: u32) -> u32 {
    let letters = u32::try_from(note.chars().count()).unwrap_or(u32::MAX);
    letters.saturating_mul(LETTERS as u32 * 5 / 9).div_ceil(width.max(1)).saturating_mul(LINE as u32)
}

/// The mark of a name in the legend.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// The line of the series with this number, from 0, and whether its points are marked.
    Line { series: usize, marked: bool },
    /// The diamond of reference values.
    Diamond,
}

/// The picture and the plot in it, in pixels.
pub(super) struct Frame<'a, DB: DrawingBackend> {
    pub(super) area: &'a Area<DB>,
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
    scale: i32,
}

/// Texts around the plot.
pub(super) struct Around<'a> {
    pub(super) title: &'a str,
    pub(super) x_label: &'a str,
    pub(super) y_label: &'a str,
    /// Texts left of the plot, which determine the room there.
    pub(super) left_texts: Vec<&'a str>,
    pub(super) legend: Vec<(Mark, &'a str)>,
    pub(super) note: &'a str,
}

impl<'a, DB: DrawingBackend> Frame<'a, DB> {
    /// Draws the texts around the plot, and determines its place.
    pub(super) fn new(area: &'a Area<DB>, medium: Medium, around: &Around<'_>) -> Result<Self, Failed<DB>> {
        let Medium { scale, background } = medium;
        let scale = scale as i32;
        let (width, height) = area.dim_in_pixel();
        let (width, height) = (width as i32, height as i32);
        if background {
            area.fill(&PAPER)?;
        }
        let gap = GAP * scale;
        // The last number of the horizontal axis goes beyond the plot.
        let right = width - gap - 6 * scale;
        let mut frame = Self { area, left: gap, right, top: gap, bottom: height - gap, scale };
        for line in frame.wrapped(around.note, LETTERS, frame.right - gap).iter().rev() {
            frame.text(line, (gap, frame.bottom), LETTERS, HPos::Left, VPos::Bottom)?;
            frame.bottom -= LINE * scale;
        }
        for line in frame.wrapped(around.title, TITLE, frame.right - gap) {
            frame.text(&line, (gap, frame.top), TITLE, HPos::Left, VPos::Top)?;
            frame.top += (TITLE + 5) * scale;
        }
        frame.top += 4 * scale;
        if !around.y_label.is_empty() {
            frame.text(around.y_label, (gap, frame.top), LETTERS, HPos::Left, VPos::Top)?;
            frame.top += LINE * scale;
        }
        frame.legend(&around.legend)?;
        if !around.x_label.is_empty() {
            frame.text(around.x_label, (frame.right, frame.bottom), LETTERS, HPos::Right, VPos::Bottom)?;
            frame.bottom -= LINE * scale;
        }
        // Room for the numbers below the plot.
        frame.bottom -= LINE * scale;
        let widest = around.left_texts.iter().map(|t| frame.width(t)).max().unwrap_or(0);
        // The plot has at least half of the width, however long the names are.
        frame.left += (widest + 8 * scale).min(width / 2 - gap);
        Ok(frame)
    }

    /// The width of a text of the usual size.
    fn width(&self, text: &str) -> i32 {
        self.width_of(text, LETTERS)
    }

    /// The width of a text, with some to spare: the reader's font may be wider.
    fn width_of(&self, text: &str, size: i32) -> i32 {
        let size = self.area.estimate_text_size(text, &self.style(size, HPos::Left, VPos::Top));
        size.map_or(0, |(w, _)| (f64::from(w) * 1.1) as i32)
    }

    /// The lines of a text that is no wider than `width`, unless a word is.
    fn wrapped(&self, title: &str, size: i32, width: i32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in title.split(' ').filter(|word| !word.is_empty()) {
            match lines.last_mut() {
                Some(line) if self.width_of(&format!("{line} {word}"), size) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.into()),
            }
        }
        lines
    }

    fn style(&self, size: i32, h: HPos, v: VPos) -> TextStyle<'static> {
        // plotters' size is the height of a line, not of the letters.
        let font = (FONT, f64::from(size * self.scale) * 1.24).into_font();
        TextStyle::from(font).color(&INK).pos(Pos::new(h, v))
    }

    pub(super) fn text(&self, text: &str, at: (i32, i32), size: i32, h: HPos, v: VPos) -> Result<(), Failed<DB>> {
        self.area.draw(&Text::new(one_line(text), at, self.style(size, h, v)))
    }

    /// Draws a name beside its row.
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

    /// The pixel of a position from 0 to 1 on the horizontal axis.
    pub(super) fn x(&self, place: f64) -> i32 {
        self.left + (place * f64::from(self.right - self.left)).round() as i32
    }

    /// The pixel of a position from 0 to 1 on the vertical axis, which points upwards.
    pub(super) fn y(&self, place: f64) -> i32 {
        self.bottom - (place * f64::from(self.bottom - self.top)).round() as i32
    }

    /// Draws grid and numbers of the horizontal axis.
    pub(super) fn x_axis(&self, scale: &Scale) -> Result<(), Failed<DB>> {
        let wanted = (self.right - self.left) / self.px(70);
        for v in scale.minor_ticks() {
            let x = self.x(v);
            self.line(vec![(x, self.top), (x, self.bottom)], self.stroke(INK.mix(GRID_OPACITY / 3.0), 1))?;
        }
        // Numbers that would overlap are left out.
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

    /// Draws grid and numbers of the vertical axis.
    pub(super) fn y_axis(&self, ticks: &[(f64, String)], scale: &Scale) -> Result<(), Failed<DB>> {
        for v in scale.minor_ticks() {
            let y = self.y(v);
            self.line(vec![(self.left, y), (self.right, y)], self.stroke(INK.mix(GRID_OPACITY / 3.0), 1))?;
        }
        // From below; numbers that would overlap are left out.
        let mut free = i32::MAX;
        for (v, text) in ticks {
            let y = self.y(scale.place(*v).unwrap_or_default());
            self.line(vec![(self.left, y), (self.right, y)], self.stroke(INK.mix(GRID_OPACITY), 1))?;
            if y < free {
                self.row_text(text, y)?;
                free = y - self.px(LETTERS + 2);
            }
        }
        self.line(vec![(self.left, self.top), (self.left, self.bottom)], self.stroke(INK, 1))
    }

    /// Draws a diamond around a point, with a rim in the colour of the background.
    pub(super) fn diamond(&self, (x, y): (i32, i32)) -> Result<(), Failed<DB>> {
        let r = self.px(5);
        let corners = vec![(x, y - r), (x + r, y), (x, y + r), (x - r, y)];
        self.area.draw(&Polygon::new(corners.clone(), INK.filled()))?;
        self.line([corners.clone(), vec![corners[0]]].concat(), self.stroke(PAPER, 1))
    }

    /// Marks a point of series `i`.
    pub(super) fn mark(&self, (x, y): (i32, i32), i: usize) -> Result<(), Failed<DB>> {
        let (size, style) = (f64::from(self.px(4)), COLOURS[i % COLOURS.len()].filled());
        match MARKS[i % MARKS.len()] {
            [] => self.area.draw(&Circle::new((x, y), size as i32, style)),
            corners => {
                let corner = |(dx, dy): &(f64, f64)| (x + (dx * size) as i32, y + (dy * size) as i32);
                self.area.draw(&Polygon::new(corners.iter().map(corner).collect::<Vec<_>>(), style))
            }
        }
    }

    /// Draws the legend below the plot, in columns.
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
                Mark::Line { series, marked } => {
                    self.series_line(vec![(x, y), (x + sample, y)], *series)?;
                    if *marked {
                        self.mark((x + sample / 2, y), *series)?;
                    }
                }
                Mark::Diamond => self.diamond((x + sample / 2, y))?,
            }
            self.text(text, (x + sample + gap, y), LETTERS, HPos::Left, VPos::Center)?;
        }
        self.bottom -= self.px(4);
        Ok(())
    }

    /// The style of series `i`: its colour, dashed when all colours are used.
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

//! Charts of numbers: lines, box plots and bars, the same as SVG and as PNG.
//!
//! A [`Chart`] is plain data. Colours can be told apart by the colour-blind and on white as on dark grey; box plots and
//! bars lie, so that long names stay legible; the legend stands below the data, never on them.

mod content;
mod draw;
mod frame;
mod scale;

use std::path::Path;
use std::sync::OnceLock;

use plotters::prelude::{BitMapBackend, DrawingBackend, IntoDrawingArea, SVGBackend};
use plotters::style::{FontStyle, register_font};

pub use content::{Axis, Bar, Chart, Content, Group, Series};

use self::frame::Medium;
use super::{escape, montage};
use crate::atomic::write_atomically;
use crate::{Error, Result};

/// Pixels of a PNG for one of the SVG.
pub const PNG_SCALE: u32 = 2;

/// Units of an SVG's drawing for one of its pixels: plotters draws at whole numbers, which would make steps of a curve.
const SVG_SCALE: u32 = 8;
/// No picture is larger than this on a side: the buffer of a PNG is then below 800 MB.
const MAX_SIDE: u32 = 8192;

impl Chart {
    /// As an SVG document on white.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no value to draw, [`Error::TooLarge`] for a picture of more than 8192 pixels a side.
    pub fn to_svg(&self) -> Result<String> {
        self.svg(true)
    }

    /// As an SVG element for a page: no background, lettering and axes in `currentColor`, and the title for those who
    /// hear it.
    ///
    /// # Errors
    /// As [`Chart::to_svg`].
    pub fn to_inline_svg(&self) -> Result<String> {
        let svg = self.svg(false)?;
        // Texts are escaped: a quotation mark in the document is one of an attribute.
        let svg = svg.replace(&format!("\"{}\"", frame::INK_TEXT), "\"currentColor\"");
        let name = escape(if self.title.is_empty() { "chart" } else { &self.title });
        Ok(svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{name}\" "), 1))
    }

    /// Writes [`Chart::to_svg`] to `path`, all of it or nothing.
    ///
    /// # Errors
    /// As [`Chart::to_svg`], and [`Error::Io`].
    pub fn save_svg(&self, path: &Path) -> Result<()> {
        let svg = self.to_svg()?;
        write_atomically(path, |out| std::io::Write::write_all(out, svg.as_bytes()))
    }

    /// Writes the chart to `path` as PNG, all of it or nothing.
    ///
    /// # Errors
    /// As [`Chart::to_svg`], and [`Error::Io`].
    pub fn save_png(&self, path: &Path) -> Result<()> {
        let (width, height) = self.measured()?;
        let (w, h) = (width * PNG_SCALE, height * PNG_SCALE);
        let mut pixels = vec![0; w as usize * h as usize * 3];
        let medium = Medium { scale: PNG_SCALE, background: true, letters: true };
        self.draw_on(BitMapBackend::with_buffer(&mut pixels, (w, h)), medium)?;
        let Some(picture) = image::RgbImage::from_raw(w, h, pixels) else {
            return Err(Error::format(path, "the pixels of a chart do not make a picture"));
        };
        montage::save_png(path, &picture.into())
    }

    fn svg(&self, background: bool) -> Result<String> {
        let (width, height) = self.measured()?;
        let size = (width * SVG_SCALE, height * SVG_SCALE);
        let mut svg = String::new();
        let medium = Medium { scale: SVG_SCALE, background, letters: false };
        self.draw_on(SVGBackend::with_string(&mut svg, size), medium)?;
        let drawn = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
        Ok(svg.replacen(&drawn, &format!("width=\"{width}\" height=\"{height}\""), 1))
    }

    /// Width and height, the height by the content if none was given.
    fn measured(&self) -> Result<(u32, u32)> {
        let (width, height) = self.size;
        let count = |n: usize| u32::try_from(n).unwrap_or(MAX_SIDE);
        let height = match (height, &self.content) {
            (0, Content::Lines(series)) => frame::lines_height(count(series.len())),
            (0, Content::Boxes { groups, .. }) => frame::height(count(groups.len())),
            (0, Content::Bars { bars, .. }) => frame::height(count(bars.len())),
            (height, _) => height,
        };
        let side = width.max(height);
        if side > MAX_SIDE {
            let (needed, limit) = (u64::from(side), u64::from(MAX_SIDE));
            let what = format!("a side of the chart `{}`", self.title);
            return Err(Error::TooLarge { what, needed, limit, unit: "pixels" });
        }
        Ok((width.max(160), height.max(120)))
    }

    fn draw_on<DB: DrawingBackend>(&self, backend: DB, medium: Medium) -> Result<()> {
        register();
        let area = backend.into_drawing_area();
        // Neither backend fails but for a font that is not there; a chart is too small a thing for an error of its own.
        let failed =
            |e: &dyn std::fmt::Display| Error::Data(format!("the chart `{}` cannot be drawn: {e}", self.title));
        if !self.has_values() {
            let message = format!("the chart `{}`: expected at least one finite value, found none", self.title);
            return Err(Error::Data(message));
        }
        draw::chart(self, &area, medium).map_err(|e| failed(&e))?;
        area.present().map_err(|e| failed(&e))
    }
}

/// The letters of PNGs, and the measure of those of an SVG, which the reader's own font draws.
fn register() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let font = include_bytes!("../../../assets/Roboto-subset.ttf");
        // A font that is no font would be an error of every chart that is drawn with it.
        let _ = register_font(frame::FONT, FontStyle::Normal, font);
    });
}

#[cfg(test)]
mod tests;

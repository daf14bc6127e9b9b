//! Charts of numbers: lines, box plots and bars, as SVG, and as a PNG of it.
//!
//! A [`Chart`] is plain data. Its colours are safe for the colour-blind, on white and on dark grey. Boxes and bars are
//! horizontal, so that there is room for long names. The legend is below the plot.

mod content;
mod draw;
mod frame;
mod scale;

use std::path::Path;
use std::sync::OnceLock;

use plotters::prelude::{DrawingBackend, IntoDrawingArea, SVGBackend};
use plotters::style::{FontStyle, register_font};
use resvg::{tiny_skia, usvg};

pub use content::{Axis, Bar, Chart, Content, Group, Series};

use self::frame::Medium;
use super::{escape, montage};
use crate::atomic::write_atomically;
use crate::{Error, Result};

/// Pixels of a PNG per pixel of the SVG.
pub const PNG_SCALE: u32 = 2;

/// Units of an SVG per pixel: plotters rounds coordinates to whole units, which would make steps of curves.
const SVG_SCALE: u32 = 8;
/// The most pixels of a side, so that the buffer of a PNG stays below 800 MB.
const MAX_SIDE: u32 = 8192;

impl Chart {
    /// As an SVG document on white.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no value to draw, [`Error::TooLarge`] for a picture of more than 8192 pixels a side.
    pub fn to_svg(&self) -> Result<String> {
        self.svg(true)
    }

    /// As an SVG element for a page: no background, text and axes in `currentColor`, the title for screen readers.
    ///
    /// # Errors
    /// As [`Chart::to_svg`].
    pub fn to_inline_svg(&self) -> Result<String> {
        let svg = self.svg(false)?;
        // Texts are escaped: every quotation mark in the document belongs to an attribute.
        let svg = svg.replace(&format!("\"{}\"", frame::INK_TEXT), "\"currentColor\"");
        let name = escape(if self.title.is_empty() { "chart" } else { &self.title });
        Ok(svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{name}\" "), 1))
    }

    /// Writes [`Chart::to_svg`] to `path`, completely or not at all.
    ///
    /// # Errors
    /// As [`Chart::to_svg`], and [`Error::Io`].
    pub fn save_svg(&self, path: &Path) -> Result<()> {
        let svg = self.to_svg()?;
        write_atomically(path, |out| std::io::Write::write_all(out, svg.as_bytes()))
    }

    /// Writes the chart to `path` as PNG, completely or not at all.
    ///
    /// # Errors
    /// As [`Chart::to_svg`], and [`Error::Io`].
    pub fn save_png(&self, path: &Path) -> Result<()> {
        let failed = |e: &dyn std::fmt::Display| Error::format(path, format!("the chart cannot be drawn: {e}"));
        let mut options = usvg::Options::default();
        let fonts = options.fontdb_mut();
        fonts.load_font_data(ROBOTO.to_vec());
        fonts.set_sans_serif_family("Roboto");
        let tree = usvg::Tree::from_str(&self.to_svg()?, &options).map_err(|e| failed(&e))?;
        let (width, height) = self.measured()?;
        let mut pixels = tiny_skia::Pixmap::new(width * PNG_SCALE, height * PNG_SCALE)
            .ok_or_else(|| failed(&"expected a picture with pixels"))?;
        let scale = PNG_SCALE as f32;
        resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixels.as_mut());
        // The background is white: nothing is transparent.
        let colours = pixels.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
        let picture = image::RgbImage::from_raw(pixels.width(), pixels.height(), colours)
            .ok_or_else(|| failed(&"its pixels do not make a picture"))?;
        montage::save_png(path, &picture.into())
    }

    fn svg(&self, background: bool) -> Result<String> {
        let (width, height) = self.measured()?;
        let size = (width * SVG_SCALE, height * SVG_SCALE);
        let mut svg = String::new();
        let medium = Medium { scale: SVG_SCALE, background };
        self.draw_on(SVGBackend::with_string(&mut svg, size), medium)?;
        let drawn = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
        // No wider than the window.
        let said = format!("width=\"{width}\" height=\"{height}\" style=\"max-width:100%;height:auto\"");
        Ok(svg.replacen(&drawn, &said, 1))
    }

    /// Width and height in pixels; a height of 0 is computed from the content.
    fn measured(&self) -> Result<(u32, u32)> {
        let (width, height) = self.size;
        let note = |height: u32| height.saturating_add(frame::note_height(&self.note, width));
        let count = |n: usize| u32::try_from(n).unwrap_or(MAX_SIDE);
        let height = match (height, &self.content) {
            (0, Content::Lines(series)) => note(frame::lines_height(count(series.len()))),
            (0, Content::Boxes { groups, .. }) => note(frame::height(count(groups.len()))),
            (0, Content::Bars { bars, .. }) => note(frame::height(count(bars.len()))),
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
        // Both backends fail only if the font is missing.
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

/// The font of PNGs.
const ROBOTO: &[u8] = include_bytes!("../../../assets/Roboto-subset.ttf");

/// Registers the font that texts are measured with. In an SVG the reader's font draws them.
fn register() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // An invalid font would be an error of every chart.
        let _ = register_font(frame::FONT, FontStyle::Normal, ROBOTO);
    });
}

#[cfg(test)]
mod tests;

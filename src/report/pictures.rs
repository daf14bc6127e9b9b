//! Samples and components on a page: pictures, which are PNG in `data:` addresses, or lists of features.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::imageops::FilterType;
use ndarray::{ArrayView1, s};

use super::escape;
use super::montage::{GridOptions, largest, png, tile, top_of_scale};
use crate::data::ImageShape;
use crate::model::{Factors, ModelSpec};
use crate::store::Metadata;
use crate::{Error, Result};

/// Pictures whose longer side has fewer pixels are enlarged with visible pixels, not smoothly.
const SMALL: usize = 48;

/// The most features of a component, or of a sample, that are named.
const NAMED: usize = 8;

/// How samples and components are shown: as images, or as a list of their strongest features.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pictures<'a> {
    Images(Images),
    /// Of features with these names, or without names.
    Features(&'a [String]),
}

/// How images are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Images {
    shape: ImageShape,
    /// The names of the two halves of the values, if there are two.
    halves: &'static [&'static str],
    diverging: bool,
    /// The most pixels of the longer side.
    side: u32,
}

impl<'a> Pictures<'a> {
    /// For the components of a model: images where they are some, in grey or colour.
    pub(super) fn of(factors: &Factors<f32>, m: &'a Metadata, side: u32) -> Self {
        let igo = m.preprocess.igo.is_some();
        let halves: &[_] = if igo { &["cosine", "sine"] } else { &[""] };
        // The size is checked in models that were read from a file, but not in others.
        let fits = |shape: &ImageShape| {
            matches!(shape.channels, 1 | 3) && shape.features() * halves.len() == factors.n_features()
        };
        let Some(shape) = m.image_shape.filter(fits) else { return Self::Features(&m.feature_names) };
        let signed =
            ModelSpec::by_name(&m.model).is_ok_and(|spec| GridOptions::of(&spec, factors.w[0].view()).diverging);
        Self::Images(Images { shape, halves, diverging: igo || signed, side })
    }

    /// The colours, explained for people.
    pub(super) fn scale_text(&self) -> &'static str {
        match self {
            Self::Features(_) => {
                "A list has the features with the largest values, at most 8; a bar is as long as its value beside the largest, and \
                 red is negative."
            }
            Self::Images(Images { halves: [_, _], .. }) => {
                "Every picture is two: the cosine and the sine of the gradient's direction; blue is negative, white zero, \
                 red positive."
            }
            Self::Images(Images { diverging: true, shape, .. }) if shape.channels == 1 => {
                "Blue is negative, white zero, red positive."
            }
            Self::Images(Images { diverging: true, .. }) => "Values are of both signs: middle grey is zero.",
            Self::Images(_) => "Black is zero, white the largest value but for a few brighter pixels.",
        }
    }

    /// `values` in HTML; the scale ends at `top`, or at [`Pictures::top`].
    pub(super) fn html(&self, values: ArrayView1<'_, f32>, top: Option<f32>, alt: &str) -> Result<String> {
        let top = top.unwrap_or_else(|| self.top(values));
        match self {
            Self::Images(images) => images.html(values, top, alt),
            Self::Features(names) => Ok(list(values, names, top, alt)),
        }
    }

    /// The value at the end of the scale for `values`.
    pub(super) fn top(&self, values: ArrayView1<'_, f32>) -> f32 {
        match self {
            Self::Images(images) => top_of_scale(values.iter(), images.diverging),
            Self::Features(_) => largest(values.iter(), true),
        }
    }

    /// The CSS class that tells how wide they are; empty for single images.
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Features(_) => " named",
            Self::Images(images) if images.halves.len() > 1 => " double",
            Self::Images(_) => "",
        }
    }
}

/// The strongest features of `values`, each with a bar.
fn list(values: ArrayView1<'_, f32>, names: &[String], top: f32, alt: &str) -> String {
    let mut order: Vec<usize> = (0..values.len()).filter(|&i| values[i] != 0.0).collect();
    order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    order.truncate(NAMED);
    let item = |i: usize| {
        let value = values[i];
        let name = names.get(i).map_or_else(|| format!("feature {i}"), |name| escape(name));
        let share = (100.0 * value.abs() / top.max(f32::MIN_POSITIVE)).min(100.0);
        let class = if value < 0.0 { " class=\"negative\"" } else { "" };
        format!(
            "<li{class} style=\"--share:{share:.0}%\" title=\"{name}: {value:.4}\"><span>{value:.3}</span>{name}</li>"
        )
    };
    let items: String = order.into_iter().map(item).collect();
    let items = if items.is_empty() { "<li>all are 0</li>".into() } else { items };
    format!("<ol class=\"features\" aria-label=\"{}\">{items}</ol>", escape(alt))
}

impl Images {
    /// `<img>` of `values`, or two if there are two halves; the scale ends at `top`.
    fn html(&self, values: ArrayView1<'_, f32>, top: f32, alt: &str) -> Result<String> {
        let mut html = String::new();
        for (half, name) in self.halves.iter().enumerate() {
            let features = self.shape.features();
            let values = values.slice(s![half * features..(half + 1) * features]);
            let mut picture = tile(values, self.shape, top, self.diverging);
            if picture.width().max(picture.height()) > self.side {
                picture = picture.resize(self.side, self.side, FilterType::Triangle);
            }
            let failed = |e| Error::Data(format!("{alt}: the picture cannot be encoded: {e}"));
            let bytes = png(&picture).map_err(failed)?;
            let (width, height) = (picture.width(), picture.height());
            let class = if self.shape.width.max(self.shape.height) < SMALL { " class=\"small\"" } else { "" };
            let name = if name.is_empty() { String::new() } else { format!(", {name}") };
            let (alt, data) = (escape(&format!("{alt}{name}")), STANDARD.encode(bytes));
            html.push_str(&format!(
                "<img{class} width=\"{width}\" height=\"{height}\" alt=\"{alt}\" src=\"data:image/png;base64,{data}\"/>"
            ));
        }
        Ok(html)
    }
}

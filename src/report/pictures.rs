//! Samples and components as pictures of a page: PNG in `data:` addresses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::imageops::FilterType;
use ndarray::{ArrayView1, s};

use super::escape;
use super::montage::{largest, png, tile};
use crate::data::ImageShape;
use crate::model::{Factors, ModelSpec};
use crate::store::Metadata;
use crate::{Error, Result};

/// Pictures whose longer side has fewer pixels are enlarged with visible pixels, not smoothly.
const SMALL: usize = 48;

/// How samples and components are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pictures {
    shape: ImageShape,
    /// The names of the two halves of the values, if there are two.
    halves: &'static [&'static str],
    diverging: bool,
    /// The most pixels of the longer side.
    side: u32,
}

impl Pictures {
    /// For the components of a model; the error says why there can be no pictures.
    pub(super) fn of(factors: &Factors<f32>, m: &Metadata, side: u32) -> Result<Self, String> {
        let shape = m.image_shape.ok_or("the model does not know how a sample is an image")?;
        if !matches!(shape.channels, 1 | 3) {
            return Err(format!("an image has {} channels, neither grey nor colour", shape.channels));
        }
        let igo = m.preprocess.igo.is_some();
        let halves: &[_] = if igo { &["cosine", "sine"] } else { &[""] };
        // Checked in models that were read from a file, but not in others.
        if shape.features() * halves.len() != factors.n_features() {
            return Err("the shape of the images does not fit the components".into());
        }
        let signed = ModelSpec::by_name(&m.model).is_ok_and(|spec| spec.signed);
        let negative = || factors.w[0].iter().any(|v| *v < 0.0);
        Ok(Self { shape, halves, diverging: igo || signed && negative(), side })
    }

    /// The colours, explained for people.
    pub(super) fn scale_text(&self) -> &'static str {
        match (self.halves.len(), self.diverging, self.shape.channels) {
            (2, ..) => {
                "Every picture is two: the cosine and the sine of the gradient's direction; blue is negative, white zero, \
                 red positive."
            }
            (_, true, 1) => "Blue is negative, white zero, red positive.",
            (_, true, _) => "Values are of both signs: middle grey is zero.",
            (_, false, _) => "Black is zero.",
        }
    }

    /// `<img>` of `values`, or two if there are two halves; the scale ends at `top` or at the largest value.
    pub(super) fn html(&self, values: ArrayView1<'_, f32>, top: Option<f32>, alt: &str) -> Result<String> {
        let top = top.unwrap_or_else(|| self.top(values));
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

    /// The value at the end of the scale for `values`.
    pub(super) fn top(&self, values: ArrayView1<'_, f32>) -> f32 {
        largest(values.iter(), self.diverging)
    }

    /// The number of pictures of a sample or a component.
    pub(super) fn each(&self) -> usize {
        self.halves.len()
    }
}

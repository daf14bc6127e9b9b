//! The content of a page, and its building blocks.

use ndarray::ArrayView2;

use crate::report::escape;
use crate::report::pictures::Pictures;
use crate::store::Model;

/// The content of a page.
#[derive(Debug)]
pub struct Report<'a> {
    /// The model.
    pub model: &'a Model,
    /// The name of the model, such as its file.
    pub name: &'a str,
    /// When the page is made.
    pub made: std::time::SystemTime,
    /// Samples to show beside their reconstruction.
    pub samples: Option<Samples<'a>>,
    /// Clusters of these samples; without samples, of those that the model was trained on.
    pub clusters: Option<Clusters>,
}

/// Samples with their coefficients.
#[derive(Debug, Clone)]
pub struct Samples<'a> {
    /// Their source, such as a folder.
    pub source: &'a str,
    /// `samples × features`, preprocessed as for the training.
    pub x: ArrayView2<'a, f32>,
    /// `samples × k_L`, as [`Factors::h`](crate::model::Factors::h).
    pub h: ArrayView2<'a, f32>,
    /// The origin of `h`, for people.
    pub coefficients: &'a str,
    /// A name for every sample, or empty.
    pub names: &'a [String],
}

/// Clusters of samples.
#[derive(Debug, Clone, Default)]
pub struct Clusters {
    /// Of how many runs of k-means this is the one with the least sum of squared distances; 0 where that is not known.
    pub runs: usize,
    /// The cluster of every sample, from 0.
    pub of: Vec<usize>,
    /// The names of the classes; empty without labels.
    pub classes: Vec<String>,
    /// The class of every sample; None for a sample without one.
    pub labels: Option<Vec<Option<usize>>>,
    /// Names and values of scores.
    pub scores: Vec<(String, f64)>,
}

/// A section of the page: its content, or why it is left out.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) body: Result<String, String>,
}

impl Section {
    pub(super) fn html(&self) -> String {
        let Self { id, title, body } = self;
        let body = match body {
            Ok(body) => body.clone(),
            Err(why) => format!("<p class=\"missing\">Not shown: {}.</p>\n", escape(why)),
        };
        format!("<section id=\"{id}\">\n<h2>{title}</h2>\n{body}</section>\n")
    }
}

/// A picture, or two, above a caption; both are HTML.
pub(super) fn figure(pictures: &str, caption: &str, class: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!("<figure{class}><div class=\"pictures\">{pictures}</div><figcaption>{caption}</figcaption></figure>\n")
}

/// The CSS class of a sheet of pictures, or of pairs of them.
pub(super) fn sheet(pictures: &Pictures<'_>, pairs: bool) -> String {
    format!("sheet{}{}", if pairs { " pairs" } else { "" }, pictures.class())
}

/// A table of names and values; both are HTML.
pub(super) fn rows<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let rows: String = rows.into_iter().map(|(name, v)| format!("<tr><th>{name}</th><td>{v}</td></tr>\n")).collect();
    format!("<table>\n<tbody>\n{rows}</tbody>\n</table>\n")
}

/// `0.0812` → `8.12 %`.
pub(super) fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

/// `count` of the indices below `n`, evenly spread and ascending; all of them if `n ≤ count`.
///
/// There is one index in every stretch of equal length, at a changing place: with equal steps, samples whose classes alternate
/// could all be of one class.
pub(super) fn spread(n: usize, count: usize) -> Vec<usize> {
    if n <= count {
        return (0..n).collect();
    }
    (0..count).map(|i| i * n / count + i * i % (n / count)).collect()
}

//! A page about a fit in one file, which contains its pictures and charts: it opens offline and needs no script.
//!
//! [`Report`] is the content of the page, [`Page`] the page. Sections that cannot be shown are left out, and the page says
//! why. The page is also well-formed XML.

mod clusters;
mod curves;
mod parts;
mod run;
mod samples;
mod section;

pub use section::{Clusters, Report, Samples};

use section::Section;
use std::path::Path;

use super::pictures::Pictures;
use crate::atomic::NewFile;
use crate::{Error, Result};

/// A page and its table of contents.
#[derive(Debug, Clone)]
pub struct Page {
    /// The content of the file.
    pub html: String,
    /// The titles of the sections that are shown.
    pub shown: Vec<&'static str>,
    /// The titles of the sections that are left out, and why.
    pub missing: Vec<(&'static str, String)>,
}

/// The most bytes of a page: pictures are made smaller until it fits.
const LARGEST: usize = 10_000_000;
/// The longer side of a picture in pixels, tried in this order.
const SIDES: [u32; 4] = [96, 64, 48, 32];

impl Report<'_> {
    /// Makes the page.
    ///
    /// # Errors
    /// [`Error::Shape`] if samples or clusters do not fit the model.
    pub fn page(&self) -> Result<Page> {
        self.check()?;
        let mut page = self.page_with(SIDES[0])?;
        for side in &SIDES[1..] {
            if page.html.len() > LARGEST {
                page = self.page_with(*side)?;
            }
        }
        Ok(page)
    }

    fn check(&self) -> Result<()> {
        let (f, m) = (&self.model.factors, &self.model.metadata);
        let mut n = m.n_samples;
        if let Some(s) = &self.samples {
            n = s.x.nrows();
            let k = f.h.ncols();
            if s.x.ncols() != f.n_features() {
                return Err(Error::shape("samples of a report", (n, f.n_features()), s.x.dim()));
            }
            if s.h.dim() != (n, k) {
                return Err(Error::shape("coefficients of a report", (n, k), s.h.dim()));
            }
            if !s.names.is_empty() && s.names.len() != n {
                return Err(Error::shape("names of a report", (n, 1), (s.names.len(), 1)));
            }
        }
        let Some(c) = &self.clusters else { return Ok(()) };
        let labels = c.labels.as_ref().map_or(n, Vec::len);
        if (c.of.len(), labels) != (n, n) {
            return Err(Error::shape("clusters and labels of a report", (n, n), (c.of.len(), labels)));
        }
        let classes = c.classes.len();
        match c.labels.iter().flatten().flatten().find(|l| **l >= classes) {
            Some(label) => Err(Error::Shape {
                what: "labels of a report",
                expected: format!("numbers below {classes}, the number of classes"),
                found: label.to_string(),
            }),
            None => Ok(()),
        }
    }

    fn page_with(&self, side: u32) -> Result<Page> {
        let pictures = Pictures::of(&self.model.factors, &self.model.metadata, side);
        let [components, hierarchy] = parts::sections(self.model, &pictures)?;
        let sections = [
            run::section(self)?,
            curves::section(self.model)?,
            run::sparsity(self.model),
            components,
            hierarchy,
            samples::section(self, &pictures)?,
            clusters::section(self, &pictures)?,
        ];
        let title = run::title(self.model)?;
        let shown = |s: &&Section| s.body.is_ok();
        let links: String =
            sections.iter().filter(shown).map(|s| format!("<a href=\"#{}\">{}</a>\n", s.id, s.title)).collect();
        let body: String = sections.iter().map(Section::html).collect();
        let html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <link rel=\"icon\" href=\"data:,\"/>\n<title>{title}: {subtitle}</title>\n\
             <style>\n{style}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n<p class=\"soft\">{subtitle}</p>\n{lead}\n<nav>\n{links}</nav>\n</header>\n\
             <main>\n{body}</main>\n<footer>Made by deepnmf {version}. This file is complete: it fetches nothing and runs \
             nothing.</footer>\n</body>\n</html>\n",
            style = include_str!("style.css"),
            subtitle = run::subtitle(self),
            lead = run::lead(self),
            version = env!("CARGO_PKG_VERSION"),
        );
        let missing = sections.iter().filter_map(|s| Some((s.title, s.body.as_ref().err()?.clone()))).collect();
        Ok(Page { html, shown: sections.iter().filter(shown).map(|s| s.title).collect(), missing })
    }
}

impl Page {
    /// Writes the page to `path`, completely or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        self.write_to(NewFile::create(path)?)
    }

    /// Writes the page to a file that was created before.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_to(&self, file: NewFile) -> Result<()> {
        file.write(|out| std::io::Write::write_all(out, self.html.as_bytes()))
    }
}

#[cfg(test)]
mod tests;

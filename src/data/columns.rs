//! What the columns of a CSV file are: features, names, labels.

use std::path::Path;

use ::csv::{Position, StringRecord};

use super::LoadOptions;
use super::dialect::{Dialect, is_like_a_number};
use super::headings::{LABEL_COLUMNS, like_labels, names_samples};
use super::keys::listed;
use super::labels::is_missing;
use crate::{Error, Result};

/// The note about a column of names.
pub(super) const NAMED_FIRST: &str = "the first column names the samples, it is no feature";

/// Whether the first column holds names, and how that was recognised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Names {
    None,
    /// By its header, or since its numbers begin with zeros; the cells may be anything.
    Header,
    /// By its cells, which are text.
    Text,
}

/// What the columns are.
#[derive(Debug)]
pub(super) struct Layout {
    /// Whether only numbers that count show that there is a header line.
    by_counting: bool,
    /// Whether the first line, which is read as a sample, has numbers as headers have them.
    like_header: bool,
    pub(super) header: Option<StringRecord>,
    /// Cells in every line of values.
    pub(super) width: usize,
    pub(super) names: Names,
    pub(super) label: Option<usize>,
    pub(super) label_name: String,
    /// Columns that are left out.
    pub(super) left: Vec<usize>,
}

impl Layout {
    /// Recognises the layout from the first two lines.
    ///
    /// # Errors
    /// [`Error::Format`] for a first line that is neither all numbers nor a header, so that a typing error in it is not taken
    /// for a header.
    pub(super) fn of(
        first: &StringRecord,
        second: Option<&StringRecord>,
        (path, dialect): (&Path, Dialect),
        opts: &LoadOptions,
    ) -> Result<Self> {
        let number = |cell: &str| dialect.number(cell);
        let texts: Vec<usize> = (0..first.len()).filter(|&i| number(&first[i]).is_none()).collect();
        let label = label_column(first, !texts.is_empty(), path, opts)?;
        let is_name = |record: &StringRecord| {
            record.get(0).is_some_and(|cell| !is_missing(cell) && number(cell).is_none() && !is_like_a_number(cell))
        };
        let called = first.get(0).is_some_and(names_samples);
        let padded = second.and_then(|line| line.get(0)).is_some_and(is_padded);
        let only_first = *texts == [0];
        let counted =
            texts.is_empty() && first.len() > 2 && first.iter().enumerate().all(|(i, cell)| cell.parse() == Ok(i));
        let header = match texts.first() {
            // pandas calls columns without a name 0, 1, 2 …
            None => counted,
            Some(_) if label.is_some() || called || texts.len() == first.len() => true,
            // pandas calls columns without a name 0, 1, 2 …
            Some(_) if only_first && counts(first) => true,
            Some(_) if only_first && second.is_none_or(is_name) => false,
            // A column of text without a header.
            Some(&odd) if second.and_then(|line| line.get(odd)).is_some_and(|cell| number(cell).is_none()) => {
                let cell = first.get(odd).unwrap_or_default();
                let message = format!(
                    "expected a number, found `{cell}`; below a header line --y-key NAME takes a column of text as labels"
                );
                return Err(at_cell(path, first, odd, &message));
            }
            Some(0) if only_first => {
                let cell = first.get(0).unwrap_or_default();
                let message = format!(
                    "expected a number, found `{cell}`; if this is a header line above a column of names, call that column `name`"
                );
                return Err(at_cell(path, first, 0, &message));
            }
            Some(&odd) => return Err(not_a_number(path, first, odd)),
        };
        // R writes no header for the column of names.
        let shifted = header && second.is_some_and(|record| record.len() == first.len() + 1);
        let names = if shifted || header && (called || padded) && label != Some(0) {
            Names::Header
        } else if label != Some(0) && (only_first && !header || header && second.is_some_and(is_name)) {
            Names::Text
        } else {
            Names::None
        };
        let label_name = label.and_then(|at| first.get(at)).unwrap_or_default().to_string();
        let shift = usize::from(shifted);
        let by_counting = header && !called && label.is_none() && (counted || only_first && counts(first));
        let like_header = !header && is_like_header(first, second, dialect, usize::from(only_first));
        let header = header.then(|| first.clone());
        let mut layout = Self {
            by_counting,
            like_header,
            header,
            width: first.len() + shift,
            names,
            label: label.map(|at| at + shift),
            label_name,
            left: Vec::new(),
        };
        let is_left = |at: &usize| layout.heading(*at).is_some_and(|heading| opts.leaves_out(heading));
        layout.left = (0..layout.width).filter(is_left).collect();
        layout.label = layout.label.filter(|at| !layout.left.contains(at));
        if layout.left.contains(&0) {
            layout.names = Names::None;
        }
        Ok(layout)
    }

    /// The header of a column, where there is one.
    pub(super) fn heading(&self, column: usize) -> Option<&str> {
        let header = self.header.as_ref()?;
        header.get(column.checked_sub(self.width - header.len())?)
    }

    /// The headers of the features; empty ones if there is no header line.
    pub(super) fn features(&self) -> Vec<String> {
        let headings = (0..self.width)
            .filter(|&column| self.is_feature(column))
            .map(|column| self.heading(column).unwrap_or_default().trim());
        headings.map(String::from).collect()
    }

    fn is_feature(&self, column: usize) -> bool {
        let names = column == 0 && self.names != Names::None;
        !names && self.label != Some(column) && !self.left.contains(&column)
    }

    pub(super) fn notes(&self, opts: &LoadOptions) -> Vec<String> {
        let mut notes = Vec::new();
        if self.by_counting {
            notes.push("its first line counts 0, 1, 2 … or 1, 2, 3 … and is taken as a header line, no sample".into());
        }
        if self.like_header {
            let message = "its first line has numbers like those of a header (wavelengths, years, identifiers) and is read as a sample; if \
                           it is a header line, put a column of names called `name` first";
            notes.push(message.into());
        }
        if self.names != Names::None {
            notes.push(NAMED_FIRST.into());
        }
        let headings = |of: &dyn Fn(usize) -> bool| {
            (0..self.width).filter(|&column| of(column)).filter_map(|column| self.heading(column)).collect::<Vec<_>>()
        };
        notes.extend(headings(&|column| self.is_feature(column)).into_iter().filter_map(like_labels));
        notes.extend(opts.not_left_out(&headings(&|_| true)));
        notes
    }
}

/// The index of the column of labels.
fn label_column(first: &StringRecord, texts: bool, path: &Path, opts: &LoadOptions) -> Result<Option<usize>> {
    let position = |name: &str| first.iter().position(|cell| cell.eq_ignore_ascii_case(name));
    let Some(key) = &opts.y_key else { return Ok(LABEL_COLUMNS.into_iter().find_map(position)) };
    if !texts && !opts.y_optional {
        return Err(Error::format(path, format!("expected a header line with the column `{key}`, found numbers only")));
    }
    let found = first.iter().position(|cell| cell == key).or_else(|| position(key));
    if found.is_none() && opts.y_optional {
        return Ok(None);
    }
    let missing = || Error::format(path, format!("expected a column `{key}`, found: {}", listed(key, first)));
    found.ok_or_else(missing).map(Some)
}

/// Whether all cells but the first count up from 0 or 1.
fn counts(record: &StringRecord) -> bool {
    let numbers: Option<Vec<usize>> = record.iter().skip(1).map(|cell| cell.parse().ok()).collect();
    numbers.is_some_and(|n| n.len() > 1 && n[0] < 2 && n.windows(2).all(|pair| pair[1] == pair[0] + 1))
}

/// Whether the cells from `from` on are numbers as in a header, and not like those of the next line: rising whole ones, as years are;
/// at least [`MANY`] that rise or fall, as wavelengths do; or whole ones, all different, above others, as identifiers are.
fn is_like_header(first: &StringRecord, second: Option<&StringRecord>, dialect: Dialect, from: usize) -> bool {
    let numbers = |record: &StringRecord| -> Option<Vec<f32>> {
        record.iter().skip(from).map(|cell| dialect.number(cell).filter(|v| *v >= 0.0)).collect()
    };
    let Some(of_first) = numbers(first) else { return false };
    let of_second = second.and_then(numbers).unwrap_or_default();
    let whole = |n: &[f32]| n.iter().all(|v| v.fract() == 0.0);
    let rises = |n: &[f32]| n.windows(2).all(|pair| pair[0] < pair[1]);
    let falls = |n: &[f32]| n.windows(2).all(|pair| pair[0] > pair[1]);
    let different = |n: &[f32]| {
        let mut sorted = n.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        rises(&sorted)
    };
    let many =
        of_first.len() >= MANY && (rises(&of_first) || falls(&of_first)) && !rises(&of_second) && !falls(&of_second);
    let rising = of_first.len() >= 3 && whole(&of_first) && rises(&of_first);
    let above =
        of_first.len() > 3 && whole(&of_first) && different(&of_first) && !of_second.is_empty() && !whole(&of_second);
    many || rising || above
}

/// Numbers in order are hardly so by chance.
const MANY: usize = 6;

/// Whether a cell is a number with zeros before it, as only names have.
fn is_padded(cell: &str) -> bool {
    cell.len() > 1 && cell.starts_with('0') && cell.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn not_a_number(path: &Path, record: &StringRecord, column: usize) -> Error {
    let cell = record.get(column).unwrap_or_default();
    at_cell(path, record, column, &format!("expected a number, found `{cell}`"))
}

pub(super) fn at_cell(path: &Path, record: &StringRecord, column: usize, message: &str) -> Error {
    let line = record.position().map_or(0, Position::line);
    Error::format(path, format!("line {line}, column {}: {message}", column + 1))
}

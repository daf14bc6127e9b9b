//! Labels: values or names → indices into a list of classes.

use std::cmp::Ordering;
use std::path::Path;

use super::source::Source;
use crate::{Error, Result};

/// The class of every sample and the classes' names.
#[derive(Debug)]
pub(super) struct Labels {
    /// Indices into `classes`.
    pub(super) of: Vec<usize>,
    pub(super) classes: Vec<String>,
}

/// Classes in numeric order, named by their values.
pub(super) fn from_numbers(values: &[f64], path: &Path) -> Result<Labels> {
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::format(path, format!("expected numbers as labels, found {} in row {at}", values[at])));
    }
    // Adding zero makes -0 the same class as 0.
    let mut distinct: Vec<f64> = values.iter().map(|v| v + 0.0).collect();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    let of = values.iter().map(|v| distinct.partition_point(|d| d < v)).collect();
    Ok(Labels { of, classes: distinct.iter().map(f64::to_string).collect() })
}

/// Classes in natural order; in numeric order if every name is a number.
pub(super) fn from_names(names: &[String]) -> Labels {
    let mut classes = names.to_vec();
    classes.sort_by(|a, b| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) => x.total_cmp(&y).then_with(|| natural_order(a, b)),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => natural_order(a, b),
    });
    classes.dedup();
    let index: std::collections::HashMap<&str, usize> =
        classes.iter().enumerate().map(|(i, c)| (c.as_str(), i)).collect();
    let of = names.iter().map(|n| index[n.as_str()]).collect();
    Labels { of, classes }
}

/// Order in which `s2` comes before `s10`: runs of digits compare as numbers.
pub(super) fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a, b);
    while let (Some(cx), Some(cy)) = (x.chars().next(), y.chars().next()) {
        let order = if cx.is_ascii_digit() && cy.is_ascii_digit() {
            let (dx, dy);
            (dx, x) = split_digits(x);
            (dy, y) = split_digits(y);
            dx.len().cmp(&dy.len()).then_with(|| dx.cmp(dy))
        } else {
            x = &x[cx.len_utf8()..];
            y = &y[cy.len_utf8()..];
            cx.cmp(&cy)
        };
        if order.is_ne() {
            return order;
        }
    }
    // One is a prefix of the other, or they differ by leading zeros.
    x.len().cmp(&y.len()).then_with(|| a.cmp(b))
}

/// The leading digits without leading zeros, and what follows them.
fn split_digits(s: &str) -> (&str, &str) {
    let (digits, rest) = s.split_at(s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len()));
    (digits.trim_start_matches('0'), rest)
}

/// One column of a CSV file with a header line, as text, in the order of the file.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read; [`Error::Format`] if there is no such column (the message
/// lists those there are), or if a line has another number of cells than the header.
pub fn read_labels(path: &Path, column: &str) -> Result<Vec<String>> {
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_reader(Source::open(path, false)?);
    let failed = |e: ::csv::Error| super::csv::error(path, &e);
    let header = reader.headers().map_err(failed)?.clone();
    let Some(at) = header.iter().position(|name| name == column) else {
        let names = header.iter().collect::<Vec<_>>().join(", ");
        return Err(Error::format(path, format!("expected a column `{column}`, found: {names}")));
    };
    reader.records().map(|record| Ok(record.map_err(failed)?.get(at).unwrap_or_default().to_string())).collect()
}

/// The columns of a CSV file with a header line.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Format`] if its header is no text.
pub fn label_columns(path: &Path) -> Result<Vec<String>> {
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_reader(Source::open(path, false)?);
    let header = reader.headers().map_err(|e| super::csv::error(path, &e))?;
    Ok(header.iter().map(String::from).collect())
}

/// The classes that `names` are, one for every sample, and the names of the classes: in natural order, or in numeric order if
/// every name is a number.
pub fn classes(names: &[String]) -> (Vec<usize>, Vec<String>) {
    let Labels { of, classes } = from_names(names);
    (of, classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_compare_as_numbers() {
        let mut names = ["s10", "s2", "s1", "a", "s02", "s2b", "", "s99999999999999999999999999", "10", "9", "é1"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["", "9", "10", "a", "s1", "s02", "s2", "s2b", "s10", "s99999999999999999999999999", "é1"]);
    }

    #[test]
    fn numbers_become_classes_in_numeric_order() {
        let labels = from_numbers(&[10., 2., -0., 0., 1.5, 10.], Path::new("y")).expect("finite");
        assert_eq!(labels.classes, ["0", "1.5", "2", "10"]);
        assert_eq!(labels.of, [3, 2, 0, 0, 1, 3]);
        let error = from_numbers(&[1., f64::NAN], Path::new("y")).expect_err("NaN is no label");
        assert!(error.to_string().contains("row 1"), "{error}");
    }

    #[test]
    fn names_that_are_numbers_sort_as_numbers() {
        let names = ["10", "-1", "9.5", "cat", "bird"].map(String::from);
        let labels = from_names(&names);
        assert_eq!(labels.classes, ["-1", "9.5", "10", "bird", "cat"]);
        assert_eq!(labels.of, [2, 0, 1, 4, 3]);
    }
}

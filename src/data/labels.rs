//! Labels: numbers or names become indices into a list of classes.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::Path;

use crate::{Error, Result};

/// The class of every sample and the classes' names.
#[derive(Debug)]
pub(super) struct Labels {
    /// Indices into `classes`; None where there is no label.
    pub(super) of: Vec<Option<usize>>,
    pub(super) classes: Vec<String>,
    /// Their source, as in "40 classes from sub-folders".
    pub(super) source: String,
}

/// Cells of a table that mean: no label.
const MISSING: [&str; 12] = ["", "?", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "NULL", "null", "None"];

/// Whether a cell of a table means: no value.
pub(super) fn is_missing(cell: &str) -> bool {
    MISSING.contains(&cell)
}

/// A note for people if one of the classes is -1, which often means: no label.
pub fn minus_one(classes: &[String]) -> Option<&'static str> {
    let found = classes.iter().any(|class| number(class) == Some(-1.0));
    found.then_some("-1 is a class of its own; leave it empty (NaN in an array) where a label is missing")
}

/// 2⁵³: from here on, f64 cannot tell neighbouring integers apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Labels that are numbers: classes in numeric order, named by their values. NaN means: no label. `source` names the labels.
pub(super) fn from_numbers(values: &[f64], path: &Path, source: String) -> Result<Labels> {
    if let Some(at) = values.iter().position(|v| v.is_infinite() || v.abs() >= EXACT) {
        let message = format!(
            "expected numbers below 2^53 as labels, which f64 tells apart, found {} in row {at} of {source}",
            values[at]
        );
        return Err(Error::format(path, message));
    }
    // Adding zero makes -0 the same class as 0.
    let mut distinct: Vec<f64> = values.iter().filter(|v| !v.is_nan()).map(|v| v + 0.0).collect();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    let of = values.iter().map(|v| (!v.is_nan()).then(|| distinct.partition_point(|d| d < v))).collect();
    Ok(Labels { of, classes: distinct.iter().map(f64::to_string).collect(), source })
}

/// Approximate bytes of memory for the name of a class.
pub(super) const CLASS_COST: u64 = 128;

/// Collects names one by one, each class once.
#[derive(Default)]
pub(super) struct Collector {
    of: Vec<Option<usize>>,
    classes: Vec<String>,
    /// The class of every spelling.
    index: HashMap<String, usize>,
}

impl Collector {
    /// Adds the label of the next sample. Names of the same number, such as 1 and 1.0, are one class.
    pub(super) fn push(&mut self, name: &str) {
        let class = (!is_missing(name)).then(|| self.class(name));
        self.of.push(class);
    }

    /// Approximate bytes of memory, while vectors grow by doubling and with two spellings of every class.
    pub(super) fn cost(&self) -> u64 {
        48 * self.of.len() as u64 + CLASS_COST * self.index.len() as u64
    }

    fn class(&mut self, name: &str) -> usize {
        if let Some(&class) = self.index.get(name) {
            return class;
        }
        // A number in its shortest form; any other name as it is.
        let canonical = number(name).map_or_else(|| name.to_string(), |v| (v + 0.0).to_string());
        let class = *self.index.entry(canonical).or_insert_with(|| {
            self.classes.push(name.to_string());
            self.classes.len() - 1
        });
        self.index.insert(name.to_string(), class);
        class
    }

    /// Classes in natural order; in numeric order if they are numbers.
    pub(super) fn finish(self, source: String) -> Labels {
        let mut order: Vec<usize> = (0..self.classes.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (&self.classes[a], &self.classes[b]);
            match (number(a), number(b)) {
                (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| natural_order(a, b)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => natural_order(a, b),
            }
        });
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(i, &class)| place[class] = i);
        let of = self.of.into_iter().map(|class| class.map(|c| place[c])).collect();
        let classes = order.iter().map(|&class| self.classes[class].clone()).collect();
        Labels { of, classes, source }
    }
}

/// Labels from one name per sample; None, NaN, NA and the like mean: no label.
pub(super) fn from_names<'a>(names: impl IntoIterator<Item = Option<&'a str>>, source: String) -> Labels {
    let mut labels = Collector::default();
    names.into_iter().for_each(|name| labels.push(name.unwrap_or_default()));
    labels.finish(source)
}

/// The number that a name is, if f64 can tell it from its neighbours.
fn number(name: &str) -> Option<f64> {
    name.parse().ok().filter(|v: &f64| v.abs() < EXACT)
}

/// An order in which `s2` comes before `s10`: runs of digits are compared as numbers.
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
    fn numbers_become_classes_in_numeric_order_and_nan_is_none() {
        let numbers = |values: &[f64]| from_numbers(values, Path::new("a.npz"), "`y`".into());
        let labels = numbers(&[10., 2., -0., f64::NAN, 0., 1.5, 10.]).expect("finite");
        assert_eq!(labels.classes, ["0", "1.5", "2", "10"]);
        assert_eq!(labels.of, [Some(3), Some(2), Some(0), None, Some(0), Some(1), Some(3)]);
        for (values, say) in [([1., f64::INFINITY], "row 1"), ([EXACT, 0.], "row 0"), ([0., -1e300], "row 1")] {
            let error = numbers(&values).expect_err("no label").to_string();
            assert!(error.contains(say) && error.contains("a.npz") && error.contains("`y`"), "{error}");
        }
    }

    #[test]
    fn names_that_are_numbers_sort_as_numbers_and_equal_numbers_are_one_class() {
        let of = |names: &[&str]| from_names(names.iter().map(|n| Some(*n)), String::new());
        let labels = of(&["10", "-1", "9.5", "cat", "bird"]);
        assert_eq!(labels.classes, ["-1", "9.5", "10", "bird", "cat"]);
        assert_eq!(labels.of, [2, 0, 1, 4, 3].map(Some));
        let labels = of(&["1", "1.0", "2.50", "+1", "2.5", "01", "1e0", "x1", "-0", "0"]);
        assert_eq!(labels.classes, ["-0", "1", "2.50", "x1"]);
        assert_eq!(labels.of, [1, 1, 2, 1, 2, 1, 1, 3, 0, 0].map(Some));
        // These are different numbers, though not as f64.
        assert_eq!(of(&["9007199254740993", "9007199254740992"]).classes.len(), 2);
        assert_eq!(of(&["inf", "infinity", "1e999"]).classes.len(), 3);
    }

    #[test]
    fn what_is_missing_is_no_class() {
        let labels =
            from_names(["a", "", "NaN", "NA", "b", "<NA>", "null", "Na", "none", "None", "?"].map(Some), String::new());
        // Only as Python writes it: a class may be called none.
        assert_eq!(labels.classes, ["Na", "a", "b", "none"]);
        assert_eq!(labels.of[..8], [Some(1), None, None, None, Some(2), None, None, Some(0)]);
        assert_eq!(labels.of[8..], [Some(3), None, None]);
        assert_eq!(from_names([None, Some("a"), None], String::new()).of, [None, Some(0), None]);
    }
}

//! Which arrays of a `.mat` or `.npz` file hold the samples and the labels.

use std::path::Path;

use super::LoadOptions;
use super::options::unlabelled;
use super::source::product_text;
use crate::{Error, Result};

/// Usual names of the arrays of samples and of labels, the likeliest first, in upper or lower case.
const X_KEYS: [&str; 5] = ["fea", "x", "data", "features", "arr_0"];
const Y_KEYS: [&str; 5] = ["gnd", "y", "labels", "label", "arr_1"];

/// An array in a file.
#[derive(Debug, Clone)]
pub(super) struct Array {
    pub(super) name: String,
    /// Empty if unknown.
    pub(super) shape: Vec<u64>,
    /// What it holds, if that is not plain numbers.
    pub(super) odd: Option<String>,
}

impl Array {
    /// Name and shape, for messages.
    pub(super) fn describe(&self) -> String {
        let odd = self.odd.as_ref().map_or(String::new(), |odd| format!("{odd} "));
        format!("`{}` {odd}{}", self.name, product_text(&self.shape))
    }

    /// Whether it can hold samples: plain numbers along at least two axes.
    fn is_table(&self) -> bool {
        self.odd.is_none() && self.shape.len() >= 2 && self.shape.iter().filter(|&&d| d > 1).count() >= 2
    }

    fn is_column(&self) -> bool {
        self.shape.iter().filter(|&&d| d != 1).count() <= 1
    }
}

/// Indices into the list of arrays.
pub(super) struct Chosen {
    pub(super) x: usize,
    pub(super) y: Option<usize>,
    /// Choices that no option made, for people.
    pub(super) notes: Vec<String>,
}

/// Names of a list for a message that `asked` is not among them: all of a few, else how many there are and those that are most like it.
pub(super) fn listed<'a>(asked: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    const FEW: usize = 12;
    let mut names: Vec<&str> = names.into_iter().collect();
    if names.len() <= FEW {
        return names.join(", ");
    }
    let (all, asked) = (names.len(), asked.to_lowercase());
    let like: Vec<f64> = names.iter().map(|name| strsim::jaro_winkler(&asked, &name.to_lowercase())).collect();
    let mut order: Vec<usize> = (0..all).collect();
    order.sort_by(|a, b| like[*b].total_cmp(&like[*a]));
    names = order[..FEW].iter().map(|at| names[*at]).collect();
    format!("{all} others, most like it {}", names.join(", "))
}

/// The arrays that the options name, else those with the usual names, else for the samples the only matrix.
pub(super) fn choose(arrays: &[Array], path: &Path, opts: &LoadOptions) -> Result<Chosen> {
    let all = || match arrays.is_empty() {
        true => "none".to_string(),
        false => arrays.iter().map(Array::describe).collect::<Vec<_>>().join(", "),
    };
    let asked = |key: &str, what: &str| {
        let exact = arrays.iter().position(|a| a.name == key);
        let missing = || Error::format(path, format!("expected an array `{key}` for the {what}, found: {}", all()));
        exact.or_else(|| arrays.iter().position(|a| a.name.eq_ignore_ascii_case(key))).ok_or_else(missing)
    };
    // The arrays with the first usual name that occurs.
    let usual = |keys: &[&str], option: &str| {
        let named = |key: &&str| -> Vec<usize> {
            (0..arrays.len()).filter(|&i| arrays[i].name.eq_ignore_ascii_case(key)).collect()
        };
        match keys.iter().map(named).find(|found| !found.is_empty()).as_deref() {
            None => Ok(None),
            Some(&[only]) => Ok(Some(only)),
            Some([a, b, ..]) => {
                let (a, b) = (&arrays[*a].name, &arrays[*b].name);
                Err(Error::format(path, format!("found both `{a}` and `{b}`; {option} NAME says which one is meant")))
            }
            Some([]) => Ok(None),
        }
    };
    let mut notes = Vec::new();
    let x = match &opts.x_key {
        Some(key) => asked(key, "samples")?,
        None => match usual(&X_KEYS, "--x-key")? {
            Some(at) => at,
            None => {
                let free = |i: &usize| opts.y_key.as_ref().is_none_or(|y| !arrays[*i].name.eq_ignore_ascii_case(y));
                let tables: Vec<usize> = (0..arrays.len()).filter(|&i| arrays[i].is_table()).filter(free).collect();
                let [only] = *tables else {
                    let message = format!(
                        "expected an array `{}` (upper or lower case) for the samples, or only one matrix, found: {}; \
                         --x-key NAME says which one is meant",
                        X_KEYS.join("`, `"),
                        all()
                    );
                    return Err(Error::format(path, message));
                };
                notes.push(format!("the samples are `{}`, the only matrix", arrays[only].name));
                only
            }
        },
    };
    let y = match &opts.y_key {
        Some(key) => match asked(key, "labels") {
            Err(_) if opts.y_optional => {
                notes.push(unlabelled("array", key));
                None
            }
            found => Some(found?),
        },
        None => match usual(&Y_KEYS, "--y-key")?.filter(|&y| y != x) {
            // No option names these labels: the samples are read without them.
            Some(at) if arrays[at].odd.is_some() || !arrays[at].is_column() => {
                notes.push(format!(
                    "{} is no column of labels that can be read: there are no labels",
                    arrays[at].describe()
                ));
                None
            }
            found => found,
        },
    };
    let others = |at: usize, keys: &[&str]| {
        let is = |a: &Array| keys.iter().any(|key| a.name.eq_ignore_ascii_case(key)) && a.name != arrays[at].name;
        arrays.iter().filter(|a| a.is_table() && is(a)).map(Array::describe).collect::<Vec<_>>()
    };
    let passed = if opts.x_key.is_none() { others(x, &X_KEYS) } else { Vec::new() };
    if !passed.is_empty() {
        notes.push(format!(
            "the samples are `{}`, not {}; --x-key NAME takes another",
            arrays[x].name,
            passed.join(", ")
        ));
    }
    for &at in y.iter().chain([&x]) {
        if let Some(odd) = &arrays[at].odd {
            let advice = if odd == "sparse" {
                format!("; full({}) makes them plain in MATLAB", arrays[at].name)
            } else {
                String::new()
            };
            let message = format!("expected plain numbers, found {}{advice}", arrays[at].describe());
            return Err(Error::format(path, message));
        }
    }
    if let Some(at) = y.filter(|&at| !arrays[at].is_column()) {
        return Err(Error::format(path, format!("expected labels of one column, found {}", arrays[at].describe())));
    }
    Ok(Chosen { x, y, notes })
}

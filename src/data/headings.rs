//! What the headings of a table tell about its columns.

use std::collections::HashSet;

/// Headers of a column that names the samples, the likeliest first.
pub(super) const NAME_COLUMNS: [&str; 10] =
    ["file", "filename", "file_name", "path", "image", "fname", "name", "id", "sample", "sample_id"];
/// Headers of the index column that pandas and R write.
pub(super) const ROW_NAMES: [&str; 5] = ["", "index", "unnamed: 0", "rownames", "row.names"];

/// Headers of a column that is read as labels.
pub(super) const LABEL_COLUMNS: [&str; 3] = ["label", "labels", "class"];
/// What samples and features are called: a first column of this name has theirs.
const NAMED: [&str; 24] = [
    "barcode",
    "barcodes",
    "cell",
    "cells",
    "cell_barcode",
    "gene",
    "genes",
    "gene_name",
    "symbol",
    "entrez",
    "ensembl",
    "probe",
    "patient",
    "subject",
    "participant",
    "donor",
    "specimen",
    "individual",
    "sample_name",
    "samples",
    "unnamed",
    "rowname",
    "key",
    "accession",
];

/// Headers that suggest labels. Those not in [`LABEL_COLUMNS`] are labels only with --y-key; a note says so.
const LIKE_LABELS: [&str; 9] = ["label", "labels", "class", "y", "target", "species", "digit", "category", "cluster"];

/// Whether a first column of this name has the names of the samples.
pub(super) fn names_samples(heading: &str) -> bool {
    let is_id = || {
        let word = heading.strip_suffix("ID").or_else(|| heading.strip_suffix("Id"));
        let separated = heading.strip_suffix("id").filter(|word| word.ends_with(['_', '-', ' ', '.']));
        word.or(separated).is_some()
    };
    NAME_COLUMNS.iter().chain(&ROW_NAMES).chain(&NAMED).any(|word| heading.eq_ignore_ascii_case(word)) || is_id()
}

/// A note about a column that is read as a feature, if its name suggests labels.
pub(super) fn like_labels(heading: &str) -> Option<String> {
    let suggests = LIKE_LABELS.iter().any(|word| heading.eq_ignore_ascii_case(word));
    suggests.then(|| format!("the column `{heading}` is read as a feature; --y-key {heading} takes it as labels"))
}

/// Whether the cells of a first column that is read as a feature may be names: whole numbers, no two the same.
pub(super) struct Different(Option<HashSet<u64>>);

/// Of fewer lines that says nothing.
const FEW: usize = 10;

impl Default for Different {
    fn default() -> Self {
        Self(Some(HashSet::new()))
    }
}

impl Different {
    /// Adds a cell; None if it is no whole number.
    pub(super) fn take(&mut self, cell: impl FnOnce() -> Option<u64>) {
        if let Some(seen) = &mut self.0
            && !cell().is_some_and(|number| seen.insert(number))
        {
            self.0 = None;
        }
    }

    /// A note about the column of this name, once all cells are there.
    pub(super) fn note(&self, heading: &str) -> Option<String> {
        self.0.as_ref().filter(|seen| seen.len() >= FEW)?;
        Some(format!(
            "the first column, `{heading}`, is read as a feature; its numbers are whole and all different: if they name the samples, \
             --leave-out {heading} leaves it out, or call it `name`"
        ))
    }
}

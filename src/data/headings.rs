//! What the headings of a table tell about its columns.

/// Headers of a column that names the samples, the likeliest first.
pub(super) const NAME_COLUMNS: [&str; 10] =
    ["file", "filename", "file_name", "path", "image", "fname", "name", "id", "sample", "sample_id"];
/// Headers of the index column that pandas and R write.
pub(super) const ROW_NAMES: [&str; 5] = ["", "index", "unnamed: 0", "rownames", "row.names"];

/// Headers of a column that is read as labels.
pub(super) const LABEL_COLUMNS: [&str; 3] = ["label", "labels", "class"];
/// Headers that suggest labels. Those not in [`LABEL_COLUMNS`] are labels only with --y-key; a note says so.
const LIKE_LABELS: [&str; 9] = ["label", "labels", "class", "y", "target", "species", "digit", "category", "cluster"];

/// Whether a first column of this name has the names of the samples.
pub(super) fn names_samples(heading: &str) -> bool {
    let is_id = || {
        let word = heading.strip_suffix("ID").or_else(|| heading.strip_suffix("Id"));
        let separated = heading.strip_suffix("id").filter(|word| word.ends_with(['_', '-', ' ', '.']));
        word.or(separated).is_some() || ["barcode", "rowname"].iter().any(|word| heading.eq_ignore_ascii_case(word))
    };
    NAME_COLUMNS.iter().chain(&ROW_NAMES).any(|word| heading.eq_ignore_ascii_case(word)) || is_id()
}

/// A note about a column that is read as a feature, if its name suggests labels.
pub(super) fn like_labels(heading: &str) -> Option<String> {
    let suggests = LIKE_LABELS.iter().any(|word| heading.eq_ignore_ascii_case(word));
    suggests.then(|| format!("the column `{heading}` is read as a feature; --y-key {heading} takes it as labels"))
}

//! Texts by which published tables mark a gap.

/// Marks of a gap in any column.
const ANYWHERE: [&str; 13] =
    ["", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "NULL", "null", "Null"];

/// Marks of a gap among numbers. In a column of texts they may be a category.
const AMONG_NUMBERS: [&str; 12] =
    ["-", "--", ".", "..", "…", "None", "none", "missing", "na", "n.a.", "unknown", "*"];

/// Whether a text marks a gap in any column.
pub(super) fn is_gap(text: &str) -> bool {
    ANYWHERE.contains(&text)
}

/// Whether a text marks a gap in a column of numbers.
pub(super) fn is_gap_among_numbers(text: &str) -> bool {
    is_gap(text) || AMONG_NUMBERS.contains(&text)
}

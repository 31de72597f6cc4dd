use std::ops::Range;

use crate::config::Report;

/// The place in the file of a place in a condition, given as line and column, both counted from 1.
/// YAML may have indented, folded or quoted the condition; where its line cannot be found again,
/// the whole condition is the place.
pub(super) fn in_file(
    report: &Report,
    span: &Range<usize>,
    condition: &str,
    (line, column): (usize, usize),
) -> Range<usize> {
    let whole = span.clone();
    let slice = report.slice(span);
    let mut cursor = 0;
    for (position, content) in condition.split('\n').enumerate() {
        let Some(found) = slice.get(cursor..).and_then(|rest| rest.find(content.trim_end())) else {
            return whole;
        };
        let start = cursor + found;
        if position + 1 == line {
            let offset = content.char_indices().nth(column.saturating_sub(1));
            let end = content.trim_end().len();
            let at = offset.map_or(end, |(at, _)| at).min(end);
            let from = span.start + start + at;
            let width = content.get(at..).and_then(|rest| rest.chars().next());
            return from..from + width.map_or(0, char::len_utf8);
        }
        cursor = start + content.trim_end().len();
    }
    whole
}

/// Line and column, counted from 1, of a character of a condition.
pub(super) fn of_character(condition: &str, offset: usize) -> (usize, usize) {
    let mut place = (1, 1);
    for letter in condition.chars().take(offset) {
        place = match letter {
            '\n' => (place.0 + 1, 1),
            _ => (place.0, place.1 + 1),
        };
    }
    place
}

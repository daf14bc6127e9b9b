//! Escaping of text.

/// `text` as the content of an element or of a quoted attribute of HTML or XML.
///
/// Control characters, which XML cannot hold, become the replacement character.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            c => out.push(no_control(c)),
        }
    }
    out
}

/// `text` in one line without control characters, which become the replacement character.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(no_control).collect()
}

fn no_control(c: char) -> char {
    if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') { '\u{FFFD}' } else { c }
}

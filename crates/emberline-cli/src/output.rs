//! Where answers and notes go, and how tables look.

use std::fmt::Display;
use std::io::{self, Write};

use anyhow::Result;
use comfy_table::{LineStyle, Table, TableStyle};
use serde::Serialize;

use crate::progress;

/// A line below the header, and no other: rows are read down as often as across.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Writes a line of the answer to standard output.
///
/// A closed pipe is an [`io::Error`], which `main` takes for the reader's wish to stop.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Writes the answer as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    Ok(line(serde_json::to_string(value)?)?)
}

/// Writes a line to standard error, above any progress.
pub(crate) fn note(text: impl Display) {
    // There is nobody left to tell that standard error is closed.
    progress::suspend(|| drop(writeln!(io::stderr().lock(), "{text}")));
}

/// An empty table.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    table_of(header.map(String::from).to_vec())
}

/// An empty table whose columns are known at run time.
pub(crate) fn table_of(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header);
    table
}

/// Writes a table; spaces at the ends of its lines are left out.
pub(crate) fn print(table: &Table) -> io::Result<()> {
    line(table.trim_fmt())
}

/// `12,345`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 image`, `2 images`.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// Text from a file's name or content, safe for a terminal: without the characters that control it.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}

/// A path as short as it can be said here: relative to the current folder if it is in it.
pub(crate) fn short_path(origin: &str) -> String {
    let here = std::env::current_dir().ok();
    let short = here.and_then(|here| {
        std::path::Path::new(origin).strip_prefix(here).ok().map(|p| p.display().to_string())
    });
    printable(&short.filter(|path| !path.is_empty()).unwrap_or_else(|| origin.to_string()))
}

/// Makes the libraries' warnings, such as that of a missing ONNX Runtime, lines of standard error.
pub(crate) fn log_warnings() {
    static WARNINGS: Warnings = Warnings;
    // Fails only if there is a logger already.
    if log::set_logger(&WARNINGS).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // Other libraries' warnings are about their own insides.
        metadata.target().starts_with("emberline")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            note(format!("warning: {}", record.args()));
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_thousands() {
        let check = |number, expected| assert_eq!(thousands(number), expected);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(12_345_678, "12,345,678");
        assert_eq!(count(1, "image"), "1 image");
        assert_eq!(count(2_000, "image"), "2,000 images");
    }

    #[test]
    fn terminals_are_not_controlled() {
        assert_eq!(printable("a\u{1b}[31mb\r\nc"), "a\u{fffd}[31mb\u{fffd}\nc");
    }
}

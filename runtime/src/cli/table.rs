//! Aligned tables for people.
//!
//! Pure: rows go in, text comes out. Invariant: every line has every column, and no line ends in spaces.

use std::fmt;

/// Where a column's texts stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table with a line of titles.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// One more row; cells that are missing are empty.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| one_line(&cell)).collect());
    }

    /// Whether there is nothing but titles.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn width(&self, column: usize, title: &str) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).chain([title.chars().count()]).max().unwrap_or_default()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<_> =
            self.columns.iter().enumerate().map(|(index, (title, _))| self.width(index, title)).collect();
        let titles: Vec<String> = self.columns.iter().map(|(title, _)| (*title).to_owned()).collect();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let mut line = String::new();
            for (index, ((_, align), width)) in self.columns.iter().zip(&widths).enumerate() {
                let cell = row.get(index).map(String::as_str).unwrap_or_default();
                let padding = " ".repeat(width - cell.chars().count());
                let gap = if index == 0 { "" } else { "  " };
                line += &match align {
                    Align::Left => format!("{gap}{cell}{padding}"),
                    Align::Right => format!("{gap}{padding}{cell}"),
                };
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// What would break the line is shown as an escape: a name from outside must not draw on the terminal.
fn one_line(cell: &str) -> String {
    if cell.chars().any(char::is_control) {
        cell.chars()
            .flat_map(|it| if it.is_control() { it.escape_default().collect() } else { vec![it] })
            .collect()
    } else {
        cell.to_owned()
    }
}

/// A number, or `-` where there is none.
pub(super) fn number(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Numbers as `1,2,3`.
pub(super) fn numbers(values: &[i32]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Bytes with a unit that people can read.
pub(super) fn size(bytes: i64) -> String {
    let mut amount = bytes;
    let mut rest = 0;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if amount < 1024 || unit == "TiB" {
            return if unit == "B" {
                format!("{amount} B")
            } else {
                format!("{amount}.{} {unit}", rest * 10 / 1024)
            };
        }
        (amount, rest) = (amount / 1024, amount % 1024);
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_clean() {
        let mut table = Table::new(&[("NAME", Align::Left), ("N", Align::Right), ("WHY", Align::Left)]);
        assert!(table.is_empty());
        table.row(["a".to_owned(), "100".to_owned(), String::new()]);
        table.row(["größer".to_owned(), "2".to_owned(), "x\ny\u{1b}".to_owned()]);
        let text = "NAME      N  WHY\na       100\ngrößer    2  x\\ny\\u{1b}\n";
        assert_eq!(table.to_string(), text);
    }

    #[test]
    fn sizes_have_one_digit_behind_the_point() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 << 30), "5.0 GiB");
        assert_eq!(
            (number(Some(3)), number(None::<i64>), numbers(&[1, 2])),
            ("3".into(), "-".into(), "1,2".into())
        );
    }
}

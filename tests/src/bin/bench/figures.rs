//! What was measured, and the tables that show it.

use std::time::Duration;

use super::usage::Usage;

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) what: String,
    /// How much it was.
    pub(crate) measured: f64,
    /// How much is aimed at.
    pub(crate) aim: f64,
    /// The unit of both.
    pub(crate) unit: &'static str,
    /// Whether more is better.
    pub(crate) rising: bool,
    /// How it was measured, and what it cost.
    pub(crate) note: String,
}

impl Figure {
    /// A figure of which less is better.
    pub(crate) fn falling(what: impl Into<String>, measured: f64, aim: f64, unit: &'static str) -> Self {
        Self { what: what.into(), measured, aim, unit, rising: false, note: String::new() }
    }

    /// The same with a note.
    #[must_use]
    pub(crate) fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// One capture by both sides.
#[derive(Debug)]
pub(crate) struct Duel {
    /// What both did.
    pub(crate) what: &'static str,
    /// What it took Millrace, from the command to the last record.
    pub(crate) own: Usage,
    /// What it took the rival, from its first record to the last.
    pub(crate) rival: Usage,
}

/// Records in a time.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn rate(what: impl Into<String>, records: u64, took: Duration, aim: f64, note: &str) -> Figure {
    let note = format!("{:.2} s; {note}", took.as_secs_f64());
    Figure {
        what: what.into(),
        measured: records as f64 / took.as_secs_f64(),
        aim,
        unit: "/s",
        rising: true,
        note,
    }
}

/// Memory in bytes.
pub(crate) fn memory(what: impl Into<String>, bytes: u64, aim: f64) -> Figure {
    Figure::falling(what, mebibytes(bytes), aim, "MiB").noted("resident")
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// Prints all of it.
pub(crate) fn print(figures: &[Figure], duels: &[Duel]) {
    println!("| what | measured | aim | | |\n| --- | ---: | ---: | --- | --- |");
    for figure in figures {
        let reached =
            if figure.rising { figure.measured >= figure.aim } else { figure.measured <= figure.aim };
        let verdict = if reached { "reached" } else { "MISSED" };
        let (measured, aim) = (shown(figure.measured), shown(figure.aim));
        println!(
            "| {} | {measured} {} | {aim} {} | {verdict} | {} |",
            figure.what, figure.unit, figure.unit, figure.note
        );
    }
    if duels.is_empty() {
        return;
    }
    println!("\n| beside the rival | | Millrace | rival | ratio |\n| --- | --- | ---: | ---: | ---: |");
    for Duel { what, own, rival } in duels {
        let line = |unit: &str, own: f64, rival: f64, ratio: f64| {
            println!("| {what} | {unit} | {} | {} | {ratio:.1} |", shown(own), shown(rival));
        };
        line("rows/s", own.rate(), rival.rate(), own.rate() / rival.rate());
        let (mine, theirs) = (own.processor_per_million(), rival.processor_per_million());
        line("processor s/million", mine, theirs, theirs / mine);
        let (mine, theirs) = (mebibytes(own.memory_peak), mebibytes(rival.memory_peak));
        line("peak MiB", mine, theirs, theirs / mine);
    }
}

/// A number with as many digits as it is worth.
fn shown(number: f64) -> String {
    if number < 20.0 { format!("{number:.2}") } else { format!("{number:.0}") }
}

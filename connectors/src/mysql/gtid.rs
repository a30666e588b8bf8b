//! GTID sets: which transactions were seen. MySQL's (`uuid:1-5:7`, with tags since 8.3) and MariaDB's (`domain-server-sequence`).
//!
//! A set stands in the offset as text and is compared with the server's at resume. Invariants: intervals are sorted, do not
//! touch, and include both ends; MariaDB's set keeps the last transaction of each domain, which stands for all before it.

use std::collections::BTreeMap;
use std::fmt;

use api::{Error, Result};
use mysql_async::{GnoInterval, Sid};

/// A set of transactions, in the words of the server that made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GtidSet {
    /// MySQL: per server (and tag), intervals of numbers.
    MySql(MySqlGtids),
    /// MariaDB: per domain, the last transaction.
    MariaDb(MariaDbGtids),
}

/// MySQL's set: `(server uuid, tag)` to intervals that include both ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MySqlGtids(BTreeMap<(String, String), Vec<(u64, u64)>>);

/// MariaDB's set: domain to the server and number of its last transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MariaDbGtids(BTreeMap<u32, (u32, u64)>);

impl MySqlGtids {
    /// Reads what MySQL and Debezium write: `uuid:1-5:7:tag:1-2,uuid2:1`; empty text is the empty set.
    ///
    /// # Errors
    /// `Fatal` that names the part which is no GTID set.
    pub fn parse(text: &str) -> Result<Self> {
        let mut set = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || Error::fatal(format!("\"{part}\" is not a part of a MySQL GTID set"));
            let mut pieces = part.split(':').map(str::trim);
            let uuid = pieces.next().filter(|uuid| uuid_bytes(uuid).is_some()).ok_or_else(wrong)?;
            let mut tag = "";
            for piece in pieces {
                if piece.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                    tag = piece;
                    continue;
                }
                let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
                let number = |text: &str| text.parse::<u64>().map_err(|error| wrong().with_source(error));
                let (first, last) = (number(first)?, number(last)?);
                if first == 0 || last < first {
                    return Err(wrong());
                }
                set.add_interval(uuid, tag, (first, last));
            }
        }
        Ok(set)
    }

    /// Adds one transaction.
    pub fn add(&mut self, uuid: &str, tag: &str, number: u64) {
        // The next number of the last interval is by far the most frequent.
        if let Some(intervals) = self.0.get_mut(&(uuid.to_owned(), tag.to_owned()))
            && let Some(last) = intervals.last_mut().filter(|last| last.1.checked_add(1) == Some(number))
        {
            last.1 = number;
            return;
        }
        self.add_interval(uuid, tag, (number, number));
    }

    fn add_interval(&mut self, uuid: &str, tag: &str, interval: (u64, u64)) {
        let intervals = self.0.entry((uuid.to_lowercase(), tag.to_lowercase())).or_default();
        intervals.push(interval);
        intervals.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
        for &(first, last) in intervals.iter() {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        *intervals = joined;
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for (source, intervals) in &self.0 {
            let taken = other.0.get(source).map_or(&[][..], Vec::as_slice);
            let left: Vec<_> = intervals.iter().flat_map(|&interval| cut(interval, taken)).collect();
            if !left.is_empty() {
                rest.0.insert(source.clone(), left);
            }
        }
        rest
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a tag stands in it, which the dump request of the library cannot carry.
    #[must_use]
    pub fn has_tags(&self) -> bool {
        self.0.keys().any(|(_, tag)| !tag.is_empty())
    }

    /// The set as the dump command takes it; tags are left out (see [`MySqlGtids::has_tags`]).
    #[must_use]
    pub fn to_sids(&self) -> Vec<Sid<'static>> {
        let untagged = self.0.iter().filter(|((_, tag), _)| tag.is_empty());
        let sid = |(uuid, intervals): (&String, &Vec<(u64, u64)>)| {
            let intervals =
                intervals.iter().map(|&(first, last)| GnoInterval::new(first, last.saturating_add(1)));
            Some(Sid::new(uuid_bytes(uuid)?).with_intervals(intervals.collect()))
        };
        untagged.filter_map(|((uuid, _), intervals)| sid((uuid, intervals))).collect()
    }
}

/// An interval without the taken ones, which are sorted.
fn cut((mut first, last): (u64, u64), taken: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut left = Vec::new();
    for &(start, end) in taken {
        if start > last || end < first {
            continue;
        }
        if start > first {
            left.push((first, start - 1));
        }
        let Some(next) = end.checked_add(1).filter(|next| *next <= last) else { return left };
        first = next;
    }
    left.push((first, last));
    left
}

/// The 16 bytes of a UUID's text.
#[must_use]
pub fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    if digits.len() != 32 || text.len() != 36 {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// The text of a UUID's 16 bytes.
#[must_use]
pub fn uuid_text(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    text
}

impl fmt::Display for MySqlGtids {
    /// As MySQL prints `gtid_executed`, on one line: a server's tags follow its untagged intervals.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut uuid_before: Option<&str> = None;
        for ((uuid, tag), intervals) in &self.0 {
            match uuid_before {
                Some(before) if before == uuid => {}
                Some(_) => write!(formatter, ",{uuid}")?,
                None => formatter.write_str(uuid)?,
            }
            uuid_before = Some(uuid);
            if !tag.is_empty() {
                write!(formatter, ":{tag}")?;
            }
            for (first, last) in intervals {
                if first == last {
                    write!(formatter, ":{first}")?;
                } else {
                    write!(formatter, ":{first}-{last}")?;
                }
            }
        }
        Ok(())
    }
}

impl MariaDbGtids {
    /// Reads `domain-server-sequence` parts with commas between.
    ///
    /// # Errors
    /// `Fatal` that names the part which is no GTID.
    pub fn parse(text: &str) -> Result<Self> {
        let mut set = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (domain, server, sequence) = parse_mariadb_gtid(part)?;
            set.add(domain, server, sequence);
        }
        Ok(set)
    }

    /// Adds one transaction: it becomes the last of its domain.
    pub fn add(&mut self, domain: u32, server: u32, sequence: u64) {
        self.0.insert(domain, (server, sequence));
    }

    /// Whether a transaction is in the set: not after the last of its domain.
    #[must_use]
    pub fn contains(&self, domain: u32, sequence: u64) -> bool {
        self.0.get(&domain).is_some_and(|(_, last)| sequence <= *last)
    }
}

/// The parts of one MariaDB GTID.
///
/// # Errors
/// `Fatal` when it is none.
fn parse_mariadb_gtid(text: &str) -> Result<(u32, u32, u64)> {
    let wrong = || Error::fatal(format!("\"{text}\" is not a MariaDB GTID (domain-server-sequence)"));
    let mut parts = text.split('-');
    let (Some(domain), Some(server), Some(sequence), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    Ok((
        domain.parse().map_err(|error| wrong().with_source(error))?,
        server.parse().map_err(|error| wrong().with_source(error))?,
        sequence.parse().map_err(|error| wrong().with_source(error))?,
    ))
}

impl fmt::Display for MariaDbGtids {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (domain, (server, sequence))) in self.0.iter().enumerate() {
            write!(formatter, "{}{domain}-{server}-{sequence}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl GtidSet {
    /// Reads a set in the form of this server's flavour.
    ///
    /// # Errors
    /// `Fatal` when it is in no such form.
    pub fn parse(text: &str, mariadb: bool) -> Result<Self> {
        if mariadb {
            MariaDbGtids::parse(text).map(Self::MariaDb)
        } else {
            MySqlGtids::parse(text).map(Self::MySql)
        }
    }

    /// Whether every transaction of another set is in this one. Sets of different flavours have nothing in common.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::MySql(set), Self::MySql(other)) => other.minus(set).is_empty(),
            (Self::MariaDb(set), Self::MariaDb(other)) => {
                other.0.iter().all(|(domain, (_, sequence))| set.contains(*domain, *sequence))
            }
            _ => false,
        }
    }

    /// Whether one transaction, in its printed form, is in the set. What is no GTID is in none.
    #[must_use]
    pub fn contains(&self, gtid: &str) -> bool {
        match self {
            Self::MySql(set) => {
                MySqlGtids::parse(gtid).is_ok_and(|one| !one.is_empty() && one.minus(set).is_empty())
            }
            Self::MariaDb(set) => {
                parse_mariadb_gtid(gtid).is_ok_and(|(domain, _, sequence)| set.contains(domain, sequence))
            }
        }
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql(set) => set.fmt(formatter),
            Self::MariaDb(set) => set.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn mysql(text: &str) -> MySqlGtids {
        MySqlGtids::parse(text).unwrap()
    }

    #[test]
    fn a_set_prints_as_it_is_read() {
        for text in [String::new(), format!("{A}:1-5:7"), format!("{A}:1-5:blue:1-2,{B}:9")] {
            assert_eq!(mysql(&text).to_string(), text);
        }
        assert_eq!(mysql(&format!("{A}:3-4:1-2,\n{A}:5")).to_string(), format!("{A}:1-5"));
        for wrong in ["x:1".to_owned(), format!("{A}:5-1"), format!("{A}:0"), format!("{A}:1-x")] {
            assert!(MySqlGtids::parse(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn transactions_join_their_intervals() {
        let mut set = mysql(&format!("{A}:1-3:5"));
        set.add(A, "", 6);
        set.add(A, "", 4);
        set.add(A, "blue", 1);
        assert_eq!(set.to_string(), format!("{A}:1-6:blue:1"));
        assert!(set.has_tags());
    }

    #[test]
    fn a_difference_keeps_what_the_other_lacks() {
        let rest = mysql(&format!("{A}:1-10,{B}:1-2")).minus(&mysql(&format!("{A}:1-3:5:9-20")));
        assert_eq!(rest.to_string(), format!("{A}:4:6-8,{B}:1-2"));
        assert!(mysql(&format!("{A}:2-3")).minus(&mysql(&format!("{A}:1-3"))).is_empty());
    }

    #[test]
    fn membership_is_told_for_both_flavours() {
        let set = GtidSet::parse(&format!("{A}:1-5"), false).unwrap();
        assert!(set.contains(&format!("{A}:5")) && !set.contains(&format!("{A}:6")) && !set.contains(""));
        let set = GtidSet::parse("0-1-9,2-1-4", true).unwrap();
        assert!(set.contains("0-7-9") && !set.contains("0-1-10") && !set.contains("1-1-1"));
        assert_eq!(set.to_string(), "0-1-9,2-1-4");
        assert!(GtidSet::parse("0-1", true).is_err());
    }

    #[test]
    fn uuids_survive_their_bytes() {
        assert_eq!(uuid_text(&uuid_bytes(A).unwrap()), A);
        assert_eq!(uuid_bytes("3e11fa47"), None);
    }
}

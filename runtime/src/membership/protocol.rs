//! What workers tell each other inside JoinGroup and SyncGroup, in Kafka Connect's bytes.
//!
//! Between the group and the assignor; pure. Source: `ConnectProtocol` and `IncrementalCooperativeConnectProtocol`. A member claims what it
//! runs; the leader answers with what is new and what is to be given up. Versions: 0 (`default`: everyone gives up everything
//! first, and is told all of its work), 1 (`compatible`), 2 (`sessioned`: internal requests are signed; the same bytes). Behind what
//! Connect reads our workers say a little more, which Connect passes over: see [`Claim::fences`] and [`Share::handed`]. Invariant:
//! nothing is allocated for a length that the bytes do not have.

use api::{Bytes, Text};

use crate::herder::{Assignment, TaskId};

/// What stands for the connector itself among its tasks.
const CONNECTOR: i32 = -1;

/// Begins what only our workers say and read.
const OURS: &[u8] = b"millrace";

/// The leader could not read the config topic as far as some member has (`CONFIG_MISMATCH`).
pub(super) const CONFIG_MISMATCH: i16 = 1;

/// The way in which work is shared out; the number is the version of what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    /// Everyone gives up everything before each round.
    Default,
    /// Only what changes hands is given up.
    Compatible,
    /// The same, with signed requests between workers.
    Sessioned,
}

impl Protocol {
    /// As members agree on it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Compatible => "compatible",
            Self::Sessioned => "sessioned",
        }
    }

    /// The one of this name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        [Self::Default, Self::Compatible, Self::Sessioned].into_iter().find(|known| known.name() == name)
    }

    /// All that a worker offers whose best one this is, best first.
    pub(super) fn offers(self) -> impl Iterator<Item = Self> {
        let all = [Self::Sessioned, Self::Compatible, Self::Default];
        all.into_iter().filter(move |offered| *offered <= self)
    }

    const fn version(self) -> i16 {
        match self {
            Self::Default => 0,
            Self::Compatible => 1,
            Self::Sessioned => 2,
        }
    }
}

/// What a member says when it joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Claim {
    /// Where its REST is reached.
    pub(super) url: String,
    /// How far it has read the config topic.
    pub(super) config_offset: i64,
    /// What it runs, and may still be stopping; `assigned` counts. Not said in version 0.
    pub(super) current: Share,
    /// It is one of ours, and its sources write in transactions: whoever runs one of their tasks next shuts it out. Not said in version 0.
    pub(super) fences: bool,
}

/// What the leader says to a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// 0, or [`CONFIG_MISMATCH`].
    pub(super) error: i16,
    /// Who leads.
    pub(super) leader: String,
    /// Where its REST is reached.
    pub(super) leader_url: String,
    /// Up to where the config topic must have been read before this work is run.
    pub(super) config_offset: i64,
    /// New work; in version 0 all of it.
    pub(super) assigned: Assignment,
    /// Work to be given up. Not said in version 0.
    pub(super) revoked: Assignment,
    /// After how long there will be a round again, in milliseconds; 0 for none.
    pub(super) delay_ms: i32,
    /// What of the revoked others were given in this very round. Only said where every member is one of ours.
    pub(super) handed: Assignment,
}

/// Why bytes cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(String);

/// Writes a claim.
pub(super) fn encode_claim(protocol: Protocol, claim: &Claim) -> Result<Bytes, Malformed> {
    let mut out = protocol.version().to_be_bytes().to_vec();
    put_text(&mut out, &claim.url)?;
    out.extend(claim.config_offset.to_be_bytes());
    if protocol != Protocol::Default {
        if claim.current.assigned == Assignment::default() {
            out.extend((-1_i32).to_be_bytes());
        } else {
            let current = encode_share(protocol, &claim.current)?;
            out.extend(length(current.len())?.to_be_bytes());
            out.extend(current);
        }
        if claim.fences {
            out.extend(OURS);
        }
    }
    Ok(out.into())
}

/// Reads a claim of any version; a newer one as our newest.
pub(super) fn decode_claim(bytes: Bytes) -> Result<Claim, Malformed> {
    let mut input = Input(bytes);
    let version = input.i16()?;
    let url = input.text()?.to_string();
    let config_offset = input.i64()?;
    let mut claim = Claim { url, config_offset, current: Share::default(), fences: false };
    if version >= 1 {
        let size = input.i32()?;
        if size >= 0 {
            claim.current = decode_share(input.take(usize::try_from(size).unwrap_or(usize::MAX))?)?;
        }
        claim.fences = input.is_ours();
    }
    Ok(claim)
}

/// Writes a share.
pub(super) fn encode_share(protocol: Protocol, share: &Share) -> Result<Bytes, Malformed> {
    let mut out = protocol.version().to_be_bytes().to_vec();
    out.extend(share.error.to_be_bytes());
    put_text(&mut out, &share.leader)?;
    put_text(&mut out, &share.leader_url)?;
    out.extend(share.config_offset.to_be_bytes());
    put_work(&mut out, &share.assigned)?;
    if protocol != Protocol::Default {
        put_work(&mut out, &share.revoked)?;
        out.extend(share.delay_ms.to_be_bytes());
        if share.handed != Assignment::default() {
            out.extend(OURS);
            put_work(&mut out, &share.handed)?;
        }
    }
    Ok(out.into())
}

/// Reads a share of any version; a newer one as our newest.
pub(super) fn decode_share(bytes: Bytes) -> Result<Share, Malformed> {
    let mut input = Input(bytes);
    let version = input.i16()?;
    let mut share = Share {
        error: input.i16()?,
        leader: input.text()?.to_string(),
        leader_url: input.text()?.to_string(),
        config_offset: input.i64()?,
        assigned: input.work()?,
        ..Share::default()
    };
    if version >= 1 {
        share.revoked = input.work()?;
        share.delay_ms = input.i32()?;
        if input.is_ours() {
            share.handed = input.work()?;
        }
    }
    Ok(share)
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), Malformed> {
    let size = i16::try_from(text.len())
        .map_err(|error| Malformed(format!("a name of {} bytes is too long: {error}", text.len())))?;
    out.extend(size.to_be_bytes());
    out.extend(text.as_bytes());
    Ok(())
}

fn put_work(out: &mut Vec<u8>, work: &Assignment) -> Result<(), Malformed> {
    let mut by_connector: std::collections::BTreeMap<&str, Vec<i32>> = std::collections::BTreeMap::new();
    for name in &work.connectors {
        by_connector.entry(name).or_default().push(CONNECTOR);
    }
    for id in &work.tasks {
        let task = i32::try_from(id.task)
            .map_err(|error| Malformed(format!("task {id} has no place in the protocol: {error}")))?;
        by_connector.entry(&id.connector).or_default().push(task);
    }
    out.extend(length(by_connector.len())?.to_be_bytes());
    for (name, tasks) in by_connector {
        put_text(out, name)?;
        out.extend(length(tasks.len())?.to_be_bytes());
        tasks.iter().for_each(|task| out.extend(task.to_be_bytes()));
    }
    Ok(())
}

fn length(length: usize) -> Result<i32, Malformed> {
    i32::try_from(length).map_err(|error| Malformed(format!("{length} things are too many: {error}")))
}

/// Bytes to be read.
struct Input(Bytes);

impl Input {
    fn take(&mut self, size: usize) -> Result<Bytes, Malformed> {
        if size > self.0.len() {
            return Err(Malformed(format!("{size} bytes are announced, {} are left", self.0.len())));
        }
        Ok(self.0.split_to(size))
    }

    /// Whether our own words follow; takes their beginning.
    fn is_ours(&mut self) -> bool {
        let ours = self.0.starts_with(OURS);
        if ours {
            drop(self.0.split_to(OURS.len()));
        }
        ours
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.take(N)?;
        bytes.first_chunk().copied().ok_or_else(|| Malformed(format!("{N} bytes are missing")))
    }

    fn i16(&mut self) -> Result<i16, Malformed> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<Text, Malformed> {
        let size = self.i16()?;
        let size = usize::try_from(size).map_err(|error| Malformed(format!("a name is missing: {error}")))?;
        let bytes = self.take(size)?;
        Text::try_from(bytes).map_err(|error| Malformed(format!("a name is not UTF-8: {error}")))
    }

    /// A nullable array of connectors, each with its tasks.
    fn work(&mut self) -> Result<Assignment, Malformed> {
        let mut work = Assignment::default();
        for _ in 0..self.i32()?.max(0) {
            let name = self.text()?.to_string();
            for _ in 0..self.i32()?.max(0) {
                let task = self.i32()?;
                if task == CONNECTOR {
                    work.connectors.insert(name.clone());
                    continue;
                }
                let task = u32::try_from(task)
                    .map_err(|error| Malformed(format!("task {task} of connector {name}: {error}")))?;
                work.tasks.insert(TaskId::new(name.clone(), task));
            }
        }
        Ok(work)
    }
}

#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;

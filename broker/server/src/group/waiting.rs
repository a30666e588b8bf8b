//! Who waits for an answer of a group, and the answers on their way to them.

use std::collections::HashMap;

use broker_protocol::ErrorCode;
use tokio::sync::oneshot;

use super::{
    consumer::{BeatAnswer, Refused},
    member::Token,
    state::{Answered, JoinAnswer, SyncAnswer},
};

/// What comes of a heartbeat of the consumer protocol.
pub(super) type BeatResult = Result<BeatAnswer, Refused>;

/// The requests that the groups have not answered yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    joins: HashMap<Token, oneshot::Sender<JoinAnswer>>,
    syncs: HashMap<Token, oneshot::Sender<SyncAnswer>>,
    next_token: Token,
}

/// An answer that can be sent as soon as what it says is on disk.
#[derive(Debug)]
pub(super) enum Due {
    Join(oneshot::Sender<JoinAnswer>, JoinAnswer),
    Sync(oneshot::Sender<SyncAnswer>, SyncAnswer),
    Beat(oneshot::Sender<BeatResult>, BeatResult),
    /// Somebody waits for the records alone.
    Written(oneshot::Sender<ErrorCode>),
}

impl Waiting {
    pub(super) fn for_join(&mut self) -> (Token, oneshot::Receiver<JoinAnswer>) {
        let (sender, receiver) = oneshot::channel();
        self.next_token += 1;
        self.joins.insert(self.next_token, sender);
        (self.next_token, receiver)
    }

    pub(super) fn for_sync(&mut self) -> (Token, oneshot::Receiver<SyncAnswer>) {
        let (sender, receiver) = oneshot::channel();
        self.next_token += 1;
        self.syncs.insert(self.next_token, sender);
        (self.next_token, receiver)
    }

    /// The group has answered: the answer with the one who waits for it.
    pub(super) fn due(&mut self, answered: Answered) -> Option<Due> {
        match answered {
            Answered::Join(token, answer) => {
                self.joins.remove(&token).map(|sender| Due::Join(sender, answer))
            }
            Answered::Sync(token, answer) => {
                self.syncs.remove(&token).map(|sender| Due::Sync(sender, answer))
            }
        }
    }
}

impl Due {
    /// Sends the answer; whoever asked may be gone.
    pub(super) fn deliver(self) {
        let gone = match self {
            Self::Join(sender, answer) => sender.send(answer).is_err(),
            Self::Sync(sender, answer) => sender.send(answer).is_err(),
            Self::Beat(sender, answer) => sender.send(answer).is_err(),
            Self::Written(sender) => sender.send(ErrorCode::NONE).is_err(),
        };
        if gone {
            tracing::debug!("a group member hung up before its answer");
        }
    }

    /// What the answer says could not be written: the client is told to come again.
    pub(super) fn refuse(self) {
        const CODE: ErrorCode = ErrorCode::COORDINATOR_NOT_AVAILABLE;
        match self {
            Self::Join(sender, answer) => {
                Self::Join(sender, JoinAnswer::failed(CODE, answer.member_id)).deliver();
            }
            Self::Beat(sender, _) => {
                let refused = Refused::new(CODE, "The group's state could not be stored.");
                Self::Beat(sender, Err(refused)).deliver();
            }
            Self::Sync(sender, _) => Self::Sync(sender, SyncAnswer::failed(CODE)).deliver(),
            Self::Written(sender) => {
                if sender.send(CODE).is_err() {
                    tracing::debug!("nobody waits for the end of a group any more");
                }
            }
        }
    }
}

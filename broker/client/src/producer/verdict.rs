//! What a coordinator's refusal means for a transactional producer: again, abort, or never again. Pure; the table is that of the
//! Java client's TransactionManager.

use broker_protocol::{ApiKey, ErrorCode};

use crate::error::Error;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same again, after a pause. `elsewhere`: the coordinator is to be looked for anew.
    Retry { elsewhere: bool },
    /// The transaction can only be aborted. `numbers_lost`: and the producer needs a new epoch.
    Abort { numbers_lost: bool },
    /// A newer producer took over.
    Fenced(ErrorCode),
    /// Nothing helps.
    Fatal,
}

/// Judges a failed request to a coordinator.
pub(crate) fn judge(api: ApiKey, error: &Error) -> Verdict {
    let Some(code) = error.code() else {
        // Not an answer: the broker may be gone, and its transactions may be kept by another one now.
        return if error.is_retriable() { Verdict::Retry { elsewhere: true } } else { Verdict::Fatal };
    };
    match code {
        ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
            Verdict::Retry { elsewhere: true }
        }
        ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::PRODUCER_FENCED => Verdict::Fenced(code),
        ErrorCode::TRANSACTION_ABORTABLE => Verdict::Abort { numbers_lost: false },
        ErrorCode::UNKNOWN_PRODUCER_ID | ErrorCode::INVALID_PRODUCER_ID_MAPPING
            if api != ApiKey::InitProducerId && api != ApiKey::TxnOffsetCommit =>
        {
            Verdict::Abort { numbers_lost: true }
        }
        ErrorCode::GROUP_AUTHORIZATION_FAILED
        | ErrorCode::FENCED_INSTANCE_ID
        | ErrorCode::UNKNOWN_MEMBER_ID
        | ErrorCode::ILLEGAL_GENERATION => Verdict::Abort { numbers_lost: false },
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED | ErrorCode::INVALID_TXN_STATE => Verdict::Fatal,
        code if code.is_retriable() => Verdict::Retry { elsewhere: false },
        // Partitions that may not be written, and those that were left out because of them.
        _ if api == ApiKey::AddPartitionsToTxn => Verdict::Abort { numbers_lost: false },
        _ => Verdict::Fatal,
    }
}

/// Of several partitions' answers the one that decides: a final refusal before one that may pass, and before
/// OPERATION_NOT_ATTEMPTED, which only says that another one is to blame.
pub(crate) fn decisive<T>(answers: impl IntoIterator<Item = (T, ErrorCode)>) -> Option<(T, ErrorCode)> {
    let weight = |code: ErrorCode| match code {
        ErrorCode::OPERATION_NOT_ATTEMPTED => 2,
        code if code.is_retriable() => 1,
        _ => 0,
    };
    let refused = answers.into_iter().filter(|(_subject, code)| !code.is_ok());
    refused.min_by_key(|(_subject, code)| weight(*code))
}

#[cfg(test)]
mod tests {
    use broker_protocol::{ApiKey, ErrorCode};

    use super::{Verdict, decisive, judge};
    use crate::error::Error;

    fn verdict(api: ApiKey, code: ErrorCode) -> Verdict {
        let (broker, subject) = ("b".to_owned(), "s".to_owned());
        judge(api, &Error::Refused { broker, api, subject, code, message: None })
    }

    #[test]
    fn as_the_java_client_judges() {
        use ApiKey::{AddOffsetsToTxn, AddPartitionsToTxn, EndTxn, InitProducerId, TxnOffsetCommit};
        let abort = |numbers_lost| Verdict::Abort { numbers_lost };
        let retry = |elsewhere| Verdict::Retry { elsewhere };
        for (api, code, expected) in [
            (EndTxn, ErrorCode::CONCURRENT_TRANSACTIONS, retry(false)),
            (InitProducerId, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, retry(false)),
            (InitProducerId, ErrorCode::NOT_COORDINATOR, retry(true)),
            (AddPartitionsToTxn, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, retry(false)),
            (AddPartitionsToTxn, ErrorCode::TOPIC_AUTHORIZATION_FAILED, abort(false)),
            (AddPartitionsToTxn, ErrorCode::INVALID_PRODUCER_ID_MAPPING, abort(true)),
            (AddOffsetsToTxn, ErrorCode::GROUP_AUTHORIZATION_FAILED, abort(false)),
            (TxnOffsetCommit, ErrorCode::ILLEGAL_GENERATION, abort(false)),
            (TxnOffsetCommit, ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT, Verdict::Fatal),
            (EndTxn, ErrorCode::INVALID_TXN_STATE, Verdict::Fatal),
            (EndTxn, ErrorCode::TRANSACTION_ABORTABLE, abort(false)),
            (EndTxn, ErrorCode::PRODUCER_FENCED, Verdict::Fenced(ErrorCode::PRODUCER_FENCED)),
            (
                InitProducerId,
                ErrorCode::INVALID_PRODUCER_EPOCH,
                Verdict::Fenced(ErrorCode::INVALID_PRODUCER_EPOCH),
            ),
            (InitProducerId, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Verdict::Fatal),
        ] {
            assert_eq!(verdict(api, code), expected, "{api} {code}");
        }
    }

    #[test]
    fn the_one_to_blame_decides() {
        let codes = [
            ErrorCode::NONE,
            ErrorCode::OPERATION_NOT_ATTEMPTED,
            ErrorCode::CONCURRENT_TRANSACTIONS,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ];
        let decided = |count: usize| decisive((0..).zip(codes.into_iter().take(count)));
        assert_eq!(decided(1), None);
        assert_eq!(decided(2), Some((1, codes[1])));
        assert_eq!(decided(3), Some((2, codes[2])));
        assert_eq!(decided(4), Some((3, codes[3])));
    }
}

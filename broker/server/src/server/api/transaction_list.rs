//! ListTransactions and DescribeTransactions: what tools want to know of transactional ids (KIP-664, KIP-994, KIP-1152).

use std::collections::BTreeMap;

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        describe_transactions::{
            DescribeTransactionsRequest, DescribeTransactionsResponse, DescribedTransaction,
            DescribedTransactionTopic,
        },
        list_transactions::{ListTransactionsRequest, ListTransactionsResponse, ListedTransaction},
    },
};
use fancy_regex::{Regex, RegexBuilder};

use crate::{
    broker::{State, now_ms},
    transactions::{Transaction, TransactionState},
};

/// Steps that a pattern may take over one id; patterns come from outside.
const PATTERN_STEPS_MAX: usize = 10_000;

/// Answers ListTransactions.
pub(in crate::server) fn list(state: &State, request: &ListTransactionsRequest) -> ListTransactionsResponse {
    let failed = |error_code| ListTransactionsResponse { error_code, ..Default::default() };
    if state.transactions.failure().is_some() {
        return failed(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    }
    let pattern = request.transactional_id_pattern.as_deref().filter(|pattern| !pattern.is_empty());
    let pattern = match pattern.map(compile).transpose() {
        Ok(pattern) => pattern,
        Err(error) => {
            tracing::debug!(%error, "a pattern of transactional ids cannot be read");
            return failed(ErrorCode::INVALID_REGULAR_EXPRESSION);
        }
    };
    let now_ms = now_ms();
    let wanted = |id: &str, transaction: &Transaction| {
        is_wanted(request, transaction, now_ms)
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(id).unwrap_or(false))
    };
    let listed = state.transactions.list().into_iter().filter(|(id, transaction)| wanted(id, transaction));
    let listed = listed.map(|(id, transaction)| ListedTransaction {
        transactional_id: (&*id).into(),
        producer_id: transaction.producer_id,
        transaction_state: transaction.state.name().into(),
    });
    let unknown = request.state_filters.iter().filter(|name| !is_known(name)).cloned();
    ListTransactionsResponse {
        unknown_state_filters: unknown.collect(),
        transaction_states: listed.collect(),
        ..Default::default()
    }
}

/// The whole id must match.
fn compile(pattern: &str) -> Result<Regex, fancy_regex::Error> {
    RegexBuilder::new(&format!("^(?:{pattern})$")).backtrack_limit(PATTERN_STEPS_MAX).build()
}

fn is_known(name: &str) -> bool {
    TransactionState::ALL.iter().any(|state| state.name() == name)
        || TransactionState::NEVER_SEEN.contains(&name)
}

fn is_wanted(request: &ListTransactionsRequest, transaction: &Transaction, now_ms: i64) -> bool {
    let states = &request.state_filters;
    let ids = &request.producer_id_filters;
    let lasts_ms = now_ms.saturating_sub(transaction.start_ms);
    // How long it lasts is a question to what is open; the idle have no duration.
    let long_enough =
        request.duration_filter < 0 || (!transaction.state.is_idle() && lasts_ms > request.duration_filter);
    (states.is_empty() || states.iter().any(|state| **state == *transaction.state.name()))
        && (ids.is_empty() || ids.contains(&transaction.producer_id))
        && long_enough
}

/// Answers DescribeTransactions.
pub(in crate::server) fn describe(
    state: &State,
    request: &DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let transaction_states = request.transactional_ids.iter().map(|id| describe_one(state, id)).collect();
    DescribeTransactionsResponse { transaction_states, ..Default::default() }
}

fn describe_one(state: &State, id: &Text) -> DescribedTransaction {
    let failed = |error_code| DescribedTransaction {
        error_code,
        transactional_id: id.clone(),
        ..DescribedTransaction::default()
    };
    if state.transactions.failure().is_some() {
        return failed(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    }
    if id.is_empty() {
        return failed(ErrorCode::INVALID_REQUEST);
    }
    let Some(transaction) = state.transactions.describe(id) else {
        return failed(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND);
    };
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in &transaction.partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let topic =
        |(topic, partitions): (&str, Vec<i32>)| DescribedTransactionTopic { topic: topic.into(), partitions };
    DescribedTransaction {
        error_code: ErrorCode::NONE,
        transactional_id: id.clone(),
        transaction_state: transaction.state.name().into(),
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_start_time_ms: transaction.start_ms,
        producer_id: transaction.producer_id,
        producer_epoch: transaction.producer_epoch,
        topics: topics.into_iter().map(topic).collect(),
    }
}

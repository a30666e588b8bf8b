//! One question for everybody who asks it meanwhile.
//!
//! Below [`super::topic_log`]: a thousand tasks that start together each want to know where a topic ends. Invariants: an answer comes from
//! a question that was put after whoever gets it had asked; nobody waits for more than two questions, failed ones included.
//!
//! Why: a question's number is counted up before it is put. Who read a smaller number asked before, and takes that answer or a later one.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use api::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rounds<T> {
    /// How often the question was put.
    put: AtomicU64,
    /// The last answer, with the number of its question.
    newest: Mutex<Option<(u64, Answer<T>)>>,
}

/// An answer for others than who put the question: they get an error in words, with its causes.
type Answer<T> = std::result::Result<T, (ErrorKind, String)>;

impl<T: Clone> Rounds<T> {
    /// The answer to a question put from now on: to this one, unless another's comes in time. May be dropped while it waits.
    ///
    /// # Errors
    /// Those of the question.
    pub(super) async fn ask(&self, question: impl Future<Output = Result<T>>) -> Result<T> {
        let before = self.put.load(SeqCst);
        let mut newest = self.newest.lock().await;
        if let Some((number, answer)) = &*newest
            && *number > before
        {
            return answer.clone().map_err(|(kind, words)| Error::new(kind, words));
        }
        let number = self.put.fetch_add(1, SeqCst) + 1;
        let answer = question.await;
        let for_others = answer.as_ref().map(T::clone).map_err(|error| (error.kind(), error.to_string()));
        *newest = Some((number, for_others));
        answer
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn who_asks_together_shares_an_answer_that_was_asked_for_later() {
        let rounds = Rounds::default();
        let put = AtomicU64::new(0);
        let ask = || {
            rounds.ask(async {
                let number = put.fetch_add(1, SeqCst) + 1;
                tokio::task::yield_now().await;
                Ok(number)
            })
        };
        let answers = join_all((0..100).map(|_| ask())).await.into_iter();
        let mut answers: Vec<_> = answers.map(Result::unwrap).collect();
        answers.sort_unstable();
        // The first had its question under way when the others came.
        assert_eq!((answers[0], &answers[1..]), (1, &[2; 99][..]));
        assert_eq!(ask().await.unwrap(), 3, "an old answer says nothing about now");
    }

    #[tokio::test]
    async fn a_failure_is_the_answer_of_all_who_wait_for_it() {
        let rounds = Rounds::<()>::default();
        let put = AtomicU64::new(0);
        let ask = || {
            rounds.ask(async {
                put.fetch_add(1, SeqCst);
                tokio::task::yield_now().await;
                Err(Error::retriable("nobody answers"))
            })
        };
        let errors = join_all((0..100).map(|_| ask())).await.into_iter().map(Result::unwrap_err);
        assert!(
            errors.into_iter().all(|error| error.is_retriable() && error.to_string() == "nobody answers")
        );
        assert_eq!(put.load(SeqCst), 2);
    }
}

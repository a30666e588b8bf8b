//! Asks before something is gone for good: on a terminal only, for a script has nobody to ask.

use std::io::{IsTerminal, Write as _};

use super::exit::Exit;

/// Goes on if the answer is yes, if `yes` says so, or if nobody sits there.
pub(super) async fn ask(question: &str, yes: bool) -> Result<(), Exit> {
    if yes || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    let failed = |error: std::io::Error| Exit::runtime(format!("cannot ask: {error}"));
    let mut terminal = std::io::stderr();
    write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush()).map_err(failed)?;
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_bytes| answer)
    });
    let answer =
        read.await.map_err(|error| Exit::runtime(format!("cannot ask: {error}")))?.map_err(failed)?;
    if is_yes(&answer) {
        Ok(())
    } else {
        Err(Exit::runtime("nothing was done; --yes goes ahead without asking"))
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_clear_yes_is_one() {
        assert!(is_yes("y\n") && is_yes("YES"));
        assert!(!is_yes("") && !is_yes("yeah") && !is_yes("n"));
    }
}

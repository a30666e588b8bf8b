//! Input by the block, and lines out of blocks.
//!
//! Invariants: a thread reads ahead by [`BLOCKS_AHEAD`] blocks at most; a line is held whole only if it spans blocks, up to a limit.

use std::fs::File;
use std::io::{self, BufRead as _, Read};
use std::path::Path;

use tokio::sync::mpsc;

use super::super::exit::Exit;

const BLOCK_BYTES: usize = 256 << 10;
const BLOCKS_AHEAD: usize = 4;

/// What a thread reads from a file or standard input.
#[derive(Debug)]
pub(super) struct Blocks {
    source: String,
    blocks: mpsc::Receiver<io::Result<Vec<u8>>>,
}

impl Blocks {
    /// Opens the file, or standard input, and begins to read.
    pub(super) fn open(file: Option<&Path>) -> Result<Self, Exit> {
        let (source, input): (_, Box<dyn Read + Send>) = match file {
            Some(path) => {
                let open = File::open(path);
                let open = open
                    .map_err(|error| Exit::usage(format!("{}: cannot be read: {error}", path.display())))?;
                (path.display().to_string(), Box::new(open))
            }
            None => ("standard input".to_owned(), Box::new(io::stdin())),
        };
        let (sender, blocks) = mpsc::channel(BLOCKS_AHEAD);
        tokio::task::spawn_blocking(move || read(input, &sender));
        Ok(Self { source, blocks })
    }

    /// The next block; `None` at the end. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Exit> {
        let block = self.blocks.recv().await.transpose();
        block.map_err(|error| Exit::runtime(format!("{}: cannot be read: {error}", self.source)))
    }
}

/// Reads to the end, an error, or until nobody wants more.
fn read(mut input: Box<dyn Read + Send>, blocks: &mpsc::Sender<io::Result<Vec<u8>>>) {
    loop {
        let mut block = vec![0; BLOCK_BYTES];
        let read = match input.read(&mut block) {
            Ok(0) => return,
            Ok(bytes) => {
                block.truncate(bytes);
                Ok(block)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        if blocks.blocking_send(read).is_err() || failed {
            return;
        }
    }
}

/// Cuts blocks into lines.
#[derive(Debug)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    line_bytes_max: usize,
}

impl Lines {
    pub(super) fn new(line_bytes_max: usize) -> Self {
        Self { begun: Vec::new(), line_bytes_max }
    }

    /// Hands out every line that ends in this block, without its newline.
    pub(super) fn feed(
        &mut self,
        block: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), Exit>,
    ) -> Result<(), Exit> {
        let mut rest = block;
        while !rest.is_empty() {
            let from = rest;
            // Reading from memory does not fail.
            let length = rest.skip_until(b'\n').map_err(|error| Exit::runtime(error.to_string()))?;
            let (line, ended) = match from.get(..length).unwrap_or_default() {
                [line @ .., b'\n'] => (line, true),
                line => (line, false),
            };
            if ended && self.begun.is_empty() {
                take(line)?;
                continue;
            }
            if self.begun.len() + line.len() > self.line_bytes_max {
                return Err(Exit::runtime(format!(
                    "a line is longer than {} bytes, which is all that buffer.memory allows; raise it in --command-config",
                    self.line_bytes_max
                )));
            }
            self.begun.extend_from_slice(line);
            if ended {
                take(&self.begun)?;
                self.begun.clear();
            }
        }
        Ok(())
    }

    /// The last line, if no newline ended it.
    pub(super) fn finish(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), Exit>) -> Result<(), Exit> {
        if self.begun.is_empty() { Ok(()) } else { take(&std::mem::take(&mut self.begun)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(blocks: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::new(8);
        let mut take = |line: &[u8]| {
            found.push(String::from_utf8(line.to_vec()).unwrap());
            Ok(())
        };
        for block in blocks {
            lines.feed(block.as_bytes(), &mut take).unwrap();
        }
        lines.finish(&mut take).unwrap();
        found
    }

    #[test]
    fn lines_do_not_care_for_blocks() {
        let expected = ["ab", "", "cde", "f"];
        assert_eq!(lines(&["ab\n\ncde\nf"]), expected);
        assert_eq!(lines(&["a", "b\n", "\nc", "d", "e", "\n", "f"]), expected);
        assert_eq!(
            lines(&["ab\n\ncde\nf\n"]),
            expected,
            "the last newline ends a line, it does not begin one"
        );
        assert!(lines(&[]).is_empty());
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::new(8);
        lines.feed(b"12345678", |_| Ok(())).unwrap();
        assert!(lines.feed(b"9", |_| Ok(())).unwrap_err().message.contains("longer than 8 bytes"));
    }
}

//! Taking over from a Debezium: its schema history, once, when there is an offset and nothing of our own.
//!
//! Before anything is read from the binlog. Invariant: an offset of Debezium's is gone on from with the shapes that its history
//! names for that very place, or not at all; only a configuration that names no history goes on with the present ones.

use std::sync::Arc;

use api::{Error, Result};
use mysql_async::Conn;

use super::Reader;
use crate::mysql::config::history::FormerHistory;
use crate::mysql::history::debezium::{Replay, read_file};
use crate::mysql::history::{Shapes, Since, present_catalog};
use crate::mysql::position::Position;
use crate::mysql::server::ServerInfo;

impl Reader {
    /// Makes Debezium's shapes at a position our own, unless there are any of ours.
    ///
    /// # Errors
    /// `Retriable` when a history cannot be reached, `Fatal` when the one that is configured does not hold what is needed.
    pub(super) async fn take_over_history(
        &self,
        conn: &mut Conn,
        server: &ServerInfo,
        position: &Position,
    ) -> Result<()> {
        if self.former == FormerHistory::Unsaid || !Shapes::is_new(&*self.history).await? {
            return Ok(());
        }
        let prefix = self.config.topic_prefix.as_str();
        let mut replay = Replay::new(present_catalog(server, conn).await?, prefix, position, server.mariadb);
        let place = match &self.former {
            FormerHistory::Unsaid => return Ok(()),
            FormerHistory::Elsewhere(class) => {
                tracing::warn!(
                    %class,
                    "the schema history of this store cannot be read; the tables' present shapes are taken, and checked against \
                     the rows"
                );
                return Ok(());
            }
            FormerHistory::File(path) => {
                read_file(path, |record| replay.take(record))?;
                format!("the file {} (schema.history.internal.file.filename)", path.display())
            }
            FormerHistory::Topic(topic, client) => {
                self.topics.read(topic, client, &mut |record| replay.take(record)).await?;
                format!("the topic {topic} (schema.history.internal.kafka.topic)")
            }
        };
        let (seen, applied) = (replay.seen, replay.applied);
        if applied == 0 {
            return Err(Error::fatal(format!(
                "the committed offset ({}:{}) is another program's and nothing is known of the tables' shapes there: {place} holds \
                 {seen} records of {prefix}, none of them from before; restore it, or set snapshot.mode=recovery to go on with the \
                 shapes that the tables have now, if none was altered since",
                position.file, position.pos
            )));
        }
        let catalog = replay.finish();
        let tables = catalog.tables().count();
        Shapes::take_over(Arc::clone(&self.history), catalog, &Since::position(position)).await?;
        tracing::info!(%place, seen, applied, tables, "the schema history of a Debezium is taken over");
        Ok(())
    }
}

//! The lock that holds writers off while a view is opened: which one, by `snapshot.locking.mode` and by what the user may do.

use api::{Error, Result};
use mysql_async::Conn;

use super::Setting;
use super::view::is_refusal;
use crate::mysql::config::snapshot::{LockingMode, SnapshotSettings};
use crate::mysql::server::{ServerInfo, execute, quoted_table};
use crate::mysql::shape::TableId;

/// How writers are held off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// `FLUSH TABLES WITH READ LOCK`.
    Global,
    /// `LOCK TABLES` on the captured tables.
    Tables,
    /// `LOCK TABLES FOR BACKUP`: no DDL, but commits go on.
    Backup,
    /// None at all.
    None,
}

impl Lock {
    /// Whether nothing is committed to the captured tables under it.
    pub(super) const fn holds_writers(self) -> bool {
        matches!(self, Self::Global | Self::Tables)
    }
}

impl SnapshotSettings {
    /// Whether the lock is held until the snapshot is read.
    #[must_use]
    pub fn holds_lock(&self) -> bool {
        self.config.locking_mode == LockingMode::Extended
    }

    /// Whether the sessions open a view, or read rows as they are at the time.
    #[must_use]
    pub fn has_view(&self) -> bool {
        self.config.locking_mode != LockingMode::MinimalAtLeastOnce
    }
}

/// Takes the lock.
pub(super) async fn take_lock(
    setting: Setting<'_>,
    server: &ServerInfo,
    locker: &mut Conn,
    tables: &[TableId],
) -> Result<Lock> {
    let mode = setting.settings.config.locking_mode;
    match mode {
        LockingMode::None => return Ok(Lock::None),
        LockingMode::MinimalPercona | LockingMode::MinimalPerconaNoTableLocks => {
            let locked = execute(locker, "LOCK TABLES FOR BACKUP").await.map_err(|error| {
                Error::bad_config(format!(
                    "snapshot.locking.mode={mode} needs Percona Server and its backup locks; use minimal"
                ))
                .with_source(error)
            });
            return locked.map(|()| Lock::Backup);
        }
        LockingMode::Minimal | LockingMode::MinimalAtLeastOnce | LockingMode::Extended => {}
    }
    let Err(refused) = execute(locker, "FLUSH TABLES WITH READ LOCK").await else { return Ok(Lock::Global) };
    if !is_refusal(&refused) {
        return Err(refused.context("locking all tables for the snapshot"));
    }
    if tables.is_empty() || (server.mariadb && setting.settings.has_view()) {
        tracing::info!(%refused, "the snapshot goes without a lock: the server tells the position of a view");
        return Ok(Lock::None);
    }
    let list: Vec<_> = tables.iter().map(|id| format!("{} READ", quoted_table(id))).collect();
    match execute(locker, &format!("LOCK TABLES {}", list.join(", "))).await {
        Ok(()) => Ok(Lock::Tables),
        Err(error) if is_refusal(&error) && server.gtids && mode == LockingMode::Minimal => {
            tracing::info!(%error, "the snapshot goes without a lock: by GTIDs nothing is missed, but changes of its first \
                moments may come twice; GRANT RELOAD ON *.* would let it lock for some milliseconds");
            Ok(Lock::None)
        }
        Err(error) if is_refusal(&error) => Err(Error::bad_config(format!(
            "snapshot.locking.mode={mode} needs GRANT RELOAD ON *.* or GRANT LOCK TABLES ON the captured databases for {}; \
             with snapshot.locking.mode=none no lock is taken",
            setting.config.user
        ))
        .with_source(error)),
        Err(error) => Err(error.context("locking the captured tables for the snapshot")),
    }
}

/// Lets writers go on, unless the lock is held to the end.
pub(super) async fn release(setting: Setting<'_>, lock: Lock, locker: &mut Conn) -> Result<()> {
    if lock == Lock::None || setting.settings.holds_lock() {
        return Ok(());
    }
    execute(locker, "UNLOCK TABLES").await
}

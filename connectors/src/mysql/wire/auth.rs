//! The login: the server's greeting, encryption, and the plugin that the user is known by.
//!
//! As the library of the other connections does it: `caching_sha2_password` (what the server remembers, else the password itself over TLS or
//! under the server's RSA key) and `mysql_native_password`, offered or switched to. Invariants: the password leaves
//! only encrypted or hashed with the server's salt; a server that cannot encrypt is told nothing when encryption is wanted;
//! what comes before TLS is not taken for what comes in it.
//! Source: "Connection Phase" and "Caching_sha2_password information" of the MySQL Internals.

use std::io;
use std::panic::catch_unwind;

use mysql_async::consts::CapabilityFlags;
use mysql_async::{DriverError, Result};
use mysql_common::collations::CollationId;
use mysql_common::crypto;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest, HandshakePacket, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;

use super::{Connection, malformed, tls};
use crate::mysql::config::MySqlConfig;
use crate::mysql::server::Encryption;

/// What a packet of the login may weigh.
pub(super) const PACKET_BYTES_MAX: usize = 1 << 20;
/// The bytes of a salt.
const SALT_BYTES: usize = 20;
/// What a public key may weigh.
const KEY_BYTES_MAX: usize = 16 << 10;

/// What we speak: rows end with an OK packet where the server can, statements come in bundles, local files are never sent.
const CAPABILITIES: CapabilityFlags = CapabilityFlags::CLIENT_PROTOCOL_41
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_LONG_PASSWORD)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_MULTI_STATEMENTS)
    .union(CapabilityFlags::CLIENT_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_DEPRECATE_EOF)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH);

/// A login under way.
struct Login<'a> {
    plugin: AuthPlugin<'static>,
    salt: Vec<u8>,
    password: &'a str,
    was_switched: bool,
}

/// Reads the greeting, encrypts if asked to, and logs in.
pub(super) async fn log_in(
    connection: &mut Connection,
    config: &MySqlConfig,
    encryption: Encryption,
) -> Result<()> {
    // Before the login an error has no state, which is what no capabilities say.
    let greeting = connection.good_packet().await?;
    let greeting = ParseBuf(&greeting).parse::<HandshakePacket<'_>>(())?;
    let encrypted = encryption != Encryption::None;
    let wanted = if encrypted { CAPABILITIES | CapabilityFlags::CLIENT_SSL } else { CAPABILITIES };
    let capabilities = greeting.capabilities() & wanted;
    let plugin = match greeting.auth_plugin() {
        Some(AuthPlugin::CachingSha2Password) => AuthPlugin::CachingSha2Password,
        _ => AuthPlugin::MysqlNativePassword,
    };
    let mut salt = greeting.nonce();
    salt.resize(SALT_BYTES, 0);
    if encrypted {
        encrypt(connection, config, encryption, capabilities).await?;
    }
    let password = config.password.as_ref().map_or("", |password| password.reveal());
    let login = Login { plugin, salt, password, was_switched: false };
    let response = HandshakeResponse::new(
        login.proof(),
        (8, 0, 0),
        Some(config.user.as_bytes()),
        None::<&[u8]>,
        Some(login.plugin.borrow()),
        capabilities,
        None,
        u32::try_from(super::PACKET_BYTES_MAX).unwrap_or(u32::MAX),
    );
    connection.send(&serialized(&response)).await?;
    connection.capabilities = capabilities;
    login.finish(connection).await
}

async fn encrypt(
    connection: &mut Connection,
    config: &MySqlConfig,
    encryption: Encryption,
    capabilities: CapabilityFlags,
) -> Result<()> {
    if !capabilities.contains(CapabilityFlags::CLIENT_SSL) {
        return Err(DriverError::NoClientSslFlagFromServer.into());
    }
    let client = tls::client(config, encryption)?;
    let packet_bytes = u32::try_from(super::PACKET_BYTES_MAX).unwrap_or(u32::MAX);
    let collation = u8::try_from(CollationId::UTF8MB4_GENERAL_CI as u16).unwrap_or(u8::MAX);
    connection.send(&serialized(&SslRequest::new(capabilities, packet_bytes, collation))).await?;
    if !connection.frames.is_empty() {
        return Err(malformed("the server said something before the encryption it was asked for").into());
    }
    Ok(connection.socket.encrypt(client).await?)
}

fn serialized(packet: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.serialize(&mut bytes);
    bytes
}

impl Login<'_> {
    /// What shows that we know the password; nothing for none.
    fn proof(&self) -> Option<Vec<u8>> {
        let proof =
            self.plugin.gen_data(Some(self.password).filter(|password| !password.is_empty()), &self.salt);
        proof.map(|proof| serialized(&proof))
    }

    /// Does what the server asks until it says yes.
    async fn finish(mut self, connection: &mut Connection) -> Result<()> {
        loop {
            let packet = connection.good_packet().await?;
            match (packet.first(), packet.get(1)) {
                (Some(0x00), _) => return Ok(()),
                (Some(0xFE), _) if !self.was_switched => {
                    self.switch(&packet)?;
                    connection.send(&self.proof().unwrap_or_default()).await?;
                }
                // The server remembers the password's hash.
                (Some(0x01), Some(0x03)) if self.plugin == AuthPlugin::CachingSha2Password => {}
                (Some(0x01), Some(0x04)) if self.plugin == AuthPlugin::CachingSha2Password => {
                    self.send_password(connection).await?;
                }
                _ => {
                    let name = String::from_utf8_lossy(self.plugin.as_bytes()).into_owned();
                    return Err(malformed(format!("{name}: an answer of {} bytes", packet.len())).into());
                }
            }
        }
    }

    /// Takes the plugin that the server names, once.
    fn switch(&mut self, packet: &[u8]) -> Result<()> {
        self.was_switched = true;
        if packet.len() == 1 {
            return Err(DriverError::MysqlOldPasswordDisabled.into());
        }
        let request = ParseBuf(packet).parse::<AuthSwitchRequest<'_>>(())?;
        self.plugin = match request.auth_plugin() {
            AuthPlugin::CachingSha2Password => AuthPlugin::CachingSha2Password,
            AuthPlugin::MysqlNativePassword => AuthPlugin::MysqlNativePassword,
            AuthPlugin::Ed25519 => AuthPlugin::Ed25519,
            AuthPlugin::MysqlOldPassword => return Err(DriverError::MysqlOldPasswordDisabled.into()),
            AuthPlugin::MysqlClearPassword => return Err(DriverError::CleartextPluginDisabled.into()),
            other => {
                let name = String::from_utf8_lossy(other.as_bytes()).into_owned();
                return Err(DriverError::UnknownAuthPlugin { name }.into());
            }
        };
        self.salt = match self.plugin {
            // The library takes a zero at its end for the end of a text, but these are 32 random bytes.
            AuthPlugin::Ed25519 => behind_name(packet).to_vec(),
            _ => request.plugin_data().to_vec(),
        };
        if self.salt.is_empty() {
            return Err(malformed("a request for another plugin has no salt").into());
        }
        Ok(())
    }

    /// Sends the password itself: as it is where nobody can read along, else under the server's key.
    async fn send_password(&self, connection: &mut Connection) -> Result<()> {
        let mut password = self.password.as_bytes().to_vec();
        password.push(0);
        if connection.socket.is_encrypted() {
            return connection.send(&password).await;
        }
        const ASK_FOR_KEY: u8 = 2;
        connection.send(&[ASK_FOR_KEY]).await?;
        let answer = connection.good_packet().await?;
        let key = answer.get(1..).filter(|key| key.len() <= KEY_BYTES_MAX);
        let key = key.ok_or_else(|| malformed(format!("a public key of {} bytes", answer.len())))?;
        for (byte, salt) in password.iter_mut().zip(self.salt.iter().cycle()) {
            *byte ^= salt;
        }
        connection.send(&encrypted(password, key.to_vec())?).await
    }
}

/// What follows a plugin's name in a request for it.
fn behind_name(packet: &[u8]) -> &[u8] {
    packet.splitn(2, |byte| *byte == 0).nth(1).unwrap_or_default()
}

/// A password under a key. The library panics on what is no key.
fn encrypted(password: Vec<u8>, key: Vec<u8>) -> io::Result<Vec<u8>> {
    catch_unwind(move || crypto::encrypt(&password, &key)).map_err(|panic| {
        let reason =
            panic.downcast::<String>().map_or_else(|_| String::new(), |reason| format!(": {reason}"));
        malformed(format!("the server's public key cannot be used{reason}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login<'a>(plugin: AuthPlugin<'static>, password: &'a str) -> Login<'a> {
        Login { plugin, salt: vec![7; SALT_BYTES], password, was_switched: false }
    }

    #[test]
    fn proofs_are_hashes_and_there_is_none_of_no_password() {
        let proof = |plugin, password| login(plugin, password).proof();
        assert_eq!(proof(AuthPlugin::CachingSha2Password, "secret").unwrap().len(), 32);
        assert_eq!(proof(AuthPlugin::MysqlNativePassword, "secret").unwrap().len(), 20);
        assert_eq!(proof(AuthPlugin::CachingSha2Password, ""), None);
    }

    #[test]
    fn plugins_that_would_give_the_password_away_or_are_unknown_are_refused() {
        let refused = |name: &str| {
            let packet = [&[0xFE][..], name.as_bytes(), &[0], &[7; SALT_BYTES], &[0]].concat();
            login(AuthPlugin::MysqlNativePassword, "secret").switch(&packet).unwrap_err().to_string()
        };
        assert!(refused("mysql_clear_password").contains("mysql_clear_password"));
        assert!(refused("mysql_old_password").contains("insecure"));
        assert!(refused("auth_gssapi_client").contains("auth_gssapi_client"));
        let mut switched = login(AuthPlugin::MysqlNativePassword, "secret");
        assert!(switched.switch(b"\xFEcaching_sha2_password\0").unwrap_err().to_string().contains("no salt"));
    }

    #[test]
    fn a_salt_of_random_bytes_is_taken_whole() {
        let mut login = login(AuthPlugin::MysqlNativePassword, "foobar");
        let salt = [&[7; 31][..], &[0]].concat();
        login.switch(&[b"\xFEclient_ed25519\0", &*salt].concat()).unwrap();
        assert_eq!((login.salt.clone(), login.proof().unwrap().len()), (salt, 64));
    }

    #[test]
    fn what_is_no_key_is_an_error() {
        for key in ["", "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----"] {
            let error = encrypted(b"secret\0".to_vec(), key.into()).unwrap_err().to_string();
            assert!(error.contains("public key") && !error.contains("secret"), "{error}");
        }
    }
}

//! Connections: one socket with pipelined requests, the versions a broker speaks, and the pool that reconnects.

pub(crate) mod connection;
pub(crate) mod pool;
pub(crate) mod seats;
mod session;
#[cfg(test)]
mod tests;
pub(crate) mod versions;

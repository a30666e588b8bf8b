//! The file connectors on real files: the laws, and what becomes of files in the world.

mod sink;
mod source;

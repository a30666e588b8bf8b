//! What Millrace promises, on real servers. One binary, so that it links once.

mod servers;

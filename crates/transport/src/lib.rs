//! Sockets for the sans-IO sessions.

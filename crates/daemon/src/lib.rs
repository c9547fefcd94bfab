//! How an OVS daemon behaves as a process.

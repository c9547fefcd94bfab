//! Bytes of packets to values and back.

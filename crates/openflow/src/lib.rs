//! OpenFlow as types.

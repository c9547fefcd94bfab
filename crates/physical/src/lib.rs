//! Logical flows of one chassis to OpenFlow.

//! One a host: makes the data plane what the Southbound says.

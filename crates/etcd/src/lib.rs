//! The log of a database in etcd, and locks of a whole cluster.
//!
//! It must not know which databases there are, nor who serves them.

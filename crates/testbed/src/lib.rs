//! Hypervisors and virtual machines in network namespaces.

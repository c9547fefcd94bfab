//! The regional service: knows hypervisors, customers and machines, and drives a fleet of hypervisor daemons.

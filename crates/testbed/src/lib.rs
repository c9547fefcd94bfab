//! Hypervisors and virtual machines on one machine, for the demo and for the system tests.
//!
//! A [`Hypervisor`] is a network namespace with a real `ovsdb-server` and `ovs-vswitchd` (userspace
//! datapath) of its own; an [`Underlay`] joins hypervisors; a [`Vm`] is a namespace whose interface is
//! plugged into `br-int` the way libvirt does it: `external_ids:iface-id` on the interface. A [`Probe`]
//! sends real packets from a VM and says what came back. A [`Cloud`]
//! has a server and agents as well, and [`demo`] runs a document's expectations over one. What the running
//! kernel lacks is tested in a machine with a stock one: [`qemu`].
//!
//! It must not know the compiler: what a network should do comes from the document, and the programs
//! under test are started as processes.
//!
//! Invariant: **nothing is left behind, however the process ends.** Namespaces have no names; each is
//! held by a thread of ours. Processes are started by such a thread and get a death signal when it ends.
//! Files lie in one folder, which a watcher removes as soon as the pipe to us breaks. So even SIGKILL
//! leaves no namespace, process or file, and any number of testbeds run side by side. Everything blocks,
//! and every wait is for a condition with a limit.

pub mod bench;
mod centre;
mod cloud;
mod command;
mod database;
pub mod demo;
mod dhcp;
mod etcd;
mod hypervisor;
mod leash;
mod namespace;
mod probe;
mod process;
pub mod qemu;
mod scratch;
mod underlay;
mod usage;
mod vm;
mod wait;
mod wire;

pub use centre::{Central, Centre};
pub use cloud::{Agent, Cloud};
pub use command::run;
pub use database::{Database, members};
pub use dhcp::Lease;
pub use etcd::{Etcd, Tls as EtcdTls};
pub use hypervisor::{Hypervisor, HypervisorSpec};
pub use leash::Leash;
pub use namespace::Namespace;
pub use probe::{Answer, Echo, Kind, Outcome, Pinging, Probe, Responder};
pub use process::Process;
pub use scratch::Scratch;
pub use underlay::Underlay;
pub use usage::{Memory, processor};
pub use vm::{Addressing, Vm, VmSpec};
pub use wait::until;
pub use wire::Wire;

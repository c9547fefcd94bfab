//! The flags of the commands that ask for one change each.

use clap::Subcommand;
use hvflow::params::Prefix;

use super::how::{How, Port, ScopeArgs};

/// A change of what is wanted.
#[derive(Subcommand)]
pub(super) enum Change {
    /// Say where this hypervisor is reached; its name is the one in its certificate.
    Register {
        /// Where its daemon is reached: tcp:HOST:PORT or ssl:HOST:PORT.
        endpoint: String,
        #[command(flatten)]
        how: How,
    },
    /// Open ports for a set of machines, those to come included.
    Open(Ports),
    /// Close ports that were opened for just this set, from just these addresses.
    Close(Ports),
    /// Give a set of machines connectivity.
    Enable {
        #[command(flatten)]
        scope: ScopeArgs,
        #[command(flatten)]
        how: How,
    },
    /// Take connectivity from a set of machines.
    Disable {
        #[command(flatten)]
        scope: ScopeArgs,
        #[command(flatten)]
        how: How,
    },
    /// Stop an action: hypervisors that have not been told are held.
    Stop {
        /// Its number.
        action: u64,
        #[command(flatten)]
        how: How,
    },
    /// Go on with an action that has stopped.
    Resume {
        /// Its number.
        action: u64,
        #[command(flatten)]
        how: How,
    },
}

/// Ports, and for whom.
#[derive(clap::Args)]
pub(super) struct Ports {
    /// What: tcp/22, udp/8000-8080, icmp, icmp/8, any, ...
    #[arg(required = true, value_name = "PORT")]
    pub(super) ports: Vec<Port>,
    #[command(flatten)]
    pub(super) scope: ScopeArgs,
    /// Only connections with these addresses or prefixes.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(super) from: Vec<Prefix>,
    /// Connections that the machines open, in place of those towards them; --from is then where they go.
    #[arg(long)]
    pub(super) outbound: bool,
    #[command(flatten)]
    pub(super) how: How,
}

/// A change of hypervisors.
#[derive(Subcommand)]
pub(super) enum HypervisorChange {
    /// Add a hypervisor, or make it another.
    Put {
        /// Its name, which the certificate of its daemon bears when it is reached with ssl:.
        name: String,
        /// Where its daemon is reached: unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT.
        endpoint: String,
        /// What it is, for people.
        #[arg(long, value_name = "TAG")]
        tag: Vec<String>,
        /// Tell it nothing.
        #[arg(long)]
        disabled: bool,
        #[command(flatten)]
        how: How,
    },
    /// Forget a hypervisor, which must have no machines.
    Remove {
        /// Its name.
        name: String,
        /// It is gone for good: machines that it has not forgotten yet are taken to be gone from there.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        how: How,
    },
}

/// A change of customers.
#[derive(Subcommand)]
pub(super) enum CustomerChange {
    /// Add a customer, or make it another.
    Put {
        /// The name.
        name: String,
        /// The machines have no connectivity.
        #[arg(long)]
        disabled: bool,
        #[command(flatten)]
        how: How,
    },
    /// Forget a customer, who must have nothing left.
    Remove {
        /// The name.
        name: String,
        #[command(flatten)]
        how: How,
    },
}

/// A change of machines.
#[derive(Subcommand)]
pub(super) enum MachineChange {
    /// Add a machine, or make it another, from a file with its network parameters.
    Put {
        /// The file, JSON; - is the standard input.
        #[arg(value_name = "FILE")]
        file: String,
        /// Whose it is.
        #[arg(long, value_name = "NAME")]
        customer: String,
        /// Where it runs; one that runs already stays where it is.
        #[arg(long, value_name = "NAME", default_value = "")]
        hypervisor: String,
        /// What it is, for sets of machines.
        #[arg(long, value_name = "TAG")]
        tag: Vec<String>,
        /// It has no connectivity.
        #[arg(long)]
        disabled: bool,
        #[command(flatten)]
        how: How,
    },
    /// Remove a machine.
    Remove {
        /// Its number.
        machine: u32,
        #[command(flatten)]
        how: How,
    },
    /// Make a machine ready on another hypervisor.
    Move {
        /// Its number.
        machine: u32,
        /// The hypervisor to which it goes.
        to: String,
        #[command(flatten)]
        how: How,
    },
    /// A machine has arrived: it is forgotten where it was.
    FinishMove {
        /// Its number.
        machine: u32,
        #[command(flatten)]
        how: How,
    },
    /// A machine stays where it was.
    CancelMove {
        /// Its number.
        machine: u32,
        #[command(flatten)]
        how: How,
    },
}

/// A change of rules of any form.
#[derive(Subcommand)]
pub(super) enum RuleChange {
    /// Add a rule to the policies of a set of machines, from a file.
    Add(RuleFile),
    /// Take a rule away that was added for just this set.
    Remove(RuleFile),
}

/// A rule, and for whom.
#[derive(clap::Args)]
pub(super) struct RuleFile {
    /// The file, JSON as within network parameters; - is the standard input.
    #[arg(value_name = "FILE")]
    pub(super) file: String,
    #[command(flatten)]
    pub(super) scope: ScopeArgs,
    #[command(flatten)]
    pub(super) how: How,
}

/// A change of floating addresses.
#[derive(Subcommand)]
pub(super) enum FloatingChange {
    /// Give a customer a floating address, and perhaps a machine.
    Put {
        /// The address.
        address: String,
        /// Whose it is.
        #[arg(long, value_name = "NAME")]
        customer: String,
        #[command(flatten)]
        bearer: Bearer,
        #[command(flatten)]
        how: How,
    },
    /// Give a floating address back.
    Remove {
        /// The address.
        address: String,
        #[command(flatten)]
        how: How,
    },
}

/// Which machine bears a floating address.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Bearer {
    /// The number of the machine that bears it; nobody does if it is not said.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(super) machine: u32,
    /// The name of the machine's card [default: its first public one].
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) card: String,
}

//! `heddle region`: the regional service, and the commands that ask it.
//!
//! Exit status: 0 done; 1 it failed; 2 wrong usage; 3 refused, and nothing has changed; 4 no answer in time, or no
//! service can do it now: the same command may succeed later; 5 it is written down, and some hypervisors have not done it.

mod asks;
mod client;
mod command;
mod follow;
mod how;
mod list;
mod look;
mod migrate;
mod output;
mod rows;

use std::process::ExitCode;

use clap::Subcommand;
use hvd::client::CallResult;
use rpc::region::v1;

use asks::Asked;
use client::Connection;
use command::{
    Bearer, Change, CustomerChange, FloatingChange, HypervisorChange, MachineChange, RuleChange,
};
use follow::Asker;
use how::How;

/// Some hypervisors have not done it.
const FAILED: u8 = 5;

/// Arguments of `heddle region`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 done; 1 it failed; 2 wrong usage; 3 refused, and nothing has changed; 4 no answer in time, or no
service can do it now: the same command may succeed later; 5 it is written down, and some hypervisors have not done it."
)]
pub(crate) struct Args {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service.
    Run(Box<region::Args>),
    #[command(flatten)]
    Call(Call),
}

#[derive(Subcommand)]
enum Call {
    /// Hypervisors.
    #[command(subcommand)]
    Hypervisor(Hypervisor),
    /// Customers.
    #[command(subcommand)]
    Customer(Customer),
    /// Machines.
    #[command(subcommand)]
    Machine(Machine),
    /// Rules of any form, for sets of machines.
    #[command(subcommand)]
    Rule(Rule),
    /// Floating addresses.
    #[command(subcommand)]
    Floating(Floating),
    #[command(flatten)]
    Change(Change),
    #[command(flatten)]
    Look(look::Look),
    /// Wait until an action is over.
    Watch {
        /// Its number.
        action: u64,
    },
}

#[derive(Subcommand)]
enum Hypervisor {
    #[command(flatten)]
    Change(HypervisorChange),
    #[command(flatten)]
    Look(look::Hypervisors),
    /// Add the hypervisors of a list, and make those that are there as it says.
    Apply(list::Args),
}

#[derive(Subcommand)]
enum Customer {
    #[command(flatten)]
    Change(CustomerChange),
    #[command(flatten)]
    Look(look::Customers),
}

#[derive(Subcommand)]
enum Machine {
    #[command(flatten)]
    Change(MachineChange),
    #[command(flatten)]
    Look(look::Machines),
    /// Move a machine: make it ready elsewhere, wait until it runs there, and forget it where it was.
    Migrate(migrate::Args),
}

#[derive(Subcommand)]
enum Rule {
    #[command(flatten)]
    Change(RuleChange),
    #[command(flatten)]
    Look(look::Rules),
}

#[derive(Subcommand)]
enum Floating {
    #[command(flatten)]
    Change(FloatingChange),
    #[command(flatten)]
    Look(look::FloatingAddresses),
    /// Let another machine of the same customer bear a floating address.
    Move {
        /// The address.
        address: String,
        #[command(flatten)]
        bearer: Bearer,
        #[command(flatten)]
        how: How,
    },
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let call = match args.command {
        Command::Run(args) => return crate::roles::region(&args),
        Command::Call(call) => call,
    };
    let (connection, json) = (args.connection, args.json);
    crate::block_on(async move { crate::exit::of(ask(&connection, json, call).await) })
}

async fn ask(connection: &Connection, json: bool, call: Call) -> anyhow::Result<ExitCode> {
    // What is wrong with the input is said before anybody is called.
    let mut asker = Asker::new(connection.services()?, json);
    let (asks, how): Asked = match call {
        Call::Hypervisor(Hypervisor::Change(change)) => change.asks(),
        Call::Customer(Customer::Change(change)) => change.asks(),
        Call::Machine(Machine::Change(change)) => change.asks()?,
        Call::Rule(Rule::Change(change)) => change.asks()?,
        Call::Floating(Floating::Change(change)) => change.asks(),
        Call::Change(change) => change.asks(),
        Call::Hypervisor(Hypervisor::Look(look)) => return look.look(&mut asker).await,
        Call::Customer(Customer::Look(look)) => return look.look(&mut asker).await,
        Call::Machine(Machine::Look(look)) => return look.look(&mut asker).await,
        Call::Rule(Rule::Look(look)) => return look.look(&mut asker).await,
        Call::Floating(Floating::Look(look)) => return look.look(&mut asker).await,
        Call::Look(look) => return look.look(&mut asker).await,
        Call::Hypervisor(Hypervisor::Apply(args)) => return list::apply(&mut asker, args).await,
        Call::Machine(Machine::Migrate(args)) => return migrate::migrate(&mut asker, args).await,
        Call::Floating(Floating::Move {
            address,
            bearer,
            how,
        }) => {
            let put = move_address(&mut asker, address, bearer).await?;
            (vec![put.into()], how)
        }
        Call::Watch { action } => return asker.follow(action).await,
    };
    asker.carry_out(asks, &how).await
}

/// The request that moves a floating address: it stays with its customer, or is refused.
async fn move_address(
    asker: &mut Asker,
    address: String,
    bearer: Bearer,
) -> CallResult<v1::PutFloatingAddressRequest> {
    let found = look::floating_address(asker, &address).await?;
    Ok(v1::PutFloatingAddressRequest {
        address,
        customer: found.customer,
        machine_id: bearer.machine,
        card: bearer.card,
        options: None,
    })
}

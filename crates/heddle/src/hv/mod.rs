//! `heddle hv`: asks the daemon of a hypervisor, `heddle hvd`.
//!
//! Exit status: 0 done; 1 it failed; 2 wrong usage; 3 refused, and nothing has changed; 4 no answer in time, or the
//! daemon or its switch is away: the same command may succeed later.

mod output;

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use hvd::client::{CallError, Remote as Daemon, Target};
use hvflow::params::NetworkParams;
use rpc::hv::v1;
use rpc::hv::v1::dry_run_request::Change as DryChange;
use transport::{Remote, TlsArgs};

/// Arguments of `heddle hv`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 done; 1 it failed; 2 wrong usage; 3 refused, and nothing has changed; 4 no answer in time, or the
daemon or its switch is away: the same command may succeed later."
)]
pub(crate) struct Args {
    /// The daemon: unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT [default: unix:RUNDIR/heddle-hvd.sock].
    #[arg(short, long, value_name = "ADDRESS", env = "HEDDLE_HV", global = true)]
    daemon: Option<Remote>,
    /// The name in the daemon's certificate [default: the host of the address].
    #[arg(long, value_name = "NAME", global = true)]
    server_name: Option<String>,
    /// Give up after this many seconds.
    #[arg(
        short = 't',
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        global = true
    )]
    timeout: u64,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Change(Change),
    /// Print what a change would tell the switch; its lines of flows are a bundle that ovs-ofctl can read.
    DryRun {
        #[command(subcommand)]
        change: Change,
    },
    /// Print one machine.
    Get {
        /// Its number.
        machine: u32,
    },
    /// Print all machines.
    List,
    /// Print what happens, until interrupted.
    Watch {
        /// Only this machine.
        machine: Option<u32>,
        /// What has happened since the outcome with this number, too.
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
        /// End after this many outcomes.
        #[arg(long, value_name = "COUNT")]
        count: Option<u64>,
    },
}

#[derive(Subcommand)]
enum Change {
    /// Add interfaces of a machine, from a file with its network parameters.
    Add {
        #[command(flatten)]
        from: From,
        /// Only interfaces of this type.
        #[arg(long, value_name = "TYPE")]
        interface_type: Option<InterfaceType>,
        #[command(flatten)]
        key: Key,
    },
    /// Make a machine what a file with its network parameters says.
    Replace {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        key: Key,
    },
    /// Forget a machine, and delete its flows.
    Remove {
        /// Its number.
        machine: u32,
        /// It is no failure if there is no such machine.
        #[arg(long)]
        if_exists: bool,
        #[command(flatten)]
        key: Key,
    },
    /// Take connectivity from a machine's interfaces.
    Disable {
        /// Its number.
        machine: u32,
        /// Only interfaces of this type.
        #[arg(long, value_name = "TYPE")]
        interface_type: Option<InterfaceType>,
        #[command(flatten)]
        key: Key,
    },
    /// Take connectivity from all machines of this hypervisor.
    DisableAll {
        #[command(flatten)]
        key: Key,
    },
}

#[derive(clap::Args)]
struct From {
    /// The file, JSON; - is the standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: String,
}

#[derive(clap::Args)]
struct Key {
    /// Names this one request, so that it can be sent again and is carried out once.
    #[arg(long = "key", value_name = "TEXT", default_value = "")]
    key: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum InterfaceType {
    Public,
    Private,
}

fn name(interface_type: Option<InterfaceType>) -> String {
    match interface_type {
        None => String::new(),
        Some(InterfaceType::Public) => "public".to_owned(),
        Some(InterfaceType::Private) => "private".to_owned(),
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    crate::exit::of(dispatch(args).await.map(|()| ExitCode::SUCCESS))
}

async fn dispatch(args: Args) -> anyhow::Result<()> {
    let remote = args.daemon.unwrap_or_else(|| {
        let dirs = daemon::Dirs::from_env(daemon::Family::OpenvSwitch);
        Remote::Unix(dirs.run.join("heddle-hvd.sock"))
    });
    let limit = Duration::from_secs(args.timeout);
    // What is wrong with the input is said before anybody is called.
    let call = Call::of(args.command)?;
    let target = Target::new(remote, args.server_name, &args.tls)?;
    let daemon = Daemon::connect(&target, limit).await;
    let daemon = daemon.map_err(|error| match error {
        CallError::Away(text) => CallError::Away(format!("{text}; is heddle hvd running?")),
        other => other,
    })?;
    Asker {
        daemon,
        json: args.json,
    }
    .call(call)
    .await
}

/// A call that is ready to be made.
enum Call {
    Change(DryChange),
    DryRun(DryChange),
    Get(u32),
    List,
    Watch(v1::WatchRequest, Option<u64>),
}

impl Call {
    fn of(command: Command) -> anyhow::Result<Self> {
        Ok(match command {
            Command::Change(change) => Self::Change(change.request()?),
            Command::DryRun { change } => Self::DryRun(change.request()?),
            Command::Get { machine } => Self::Get(machine),
            Command::List => Self::List,
            Command::Watch {
                machine,
                after,
                count,
            } => {
                let machine_id = machine.unwrap_or(0);
                Self::Watch(v1::WatchRequest { machine_id, after }, count)
            }
        })
    }
}

impl Change {
    fn request(self) -> anyhow::Result<DryChange> {
        Ok(match self {
            Self::Add {
                from,
                interface_type,
                key,
            } => DryChange::Add(v1::AddRequest {
                params: Some(from.params()?),
                interface_type: name(interface_type),
                idempotency_key: key.key,
            }),
            Self::Replace { from, key } => DryChange::Replace(v1::ReplaceRequest {
                params: Some(from.params()?),
                idempotency_key: key.key,
            }),
            Self::Remove {
                machine,
                if_exists,
                key,
            } => DryChange::Remove(v1::RemoveRequest {
                machine_id: machine,
                allow_missing: if_exists,
                idempotency_key: key.key,
            }),
            Self::Disable {
                machine,
                interface_type,
                key,
            } => DryChange::Disable(v1::DisableRequest {
                machine_id: machine,
                interface_type: name(interface_type),
                idempotency_key: key.key,
            }),
            Self::DisableAll { key } => DryChange::DisableAll(v1::DisableAllRequest {
                idempotency_key: key.key,
            }),
        })
    }
}

impl From {
    fn params(&self) -> anyhow::Result<v1::NetworkParams> {
        let mut json = Vec::new();
        // One byte more than may be tells that there is more.
        let most = rpc::LONGEST_REQUEST as u64 + 1;
        let read = match self.file.as_str() {
            "-" => std::io::stdin().lock().take(most).read_to_end(&mut json),
            path => {
                std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut json))
            }
        };
        read.with_context(|| self.file.clone())?;
        let params = NetworkParams::from_json(&json);
        let params = params.map_err(|error| CallError::Refused {
            field: None,
            text: format!("{}: {error}", self.file),
        })?;
        Ok(v1::NetworkParams::from(&params))
    }
}

struct Asker {
    daemon: Daemon,
    json: bool,
}

impl Asker {
    async fn call(&mut self, call: Call) -> anyhow::Result<()> {
        match call {
            Call::Change(change) => self.change(change).await,
            Call::DryRun(change) => {
                let answer = self.daemon.dry_run(change).await?;
                output::dry_run(&answer, self.json)
            }
            Call::Get(number) => output::machine(&self.daemon.get(number).await?, self.json),
            Call::List => output::machines(&self.daemon.list().await?.0, self.json),
            Call::Watch(request, count) => self.watch(request, count).await,
        }
    }

    async fn change(&mut self, change: DryChange) -> anyhow::Result<()> {
        let subject = output::subject(&change);
        let answer = match change {
            DryChange::Add(it) => self.daemon.add(it).await?,
            DryChange::Replace(it) => {
                let params = NetworkParams::try_from(&it.params.unwrap_or_default())?;
                self.daemon.replace(&params, &it.idempotency_key).await?
            }
            DryChange::Remove(it) => {
                let (number, key) = (it.machine_id, &it.idempotency_key);
                self.daemon.remove(number, it.allow_missing, key).await?
            }
            DryChange::Disable(it) => {
                let (kind, key) = (&it.interface_type, &it.idempotency_key);
                self.daemon.disable(Some(it.machine_id), kind, key).await?
            }
            DryChange::DisableAll(it) => self.daemon.disable(None, "", &it.idempotency_key).await?,
        };
        output::change(&subject, &answer, self.json)
    }

    async fn watch(&mut self, request: v1::WatchRequest, count: Option<u64>) -> anyhow::Result<()> {
        let mut stream = self.daemon.watch(request.machine_id, request.after).await?;
        let mut seen = 0;
        while count != Some(seen)
            && let Some(outcome) = stream.message().await.map_err(CallError::from)?
        {
            output::outcome(&outcome, self.json)?;
            std::io::stdout().flush()?;
            seen += 1;
        }
        Ok(())
    }
}

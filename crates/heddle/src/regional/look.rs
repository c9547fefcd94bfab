//! The commands that change nothing.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use hvd::client::{CallError, CallResult};
use rpc::region::v1;

use super::client::Client;
use super::follow::Asker;
use super::{how, output, rows};

/// How many there are on a page.
const PAGE: u32 = 1000;

/// Everything of a list, page by page.
macro_rules! all {
    ($asker:expr, $request:expr, $method:ident, $rows:ident) => {{
        let (mut request, mut rows) = ($request, Vec::new());
        request.page_size = PAGE;
        loop {
            let call = async |client: &mut Client, it| client.$method(it).await;
            let page = $asker.get(request.clone(), call).await?;
            rows.extend(page.$rows);
            if page.next_page_token.is_empty() {
                break rows;
            }
            request.page_token = page.next_page_token;
        }
    }};
}

/// Looks at the whole.
#[derive(Subcommand)]
pub(super) enum Look {
    /// Print which service leads, and how many hypervisors are connected.
    Status,
    /// Print one action, with what came of it on each hypervisor.
    Action {
        /// Its number.
        action: u64,
    },
    /// Print the actions that are under way or have stopped.
    Actions,
    /// Print who changed what, the oldest first.
    Audit {
        /// Only what this caller asked for: a name in a certificate, or local:USER.
        #[arg(
            long,
            value_name = "NAME",
            default_value = "",
            hide_default_value = true
        )]
        who: String,
        /// Only from this time on: 2h, 7d, or 2026-11-21T17:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = how::since)]
        since: Option<how::Since>,
        /// Only what concerns this hypervisor.
        #[arg(
            long,
            value_name = "NAME",
            default_value = "",
            hide_default_value = true
        )]
        hypervisor: String,
        /// At most so many, the newest ones.
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        count: usize,
    },
}

/// Looks at hypervisors.
#[derive(Subcommand)]
pub(super) enum Hypervisors {
    /// Print all hypervisors.
    List {
        /// Only those with this tag.
        #[arg(
            long,
            value_name = "TAG",
            default_value = "",
            hide_default_value = true
        )]
        tag: String,
        /// Only those whose connection is so.
        #[arg(long, value_name = "LINK")]
        link: Option<Link>,
    },
    /// Print one hypervisor.
    Get {
        /// Its name.
        name: String,
    },
}

/// How it is with a connection.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Link {
    /// It is there.
    Up,
    /// It is not there.
    Down,
    /// It is tried for the first time.
    Connecting,
    /// There is none.
    Disabled,
}

/// Looks at customers.
#[derive(Subcommand)]
pub(super) enum Customers {
    /// Print all customers.
    List,
}

/// Looks at machines.
#[derive(Subcommand)]
pub(super) enum Machines {
    /// Print machines.
    List {
        /// Only those of this customer.
        #[arg(
            long,
            value_name = "NAME",
            default_value = "",
            hide_default_value = true
        )]
        customer: String,
        /// Only those with this tag.
        #[arg(
            long,
            value_name = "TAG",
            default_value = "",
            hide_default_value = true
        )]
        tag: String,
        /// Only those that run on this hypervisor, move to it or leave it.
        #[arg(
            long,
            value_name = "NAME",
            default_value = "",
            hide_default_value = true
        )]
        hypervisor: String,
    },
    /// Print one machine, with what its hypervisor is told.
    Get {
        /// Its number.
        machine: u32,
    },
}

/// Looks at rules.
#[derive(Subcommand)]
pub(super) enum Rules {
    /// Print the rules that were added.
    List {
        /// Only those that speak of this machine.
        #[arg(
            long,
            value_name = "NUMBER",
            default_value_t = 0,
            hide_default_value = true
        )]
        machine: u32,
    },
}

/// Looks at floating addresses.
#[derive(Subcommand)]
pub(super) enum FloatingAddresses {
    /// Print floating addresses.
    List {
        /// Only those of this customer.
        #[arg(
            long,
            value_name = "NAME",
            default_value = "",
            hide_default_value = true
        )]
        customer: String,
    },
}

type Done = anyhow::Result<ExitCode>;

fn done(printed: anyhow::Result<()>) -> Done {
    printed.map(|()| ExitCode::SUCCESS)
}

impl Look {
    pub(super) async fn look(self, asker: &mut Asker) -> Done {
        let json = asker.json;
        match self {
            Self::Status => {
                let request = v1::GetStatusRequest::default();
                let call = async |client: &mut Client, it| client.get_status(it).await;
                done(rows::status(&asker.get(request, call).await?, json))
            }
            Self::Action { action: number } => {
                let request = v1::GetActionRequest { number };
                let call = async |client: &mut Client, it| client.get_action(it).await;
                done(output::action(&asker.get(request, call).await?, json))
            }
            Self::Actions => {
                let mut actions = Vec::new();
                for state in [v1::ActionState::Stopped, v1::ActionState::Running] {
                    let mut request = v1::ListActionsRequest::default();
                    request.set_state(state);
                    actions.extend(all!(asker, request, list_actions, actions));
                }
                actions.sort_unstable_by_key(|it: &v1::Action| it.number);
                done(output::actions(&actions, json))
            }
            Self::Audit {
                who,
                since,
                hypervisor,
                count,
            } => {
                let request = v1::ListActionsRequest {
                    who,
                    since,
                    hypervisor,
                    ..Default::default()
                };
                let mut actions = newest(asker, request, count).await?;
                actions.reverse();
                done(output::audit(&actions, json))
            }
        }
    }
}

/// So many of the newest actions, the newest first.
async fn newest(
    asker: &mut Asker,
    mut request: v1::ListActionsRequest,
    count: usize,
) -> CallResult<Vec<v1::Action>> {
    let mut actions = Vec::new();
    while actions.len() < count {
        let left = count - actions.len();
        request.page_size = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
        let call = async |client: &mut Client, it| client.list_actions(it).await;
        let page = asker.get(request.clone(), call).await?;
        actions.extend(page.actions);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    Ok(actions)
}

/// All hypervisors that are asked for.
pub(super) async fn all_hypervisors(
    asker: &mut Asker,
    request: v1::ListHypervisorsRequest,
) -> CallResult<Vec<v1::Hypervisor>> {
    Ok(all!(asker, request, list_hypervisors, hypervisors))
}

impl Hypervisors {
    pub(super) async fn look(self, asker: &mut Asker) -> Done {
        let json = asker.json;
        match self {
            Self::List { tag, link } => {
                let mut request = v1::ListHypervisorsRequest {
                    tag,
                    ..Default::default()
                };
                request.set_link(match link {
                    None => v1::Link::Unspecified,
                    Some(Link::Up) => v1::Link::Up,
                    Some(Link::Down) => v1::Link::Down,
                    Some(Link::Connecting) => v1::Link::Connecting,
                    Some(Link::Disabled) => v1::Link::Disabled,
                });
                done(rows::hypervisors(
                    &all_hypervisors(asker, request).await?,
                    json,
                ))
            }
            Self::Get { name } => {
                let request = v1::GetHypervisorRequest { name };
                let call = async |client: &mut Client, it| client.get_hypervisor(it).await;
                let hypervisor = asker.get(request, call).await?;
                done(rows::hypervisor(&hypervisor, json))
            }
        }
    }
}

impl Customers {
    pub(super) async fn look(self, asker: &mut Asker) -> Done {
        let Self::List = self;
        let request = v1::ListCustomersRequest::default();
        let customers = all!(asker, request, list_customers, customers);
        done(rows::customers(&customers, asker.json))
    }
}

impl Machines {
    pub(super) async fn look(self, asker: &mut Asker) -> Done {
        let json = asker.json;
        match self {
            Self::List {
                customer,
                tag,
                hypervisor,
            } => {
                let request = v1::ListMachinesRequest {
                    customer,
                    tag,
                    hypervisor,
                    ..Default::default()
                };
                let machines = all!(asker, request, list_machines, machines);
                done(rows::machines(&machines, json))
            }
            Self::Get {
                machine: machine_id,
            } => {
                let request = v1::GetMachineRequest { machine_id };
                let call = async |client: &mut Client, it| client.get_machine(it).await;
                done(rows::machine(&asker.get(request, call).await?, json))
            }
        }
    }
}

impl Rules {
    pub(super) async fn look(self, asker: &mut Asker) -> Done {
        let Self::List {
            machine: machine_id,
        } = self;
        let request = v1::ListRulesRequest {
            machine_id,
            ..Default::default()
        };
        let rules = all!(asker, request, list_rules, rules);
        done(rows::rules(&rules, asker.json))
    }
}

impl FloatingAddresses {
    pub(super) async fn look(self, asker: &mut Asker) -> Done {
        let Self::List { customer } = self;
        let request = v1::ListFloatingAddressesRequest {
            customer,
            ..Default::default()
        };
        let rows = all!(asker, request, list_floating_addresses, floating_addresses);
        done(rows::floating(&rows, asker.json))
    }
}

/// The floating address of this text.
pub(super) async fn floating_address(
    asker: &mut Asker,
    address: &str,
) -> CallResult<v1::FloatingAddress> {
    let request = v1::ListFloatingAddressesRequest::default();
    let rows = all!(asker, request, list_floating_addresses, floating_addresses);
    let wanted: Option<std::net::IpAddr> = address.parse().ok();
    let mut rows = rows.into_iter();
    let found =
        rows.find(|it: &v1::FloatingAddress| wanted.is_some() && it.address.parse().ok() == wanted);
    found.ok_or_else(|| CallError::Refused {
        field: None,
        text: format!("{address}: there is no such floating address; add it with floating put"),
    })
}

//! A region in this process: its database, its engine, and simulated hypervisors.

#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod fleet;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hvflow::params::{NetworkParams, Rule};
use model::region::{Action, ActionState, Machine};
use model::{Set, Str};
use region::engine::{Answer, Ask, Engine, Handle, Lead, Pace, Refusal, Settings};
use region::fleet::LinkState;
use region::request::{Request, Scope};
use region::rollout::Policy;
use server::Place;
use transport::Tls;
use transport::tls::Options;

use fleet::{Simulated, socket};

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

/// Starts a service of this name, without certificates.
pub(crate) async fn start(place: &Place, name: &str) -> Engine {
    start_with(place, name, Options::default()).await
}

/// The same with certificates.
pub(crate) async fn start_with(place: &Place, name: &str, tls: Options) -> Engine {
    let place = place.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let start = std::time::Instant::now();
        loop {
            // One that was killed a moment ago may still be about to leave its file.
            match region::engine::open(&place) {
                Ok(database) => return database,
                Err(error) => assert!(start.elapsed() < PATIENCE, "{error:#}"),
            }
            std::thread::sleep(PAUSE);
        }
    });
    let settings = Settings {
        name: name.into(),
        tls: Tls::new(Options {
            protocols: vec![b"h2"],
            ..tls
        }),
        pace: Pace {
            first: Duration::from_millis(20),
            most: Duration::from_millis(200),
            ..Pace::default()
        },
    };
    Engine::start(opened.await.unwrap(), settings)
        .await
        .unwrap()
}

/// Waits until something is as it should be.
pub(crate) async fn until(what: &str, mut look: impl FnMut() -> bool) {
    let wait = async {
        while !look() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    assert!(waited.is_ok(), "gave up waiting for {what}");
}

pub(crate) async fn until_leads(handle: &Handle) {
    until("the lock", || {
        handle.read(|state| state.lead() == Lead::Here)
    })
    .await;
}

/// A service with a file, and hypervisors named hv0, hv1 and so on.
pub(crate) struct Region {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) engine: Engine,
    pub(crate) handle: Handle,
    pub(crate) hosts: BTreeMap<String, Simulated>,
}

pub(crate) fn hv(number: usize) -> String {
    format!("hv{number}")
}

impl Region {
    /// Starts it with so many hypervisors that are there, each with a machine of customer acme: number 1 on hv0.
    pub(crate) async fn start(hosts: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = start(&Place::File(folder.path().join("region.db")), "here").await;
        let handle = engine.handle();
        let mut region = Self {
            folder,
            engine,
            handle,
            hosts: BTreeMap::new(),
        };
        until_leads(&region.handle).await;
        region.ask(customer("acme")).await;
        for number in 0..hosts {
            region.host(number).await;
            region.ask(hypervisor(region.folder.path(), number)).await;
            region.ask(machine(number + 1, "acme", Some(number))).await;
        }
        region.converged().await;
        region
    }

    /// Starts the daemon of a hypervisor.
    pub(crate) async fn host(&mut self, number: usize) {
        let host = Simulated::start(self.folder.path(), &hv(number)).await;
        self.hosts.insert(hv(number), host);
    }

    /// Ends the daemon of a hypervisor; its files stay.
    pub(crate) async fn host_away(&mut self, number: usize) {
        self.hosts.remove(&hv(number)).unwrap().stop().await;
        until("the link to be down", || !self.is_up(number)).await;
    }

    /// Ends the service without a farewell, as if it were killed, and starts another on its file.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            folder,
            engine,
            handle,
            hosts,
        } = self;
        drop((engine, handle));
        let engine = start(&Place::File(folder.path().join("region.db")), "here").await;
        let handle = engine.handle();
        until_leads(&handle).await;
        Self {
            folder,
            engine,
            handle,
            hosts,
        }
    }

    pub(crate) fn is_up(&self, number: usize) -> bool {
        self.handle.read(|state| {
            let host = state.view().hypervisor(&hv(number)).map(|(uuid, _)| uuid);
            host.and_then(|uuid| state.link(uuid))
                .is_some_and(|link| matches!(link, LinkState::Up { .. }))
        })
    }

    pub(crate) async fn try_ask(&self, request: Request) -> Result<Answer, Refusal> {
        self.handle.ask(ask(request)).await
    }

    pub(crate) async fn ask(&self, request: Request) -> Answer {
        self.try_ask(request).await.unwrap()
    }

    /// The row of an action once it is over.
    pub(crate) async fn over(&self, action: Option<i64>) -> Arc<Action> {
        over(&self.handle, action).await
    }

    /// Waits until every hypervisor that is there has exactly what is wanted from it.
    pub(crate) async fn converged(&self) {
        until("all to have what is wanted", || {
            let wanted = self.wanted();
            self.hosts.iter().all(|(name, host)| {
                let has = host.hypervisor.look(region_machines);
                wanted.get(name).is_none_or(|wanted| *wanted == has)
            })
        })
        .await;
    }

    /// By hypervisor, the machines that are wanted there.
    fn wanted(&self) -> BTreeMap<String, BTreeMap<u32, NetworkParams>> {
        self.handle.read(|state| {
            let view = state.view();
            let wanted = |host| {
                let machines = view.machines_on(host);
                machines.filter_map(move |(uuid, row): (_, &Arc<Machine>)| {
                    match region::wanted::wanted(view, uuid, host).unwrap() {
                        region::wanted::Wanted::Present(params) => {
                            Some((u32::try_from(row.number).unwrap(), *params))
                        }
                        _ => None,
                    }
                })
            };
            let hosts = view.hypervisors.iter();
            hosts
                .map(|(uuid, row)| (row.name.to_string(), wanted(*uuid).collect()))
                .collect()
        })
    }

    /// The machines of a hypervisor, as its daemon says.
    pub(crate) fn machines(&self, number: usize) -> BTreeMap<u32, NetworkParams> {
        self.hosts[&hv(number)].hypervisor.look(region_machines)
    }

    /// The ports that are open for a machine on a hypervisor.
    pub(crate) fn ports(&self, number: usize, machine: u32) -> Vec<u16> {
        let machines = self.machines(number);
        let policies = machines[&machine].vnics[0]
            .security_policies
            .as_ref()
            .unwrap();
        let ports = policies.rules.iter().flat_map(|rule| &rule.ports);
        ports.map(|range| range.first).collect()
    }
}

/// The machines that a daemon knows.
fn region_machines(core: &hvd::core::Core) -> BTreeMap<u32, NetworkParams> {
    let known = core.views(0);
    known
        .filter_map(|view| Some((view.machine, view.params?)))
        .collect()
}

pub(crate) async fn over(handle: &Handle, action: Option<i64>) -> Arc<Action> {
    let mut watch = handle.watch(action.unwrap()).unwrap();
    let mut last = None;
    let wait = async {
        while let Some(progress) = watch.next().await {
            last = Some(progress);
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the action to end");
    let last = last.unwrap();
    assert!(last.is_over(), "{last:?}");
    last.action
}

/// What came of an action, by hypervisor.
pub(crate) fn outcomes(action: &Action) -> BTreeMap<String, String> {
    let outcomes = action.outcomes.iter();
    outcomes
        .map(|(host, outcome)| (host.to_string(), outcome.to_string()))
        .collect()
}

pub(crate) fn ask(request: Request) -> Ask {
    Ask {
        who: "tester".into(),
        request,
        policy: Policy::default(),
        dry_run: false,
        key: None,
    }
}

pub(crate) fn customer(name: &str) -> Request {
    Request::PutCustomer {
        name: name.into(),
        enabled: true,
    }
}

pub(crate) fn hypervisor(folder: &Path, number: usize) -> Request {
    let name = hv(number);
    Request::PutHypervisor {
        endpoint: format!("unix:{}", socket(folder, &name).display()).into(),
        name: name.into(),
        tags: Set::default(),
        enabled: true,
    }
}

pub(crate) fn machine(number: usize, customer: &str, place: Option<usize>) -> Request {
    let port = 2 + number % 15;
    let (high, low) = (number / 250, number % 250 + 1);
    let parameters = format!(
        r#"{{"droplet_id":{number},"vnics":[{{"mac":"02:00:00:00:{high:02x}:{low:02x}","enabled":1,"name":"p{port}",
        "interface_type":"public","addresses":{{"ipv4":[{{"ip_address":"10.0.{high}.{low}","masklen":16}}]}},
        "security_policies":{{"rules":[]}}}}]}}"#
    );
    Request::PutMachine {
        parameters: parameters.into(),
        customer: customer.into(),
        hypervisor: place.map(|number| hv(number).into()),
        tags: Set::default(),
        enabled: true,
    }
}

pub(crate) fn open(customer: &str, port: u16) -> Request {
    Request::AddRule {
        scope: Scope {
            customer: Some(Str::from(customer)),
            ..Scope::default()
        },
        rule: rule(port),
    }
}

pub(crate) fn rule(port: u16) -> Box<Rule> {
    let text = format!(
        r#"{{"direction":"inbound","protocol":"tcp","ports":[{{"first":{port},"last":{port}}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn is_done(action: &Arc<Action>) -> bool {
    action.state == ActionState::Done
}

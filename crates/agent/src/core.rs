//! The agent without its sockets: events in, commands out.
//!
//! It holds the views of both databases and the engine of `physical`, and asks the pure modules what
//! should be different. At most one transaction a database is on its way; when it ends, well or not,
//! the modules are asked again, with the view that is current then.

mod facts;
mod packets;
mod plans;
mod queries;
mod renew;
mod report;

use std::collections::BTreeSet;
use std::time::Duration;

use model::{RowError, Str, Uuid};
use openflow::message::{CtFlushZone, Message, PacketIn};
use ovsdb::{Operation, RowChange};
use physical::{Changes, Fact, Physical, Settings, Zone};

use crate::binding::Recent;
use crate::config::Config;
use crate::interest::{self, Asked, Found, Interest};
use crate::learned::Learned;
use crate::local::{Local, Now};
use crate::nbcfg::Progress;
use crate::view::{Southbound, Vswitch};
use crate::zones::Zones;
use crate::{binding, chassis, zones};

use facts::Told;
use report::Reports;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// The view of a database is complete and follows the server.
    Connected(Database),
    /// The connection to a database ended; its rows stay.
    Disconnected(Database),
    /// Rows of a database changed.
    Changes(Database, Vec<RowChange>),
    /// The rows of the Southbound that were asked for are there.
    RowsCame,
    /// A transaction ended; an error says why it had no effect.
    Done(Database, Result<(), String>),
    /// The switch is there; the Geneve option is mapped to this tunnel metadata field.
    SwitchReady {
        /// The number of the field.
        tunnel_metadata: u8,
    },
    /// The switch has everything up to this step.
    Confirmed(u64),
    /// A packet for us.
    Packet(Box<PacketIn>),
}

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// The local one.
    Vswitch,
    /// The Southbound.
    Southbound,
}

/// Something to do.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Connect to the Southbound at these remotes (commas between).
    Southbound(Str),
    /// Ask the Southbound for these rows of these tables. [`Event::RowsCame`] must follow, if there was a
    /// [`Command::Southbound`] before; else the connection begins with them.
    Rows(Interest),
    /// Talk to the bridge of that name.
    Bridge(Str),
    /// Run a transaction; [`Event::Done`] must follow.
    Transact(Database, Vec<Operation>),
    /// Change flows and groups; [`Event::Confirmed`] follows when the switch has them.
    Flows(Changes, u64),
    /// Send a message to the switch.
    Send(Message),
}

/// The first pause after a transaction that failed; it doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(8);

/// One database's transactions.
#[derive(Debug, Default)]
struct Flight {
    complete: bool,
    connected: bool,
    in_flight: bool,
    retry_at: Option<Now>,
    failures: u32,
}

impl Flight {
    fn is_free(&self, now: Now) -> bool {
        self.connected && !self.in_flight && self.retry_at.is_none_or(|at| now >= at)
    }

    fn done(&mut self, ok: bool, now: Now) {
        self.in_flight = false;
        self.failures = if ok {
            0
        } else {
            self.failures.saturating_add(1)
        };
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.clamp(1, 10).saturating_sub(1));
        self.retry_at = (!ok).then(|| now + pause.min(MAX_PAUSE));
    }
}

/// What has to be looked at again.
#[derive(Clone, Copy, Debug)]
struct Dirty {
    /// Settings, interfaces, ports, bridges.
    ovs: bool,
    /// Chassis and encapsulations.
    chassis: bool,
    /// Port bindings and their datapaths.
    ports: bool,
    /// Anything that flows depend on.
    flows: bool,
}

const ALL_DIRTY: Dirty = Dirty {
    ovs: true,
    chassis: true,
    ports: true,
    flows: true,
};
const CLEAN: Dirty = Dirty {
    ovs: false,
    chassis: false,
    ports: false,
    flows: false,
};

/// The agent without its sockets.
pub struct Core {
    chassis_name: Option<Str>,
    hostname: Str,
    config: Option<Config>,
    ovs: Vswitch,
    sb: Southbound,
    ovs_flight: Flight,
    sb_flight: Flight,
    /// Known from the first connection to the switch on; flows are wrong without.
    tunnel_metadata: Option<u8>,
    physical: Physical,
    told: Told,
    asked: Asked,
    /// Whether there was a [`Command::Southbound`].
    is_connecting: bool,
    zones: Zones,
    progress: Progress,
    recent: Recent,
    local: Local,
    learned: Learned,
    reports: Reports,
    dirty: Dirty,
    /// For each database, what its plans have to look at again.
    plan_ovs: Dirty,
    plan_sb: Dirty,
    step: u64,
    paused: bool,
    renew: bool,
    resend: bool,
    commands: Vec<Command>,
}

impl Core {
    /// Knows nothing yet. `chassis` is the name from the command line.
    pub fn new(chassis: Option<&str>, hostname: &str) -> Self {
        Self {
            chassis_name: chassis.map(Str::from),
            hostname: hostname.into(),
            config: None,
            ovs: Vswitch::default(),
            sb: Southbound::default(),
            ovs_flight: Flight::default(),
            sb_flight: Flight::default(),
            tunnel_metadata: None,
            physical: Physical::new(),
            told: Told::default(),
            asked: Asked::default(),
            is_connecting: false,
            zones: Zones::default(),
            progress: Progress::default(),
            recent: Recent::default(),
            local: Local::default(),
            learned: Learned::default(),
            reports: Reports::default(),
            dirty: ALL_DIRTY,
            plan_ovs: ALL_DIRTY,
            plan_sb: ALL_DIRTY,
            step: 0,
            paused: false,
            renew: false,
            resend: false,
            commands: Vec::new(),
        }
    }

    /// Takes note of an event; [`Core::run`] draws the conclusions.
    pub fn handle(&mut self, event: Event, now: Now) {
        match event {
            Event::Connected(database) => {
                let flight = self.flight(database);
                (flight.connected, flight.complete) = (true, true);
                self.dirty = ALL_DIRTY;
            }
            Event::Disconnected(database) => {
                self.flight(database).connected = false;
            }
            Event::Changes(Database::Vswitch, changes) => self.vswitch_changed(&changes),
            Event::Changes(Database::Southbound, changes) => self.southbound_changed(&changes),
            Event::RowsCame => {
                self.asked.met();
                self.dirty.flows = true;
            }
            Event::Done(database, result) => self.done(database, result, now),
            Event::SwitchReady { tunnel_metadata } => {
                self.tunnel_metadata = Some(tunnel_metadata);
                self.dirty.flows = true;
            }
            Event::Confirmed(step) => {
                self.progress.confirmed(step);
                self.dirty.ports = true;
            }
            Event::Packet(packet) => self.packet(*packet, now),
        }
    }

    fn flight(&mut self, database: Database) -> &mut Flight {
        match database {
            Database::Vswitch => &mut self.ovs_flight,
            Database::Southbound => &mut self.sb_flight,
        }
    }

    fn vswitch_changed(&mut self, changes: &[RowChange]) {
        for change in changes {
            if let Err(error) = self.ovs.apply(change) {
                report::unreadable(change, &error);
            }
        }
        self.dirty.ovs = true;
        self.dirty.flows = true;
    }

    fn southbound_changed(&mut self, changes: &[RowChange]) {
        for change in changes {
            match change.table.as_str() {
                "Chassis" | "Encap" | "Chassis_Private" => self.dirty.chassis = true,
                "Port_Binding" | "Datapath_Binding" => self.dirty.ports = true,
                _ => {}
            }
            match self.sb.apply(change) {
                Ok(fact) => {
                    if let Some(Fact::MacBinding(_, Some(row))) = &fact {
                        let effects = facts::resolved(&self.sb, &mut self.local, row);
                        self.effects(effects, None);
                    }
                    fact.into_iter().for_each(|fact| self.physical.apply(fact));
                }
                Err(error) => self.forget(change, &error),
            }
        }
        self.dirty.flows = true;
    }

    fn forget(&mut self, change: &RowChange, error: &RowError) {
        report::unreadable(change, error);
        if let Some(fact) = Fact::forget(&change.table, change.uuid) {
            self.physical.apply(fact);
        }
    }

    fn done(&mut self, database: Database, result: Result<(), String>, now: Now) {
        self.flight(database).done(result.is_ok(), now);
        if let Err(why) = result {
            match database {
                Database::Vswitch => tracing::warn!(target: "main", "OVS commit failed: {why}"),
                Database::Southbound => {
                    tracing::warn!(target: "main", "OVNSB commit failed: {why}");
                }
            }
            match database {
                Database::Vswitch => self.plan_ovs = ALL_DIRTY,
                Database::Southbound => self.plan_sb = ALL_DIRTY,
            }
        }
    }

    /// What is to be done now. `stamp` is milliseconds since 1970.
    pub fn run(&mut self, now: Now, stamp: i64) -> Vec<Command> {
        self.local.expire(now);
        if !self.paused {
            self.configure();
            if let Some(config) = self.config.clone() {
                self.mark();
                let news = self.dirty.flows;
                let concluded = self.conclude(&config);
                if news {
                    self.ask_for_rows(&config);
                }
                if concluded {
                    self.hand_over(&config);
                }
                self.plan_vswitch(&config, now, stamp);
                self.plan_southbound(&config, now, stamp);
            }
        }
        std::mem::take(&mut self.commands)
    }

    /// Hands on what changed to those that look at it at their own time.
    fn mark(&mut self) {
        let dirty = std::mem::replace(&mut self.dirty, CLEAN);
        for plan in [&mut self.plan_ovs, &mut self.plan_sb] {
            plan.ovs |= dirty.ovs;
            plan.chassis |= dirty.chassis;
            plan.ports |= dirty.ports;
        }
        self.dirty.flows = dirty.flows;
    }

    fn configure(&mut self) {
        if !self.dirty.ovs || !self.ovs_flight.complete {
            return;
        }
        let Some((_, root)) = self.ovs.root.first() else {
            return;
        };
        let config = Config::read(root, self.chassis_name.as_deref(), &self.hostname);
        if config == self.config {
            return;
        }
        let field =
            |config: &Option<Config>, of: fn(&Config) -> Option<Str>| config.as_ref().and_then(of);
        let remote = |config: &Config| config.remote.clone();
        let bridge = |config: &Config| Some(config.bridge.clone());
        if let (Some(new), true) = (
            field(&config, remote),
            field(&config, remote) != field(&self.config, remote),
        ) {
            if let Some(config) = &config {
                self.ask_for_rows(config);
            }
            self.is_connecting = true;
            self.commands.push(Command::Southbound(new));
        }
        if let (Some(new), true) = (
            field(&config, bridge),
            field(&config, bridge) != field(&self.config, bridge),
        ) {
            self.commands.push(Command::Bridge(new));
            // Another bridge holds nothing of ours, and may map the tunnel option differently.
            self.tunnel_metadata = None;
            self.resend = true;
        }
        for kind in config.iter().flat_map(|config| &config.unknown_encap_types) {
            tracing::info!(target: "chassis", "Unknown tunnel type: {kind}");
        }
        self.config = config;
        self.dirty = ALL_DIRTY;
    }

    /// Asks for the rows that are needed and were not asked for.
    fn ask_for_rows(&mut self, config: &Config) {
        let interfaces = binding::vifs(&self.ovs, &config.bridge);
        let found = Found {
            interfaces: &interfaces.into_keys().collect(),
            datapaths: &self.physical.local_datapaths().collect(),
        };
        let interest = interest::interest(config, &self.sb, found);
        if let Some(news) = self.asked.ask(interest) {
            self.commands.push(Command::Rows(news));
        }
        if !self.is_connecting {
            // The connection will begin with them.
            self.asked.met();
        }
    }

    /// Brings `physical` up to date; says whether it was.
    fn conclude(&mut self, config: &Config) -> bool {
        // Before the first complete view, what is missing would look like what is gone; and while the
        // Southbound does not know us yet, everything would.
        let known = self.step > 0 || self.sb.chassis_named(&config.chassis).is_some();
        let complete = known && self.ovs_flight.complete && self.sb_flight.complete;
        let (true, true, Some(tunnel_metadata)) =
            (complete, self.dirty.flows, self.tunnel_metadata)
        else {
            return false;
        };
        self.dirty.flows = false;
        let settings = Settings {
            tunnel_metadata,
            ..Settings::new(config.chassis.clone())
        };
        self.told
            .tell(settings, &self.ovs, &config.bridge, &mut self.physical);
        self.physical.run();
        if self.assign_zones(config) {
            self.physical.run();
        }
        true
    }

    /// Hands what differs to the switch.
    fn hand_over(&mut self, config: &Config) {
        // While rows are missing, flows would be too: the switch keeps the ones that it has from before.
        if self.step == 0 && self.asked.waits() {
            return;
        }
        self.step += 1;
        let bound: BTreeSet<Uuid> = match self.sb.chassis_named(&config.chassis) {
            Some((here, _)) => self.sb.ports_on(&here).map(|(uuid, _)| uuid).collect(),
            None => BTreeSet::new(),
        };
        if self.asked.waits() {
            // Neither what is new nor the configuration is whole yet.
            self.progress.keep(&bound);
        } else {
            let nb_cfg = self.sb.global.first().map(|(_, row)| row.nb_cfg);
            self.progress.handed(self.step, nb_cfg, bound);
        }
        // Zones and the datapaths that are local may have changed, which the local database shows.
        self.plan_ovs.ports = true;
        let mut changes = self.physical.changes();
        if std::mem::take(&mut self.resend) {
            changes = renew::all(&self.physical);
        }
        self.commands.push(Command::Flows(changes, self.step));
        if std::mem::take(&mut self.renew) {
            let (fresh, difference) = renew::renew(&self.physical);
            self.physical = fresh;
            if !difference.flows.is_empty() || !difference.groups.is_empty() {
                let count = difference.flows.len() + difference.groups.len();
                tracing::warn!(target: "main", "recompute corrected {count} flows and groups");
                self.commands.push(Command::Flows(difference, self.step));
            }
        }
    }

    /// Gives zones to ports and datapaths; says whether `physical` was told anything.
    fn assign_zones(&mut self, config: &Config) -> bool {
        let Some((_, bridge)) = self.ovs.bridge(&config.bridge) else {
            return false;
        };
        let stored = zones::stored(bridge);
        let local: BTreeSet<Uuid> = self.physical.local_datapaths().collect();
        let wanted = facts::zones(&self.sb, &self.ovs, config, &local);
        let fixed = facts::fixed_zones(&self.sb, &local);
        let outcome = self.zones.update(&wanted, &stored, &fixed);
        for (_, number) in &outcome.new {
            self.commands
                .push(Command::Send(Message::CtFlushZone(CtFlushZone {
                    zone: *number,
                })));
        }
        for zone in &outcome.refused {
            tracing::warn!(target: "ct_zone", "all connection tracking zones are in use: none for {}", zones::name(zone));
        }
        let gone = outcome.gone.into_iter().map(|zone| (zone, None));
        let there = outcome.new.into_iter().chain(outcome.kept);
        let told: Vec<(Zone, Option<u16>)> = gone
            .chain(there.map(|(zone, number)| (zone, Some(number))))
            .collect();
        let any = !told.is_empty();
        told.into_iter()
            .for_each(|(zone, number)| self.physical.apply(Fact::Zone(zone, number)));
        any
    }

    /// What removes us from the Southbound.
    pub fn leave(&self) -> Vec<Operation> {
        self.config
            .as_ref()
            .map(|c| chassis::leave(&c.chassis, &self.sb))
            .unwrap_or_default()
    }
}

//! `heddle agent` and stock `ovn-controller` over one Southbound, which the stock programs made: what it costs to come
//! to know it, and to follow changes.
//!
//! Each agent has a node of the same cluster, with a switch of its own and as many interfaces. A node is like any other,
//! so both have the same work. What an agent costs is the processor time of its process, which other load on the machine
//! changes little.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use super::shape::{Kubernetes, one_port};
use crate::centre::{Central, Centre};
use crate::cloud::Agent;
use crate::database::Database;
use crate::hypervisor::{Hypervisor, HypervisorSpec};
use crate::process::Process;
use crate::scratch::Scratch;
use crate::underlay::Underlay;
use crate::wait::until;

const PATIENCE: Duration = Duration::from_secs(1800);

/// How large.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Nodes of the cluster.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    nodes: u32,
    /// Pods on each node.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=250))]
    pods: u32,
    /// Services.
    #[arg(long, default_value_t = 0)]
    services: u32,
    /// How many ports are added elsewhere, one after the other.
    #[arg(long, default_value_t = 20)]
    changes: usize,
}

/// What an agent cost.
#[derive(Clone, Copy, Debug)]
struct Figures {
    /// From its start until everything is in the switch, and it said so.
    first: Duration,
    first_processor: Duration,
    /// For all changes together.
    changes_processor: Duration,
    memory: u64,
    peak: u64,
    /// How many OpenFlow flows the switch holds.
    flows: usize,
}

/// Runs both, one after the other, and writes a table.
///
/// # Errors
/// When a program does not come up or does not follow.
pub fn run(out: &mut dyn Write, heddle: &Path, arguments: &Arguments) -> Result<()> {
    let Arguments {
        nodes,
        pods,
        services,
        changes,
    } = *arguments;
    let scratch = Scratch::new()?;
    let centre = Centre::start(Central::Stock, heddle, &scratch)?;
    let mut northbound = Database::open(&centre.northbound(), "OVN_Northbound")?;
    let mut southbound = Database::open(&centre.southbound(), "OVN_Southbound")?;
    let shape = Kubernetes {
        nodes,
        pods,
        services,
    };
    shape.load(&mut northbound)?;
    northbound.sync("sb_cfg", PATIENCE)?;
    let flows = southbound
        .select("Logical_Flow", json!([]), &["_uuid"])?
        .len();
    writeln!(
        out,
        "k8s nodes={nodes} pods={pods} svcs={services}: {flows} logical flows; {changes} changes\n"
    )?;

    let mut measure = |node, agent| {
        let mut host = Host {
            node,
            pods,
            agent,
            scratch: &scratch,
            northbound: &mut northbound,
            southbound: &mut southbound,
        };
        host.measure(heddle, &centre.southbound(), changes)
            .with_context(|| format!("{agent:?}"))
    };
    let stock = measure(0, Agent::Stock)?;
    let ours = measure(1, Agent::Heddle)?;
    write(out, stock, ours)
}

/// The node that an agent has.
struct Host<'a> {
    node: u32,
    pods: u32,
    agent: Agent,
    scratch: &'a Scratch,
    northbound: &'a mut Database,
    southbound: &'a mut Database,
}

impl Host<'_> {
    fn measure(&mut self, heddle: &Path, southbound: &str, changes: usize) -> Result<Figures> {
        let chassis = format!("chassis-{}", self.node);
        let underlay = Underlay::new()?;
        let hypervisor = Hypervisor::start(&HypervisorSpec {
            name: &chassis,
            folder: &self.scratch.folder(&chassis)?,
            underlay: &underlay,
            southbound: Some(southbound),
        })?;
        self.plug(&hypervisor)?;
        let start = Instant::now();
        let mut agent = self.agent.start(heddle, &hypervisor)?;
        self.settle(&chassis, &mut agent)?;
        let (first, first_processor) = (start.elapsed(), agent.processor()?);
        let mut figures = Figures {
            first,
            first_processor,
            changes_processor: Duration::ZERO,
            memory: agent.memory()?.now,
            peak: agent.memory()?.peak,
            flows: hypervisor
                .flows()?
                .lines()
                .filter(|line| line.contains("actions="))
                .count(),
        };
        for number in 0..changes {
            let number = number + changes * self.node as usize;
            self.northbound
                .commit_and_wait(one_port(number), "hv_cfg", PATIENCE)?;
        }
        figures.changes_processor = agent.processor()?.saturating_sub(first_processor);
        // A chassis that is gone must not hold up what waits for all of them.
        agent.stop();
        self.forget(&chassis)?;
        Ok(figures)
    }

    /// Interfaces for the pods of the node.
    fn plug(&self, hypervisor: &Hypervisor) -> Result<()> {
        let mut words = vec![];
        for pod in 0..self.pods {
            let name = format!("pod-{}-{pod}", self.node);
            let line = format!(
                "-- add-port br-int v{pod} -- set Interface v{pod} type=internal external_ids:iface-id={name}"
            );
            words.extend(line.split(' ').map(str::to_owned));
        }
        hypervisor.vsctl(&words[1..]).map(drop)
    }

    /// Waits until the agent has bound all pods, and has everything in the switch.
    fn settle(&mut self, chassis: &str, agent: &mut Process) -> Result<()> {
        until(PATIENCE, "all pods to be up", || {
            agent.expect_alive()?;
            let condition = json!([["name", "==", chassis]]);
            let rows = self.southbound.select("Chassis", condition, &["_uuid"])?;
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            let condition = json!([
                ["chassis", "==", row["_uuid"]],
                ["up", "==", true],
                ["type", "==", ""]
            ]);
            let bound = self
                .southbound
                .select("Port_Binding", condition, &["_uuid"])?;
            Ok((bound.len() >= self.pods as usize).then_some(()))
        })?;
        self.northbound.sync("hv_cfg", PATIENCE).map(drop)
    }

    fn forget(&mut self, chassis: &str) -> Result<()> {
        let delete = |table: &str| -> Value {
            json!({"op": "delete", "table": table, "where": [["name", "==", chassis]]})
        };
        self.southbound
            .transact(vec![delete("Chassis"), delete("Chassis_Private")])?;
        Ok(())
    }
}

fn write(out: &mut dyn Write, stock: Figures, ours: Figures) -> Result<()> {
    writeln!(
        out,
        "| what | stock | heddle | stock / heddle |\n|---|---|---|---|"
    )?;
    let time = |time: Duration| (time.as_secs_f64(), format!("{:.2} s", time.as_secs_f64()));
    let bytes = |bytes: u64| (bytes as f64, format!("{:.0} MB", bytes as f64 / 1e6));
    type Read<'a> = &'a dyn Fn(&Figures) -> (f64, String);
    let lines: [(&str, Read<'_>); 6] = [
        ("first load: processor time", &|it| time(it.first_processor)),
        ("first load: until all is in the switch", &|it| {
            time(it.first)
        }),
        ("all changes: processor time", &|it| {
            time(it.changes_processor)
        }),
        ("memory (Pss) after the first load", &|it| bytes(it.memory)),
        ("memory, peak", &|it| bytes(it.peak)),
        ("OpenFlow flows", &|it| {
            (it.flows as f64, it.flows.to_string())
        }),
    ];
    for (what, read) in lines {
        let ((one, stock), (other, ours)) = (read(&stock), read(&ours));
        // A tick of the kernel's clock is the least that can be told.
        let ratio = if other > 0.0 {
            format!("{:.1}", one / other)
        } else {
            "-".to_owned()
        };
        writeln!(out, "| {what} | {stock} | {ours} | {ratio} |")?;
    }
    Ok(())
}

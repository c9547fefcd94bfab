//! The switches of chassis: their OpenFlow flows, beside the logical flows that they carry out.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use openflow::message::multipart::FlowDesc;
use pipeline::{ChassisId, Flow, Network, Node, NodeKind, Trace};

use super::nearest;
use super::source::SourceArgs;
use crate::of::switch::{Switch, SwitchArgs};

/// Where the switches are.
#[derive(clap::Args, Clone, Default)]
pub(crate) struct SwitchesArgs {
    /// The integration bridge of a chassis, such as hv1=unix:/run/openvswitch/br-int.mgmt or hv2=tcp:10.0.0.2:6653.
    #[arg(long = "switch", value_name = "CHASSIS=REMOTE", value_parser = parse)]
    switches: Vec<(String, String)>,
    /// The folder of a demo that was kept: all of its switches.
    #[arg(long, value_name = "FOLDER")]
    demo: Option<PathBuf>,
}

fn parse(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((chassis, remote)) if !chassis.is_empty() && !remote.is_empty() => {
            Ok((chassis.to_owned(), remote.to_owned()))
        }
        _ => Err("say CHASSIS=REMOTE, as in hv1=unix:/run/openvswitch/br-int.mgmt".to_owned()),
    }
}

/// Switches that are connected.
pub(crate) struct Switches {
    of_chassis: HashMap<ChassisId, Switch>,
    /// A switch of which nobody says whose it is.
    other: Option<Switch>,
}

impl SwitchesArgs {
    /// Whether any is named.
    pub(crate) fn is_some(&self) -> bool {
        !self.switches.is_empty() || self.demo.is_some()
    }

    /// Whether one is named by itself.
    pub(crate) fn is_named(&self) -> bool {
        !self.switches.is_empty()
    }

    /// The folder of a kept demo.
    pub(crate) fn demo(&self) -> Option<&PathBuf> {
        self.demo.as_ref()
    }

    /// Connects to the switches that are named, and to `other`.
    pub(crate) async fn connect(
        &self,
        network: &Network,
        other: Option<String>,
        source: &SourceArgs,
    ) -> anyhow::Result<Switches> {
        let connect = async |remote: String| {
            let args = SwitchArgs::of(remote, source.timeout, source.tls.clone());
            args.connect().await
        };
        let mut switches = Switches {
            of_chassis: HashMap::new(),
            other: None,
        };
        for (name, remote) in self.all(network)? {
            let Some(chassis) = network.chassis_named(&name) else {
                let names = network.chassis().map(|it| it.1.name.as_str());
                bail!(
                    "--switch: the Southbound has no chassis \"{name}\"{}",
                    nearest(&name, names)
                );
            };
            let switch = connect(remote).await?;
            switches.of_chassis.insert(chassis, switch);
        }
        if let Some(remote) = other {
            switches.other = Some(connect(remote).await?);
        }
        Ok(switches)
    }

    fn all(&self, network: &Network) -> anyhow::Result<Vec<(String, String)>> {
        let mut all = self.switches.clone();
        if let Some(folder) = &self.demo {
            for (_, chassis) in network.chassis() {
                let socket = folder.join(chassis.name.as_str()).join("br-int.mgmt");
                if socket.exists() {
                    let remote = format!("unix:{}", socket.display());
                    all.push((chassis.name.to_string(), remote));
                }
            }
            ensure!(
                !all.is_empty(),
                "--demo: {} has no switch of a chassis in it; is it the folder that `heddle demo --keep` told?",
                folder.display()
            );
        }
        Ok(all)
    }
}

/// The cookie that flows carry which carry out a row: the beginning of its UUID.
pub(crate) fn cookie(uuid: ovsdb::Uuid) -> u64 {
    uuid.as_fields().0.into()
}

impl Switches {
    /// The switch of a chassis; where nobody says which chassis it is about, the one that there is.
    pub(crate) fn of(&self, chassis: Option<ChassisId>) -> Option<&Switch> {
        let named = chassis.and_then(|it| self.of_chassis.get(&it));
        named.or(self.other.as_ref())
    }

    /// All flows of all switches, by whose they are; none stands for the one of which nobody says.
    pub(crate) async fn dump(&self) -> anyhow::Result<HashMap<Option<ChassisId>, Vec<FlowDesc>>> {
        let named = self.of_chassis.iter().map(|it| (Some(*it.0), it.1));
        let other = self.other.iter().map(|it| (None, it));
        let mut all = HashMap::new();
        for (chassis, switch) in named.chain(other) {
            let flows = switch.handle.dump_flows().await;
            let flows = flows.with_context(|| format!("{}: its flows", switch.name))?;
            all.insert(chassis, flows);
        }
        Ok(all)
    }

    /// Puts beside each logical flow of a trace the flows that carry it out.
    pub(crate) async fn annotate(
        &self,
        network: &Network,
        trace: &mut Trace,
    ) -> anyhow::Result<()> {
        let dumped = self.dump().await?;
        let mut by_cookie: HashMap<(Option<ChassisId>, u64), Vec<&FlowDesc>> = HashMap::new();
        for (chassis, flows) in &dumped {
            for flow in flows {
                let key = (*chassis, flow.flow.cookie);
                by_cookie.entry(key).or_default().push(flow);
            }
        }
        let beside = |flow: &Flow, place: Option<ChassisId>| -> Vec<Node> {
            let chassis = place.filter(|it| self.of_chassis.contains_key(it));
            if chassis.is_none() && self.other.is_none() {
                let name = place.map_or("this chassis", |it| network[it].name.as_str());
                let text = format!("*** no switch of {name} was named (--switch)");
                return vec![NodeKind::Error(text).into()];
            }
            let found = by_cookie.get(&(chassis, cookie(flow.uuid)));
            let lines = found.into_iter().flatten().map(ToString::to_string);
            let nodes: Vec<Node> = lines.map(|it| NodeKind::Action(it).into()).collect();
            if nodes.is_empty() {
                return vec![NodeKind::Error("*** no OpenFlow flows".into()).into()];
            }
            nodes
        };
        trace.beside_flows(&mut |flow, place| beside(&network[flow], place));
        Ok(())
    }
}

/// The switch of this host, where nobody says which.
pub(crate) fn of_this_host() -> String {
    "br-int".to_owned()
}

//! Many hypervisors that monitor one Southbound, each what concerns it, with conditions as `ovn-controller` has
//! them: its datapaths, its ports, what is for its chassis, all patch ports, all flows of datapath groups.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::contents::{Contents, Kind, PORTS, chassis_name, guests, host, port_name, uuid};
use super::figures::{Figures, quantile};
use super::side::{Server, Side};
use super::swarm::Swarm;
use super::{PATIENCE, Place};

/// How many changes that all see are made.
const COMMON: usize = 50;

pub(super) fn measure(
    place: &Place<'_>,
    side: Side,
    file: &Path,
    contents: Contents,
    monitors: usize,
    figures: &mut Figures,
) -> Result<()> {
    let server = place.start(side, file)?;
    let mut swarm = Swarm::connect(&server.socket(), monitors)?;
    let mut stage = Stage {
        server: &server,
        side,
        figures,
    };

    stage.measure("first views", &mut swarm, |swarm| {
        for number in 0..monitors {
            swarm.send(
                number,
                &request(contents.tenants, number % contents.tenants),
            )?;
        }
        swarm.until(PATIENCE, |clients| {
            clients.iter().all(|client| client.messages > 0)
        })
    })?;
    stage
        .figures
        .bytes(side, "first views: peak memory", server.memory()?.peak);

    let mut took = Vec::new();
    stage.measure("an update for each", &mut swarm, |swarm| {
        let operations =
            (0..monitors).map(|number| port_update(contents.tenants, number % contents.tenants));
        took = change(&server, swarm, operations, "each")?;
        Ok(())
    })?;
    stage.latency("a transaction that few see", &took);

    stage.measure("updates for all", &mut swarm, |swarm| {
        took = change(&server, swarm, (0..COMMON).map(global_update), "all")?;
        Ok(())
    })?;
    stage.latency("a transaction that all see", &took);
    stage
        .figures
        .bytes(side, "all monitors: memory (Pss)", server.memory()?.now);
    Ok(())
}

/// What is measured in each stage.
struct Stage<'a> {
    server: &'a Server,
    side: Side,
    figures: &'a mut Figures,
}

impl Stage<'_> {
    fn measure(
        &mut self,
        what: &str,
        swarm: &mut Swarm,
        act: impl FnOnce(&mut Swarm) -> Result<()>,
    ) -> Result<()> {
        let (bytes, processor, start) = (swarm.bytes(), self.server.processor()?, Instant::now());
        act(swarm)?;
        self.figures
            .time(self.side, &format!("{what}: time"), start.elapsed());
        let cost = self.server.processor()?.saturating_sub(processor);
        self.figures
            .time(self.side, &format!("{what}: processor time"), cost);
        self.figures
            .bytes(self.side, &format!("{what}: bytes"), swarm.bytes() - bytes);
        Ok(())
    }

    fn latency(&mut self, what: &str, took: &[Duration]) {
        for (name, part) in [("median", 0.5), ("99 %", 0.99)] {
            let value = quantile(took, part).unwrap_or_default();
            self.figures
                .time(self.side, &format!("{what}: {name}"), value);
        }
    }
}

/// Commits one operation after the other, each durable, while all monitors listen; gives how long each took. Ends
/// when all have heard of the last.
fn change(
    server: &Server,
    swarm: &mut Swarm,
    operations: impl Iterator<Item = String> + Send,
    name: &str,
) -> Result<Vec<Duration>> {
    let marker = format!("the-end-of-{name}");
    swarm.look_for(&marker);
    let last = global(&marker);
    let socket = server.socket();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| -> Result<Vec<Duration>> {
            let mut writer = Swarm::connect(&socket, 1)?;
            let mut took = Vec::new();
            for operation in operations {
                took.push(writer.ask(0, &transaction(&operation))?.1);
            }
            writer.ask(0, &transaction(&last))?;
            Ok(took)
        });
        // When the writer fails the marker never comes.
        let heard = swarm.until(PATIENCE, |clients| {
            writer.is_finished() && clients.iter().all(|client| client.marked)
        });
        let took = writer
            .join()
            .map_err(|_| anyhow!("the writer panicked"))??;
        heard.map(|()| took)
    })
}

fn transaction(operation: &str) -> String {
    format!(
        r#"{{"id":1,"method":"transact","params":["OVN_Southbound",{operation},{{"op":"commit","durable":true}}]}}"#
    )
}

/// A change that all see.
fn global(text: &str) -> String {
    format!(
        r#"{{"op":"update","table":"SB_Global","where":[],"row":{{"options":["map",[["mark","{text}"]]]}}}}"#
    )
}

fn global_update(number: usize) -> String {
    global(&format!("number-{number}"))
}

/// A change of a port on this hypervisor.
fn port_update(tenants: usize, of: usize) -> String {
    let tenant = guests(tenants, of).next().unwrap_or_default();
    let port = (0..PORTS)
        .find(|port| host(tenants, tenant, *port) == of)
        .unwrap_or_default();
    format!(
        r#"{{"op":"update","table":"Port_Binding","where":[["_uuid","==",["uuid","{}"]]],"row":{{"up":false}}}}"#,
        uuid(Kind::Port, tenant * PORTS + port)
    )
}

/// What a hypervisor asks for.
fn request(tenants: usize, of: usize) -> String {
    let datapaths: Vec<String> = guests(tenants, of)
        .flat_map(|tenant| [uuid(Kind::Switch, tenant), uuid(Kind::Router, tenant)])
        .collect();
    let among = |column: &str| {
        let clauses: Vec<String> = datapaths
            .iter()
            .map(|uuid| format!(r#"["{column}","==",["uuid","{uuid}"]]"#))
            .collect();
        clauses.join(",")
    };
    let (chassis, name) = (uuid(Kind::Chassis, of), chassis_name(of));
    let new_port = port_name(of, PORTS);
    let ports = format!(
        r#"["type","==","patch"],["type","==","chassisredirect"],["type","==","external"],["chassis","==",["uuid","{chassis}"]],["requested_chassis","==",["uuid","{chassis}"]],["options","includes",["map",[["l2gateway-chassis","{name}"]]]],["options","includes",["map",[["l3gateway-chassis","{name}"]]]],["logical_port","==","{new_port}"],["parent_port","!=",["set",[]]],{}"#,
        among("datapath")
    );
    let flows = format!(
        r#"{},["logical_dp_group","!=",["set",[]]]"#,
        among("logical_datapath")
    );
    let tables = [
        ("SB_Global", r#""nb_cfg","options""#, String::new()),
        (
            "Chassis",
            r#""name","hostname","encaps","other_config","transport_zones""#,
            String::new(),
        ),
        (
            "Encap",
            r#""type","ip","options","chassis_name""#,
            String::new(),
        ),
        (
            "Chassis_Private",
            r#""name","chassis","nb_cfg""#,
            format!(r#"["name","==","{name}"]"#),
        ),
        (
            "Datapath_Binding",
            r#""tunnel_key","load_balancers","external_ids""#,
            String::new(),
        ),
        ("Logical_DP_Group", r#""datapaths""#, String::new()),
        (
            "Port_Binding",
            r#""logical_port","type","options","datapath","tunnel_key","parent_port","tag","chassis","encap","mac","port_security","up","requested_chassis","additional_chassis""#,
            ports,
        ),
        (
            "Multicast_Group",
            r#""datapath","name","tunnel_key","ports""#,
            among("datapath"),
        ),
        (
            "MAC_Binding",
            r#""logical_port","ip","mac","datapath""#,
            among("datapath"),
        ),
        (
            "Logical_Flow",
            r#""logical_datapath","logical_dp_group","pipeline","table_id","priority","match","actions","tags","controller_meter""#,
            flows,
        ),
    ];
    let tables: Vec<String> = tables
        .iter()
        .map(|(table, columns, clauses)| {
            let clauses = if clauses.is_empty() { "true" } else { clauses };
            format!(r#""{table}":[{{"columns":[{columns}],"where":[{clauses}]}}]"#)
        })
        .collect();
    format!(
        r#"{{"id":1,"method":"monitor_cond_since","params":["OVN_Southbound","of {name}",{{{}}},"00000000-0000-0000-0000-000000000000"]}}"#,
        tables.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_json() {
        for text in [
            request(100, 7),
            transaction(&port_update(100, 7)),
            transaction(&global("x")),
        ] {
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["params"][0], "OVN_Southbound");
        }
    }
}

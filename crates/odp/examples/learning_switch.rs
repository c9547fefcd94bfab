//! A learning switch: `learning_switch NAME DEVICE...` makes a datapath of these network devices. A packet to
//! an address that was seen goes to where it was seen, and from then on by a flow; others go everywhere.

use std::collections::HashMap;

use odp::{Action, Connection, FlowPut, Match, NewDatapath, NewVport, PortNo, UpcallOptions};
use packet::Mac;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().ok_or("usage: learning_switch NAME DEVICE...")?;
    run(name, args)
}

/// Switches until the datapath goes.
pub(crate) fn run(
    name: String,
    devices: impl Iterator<Item = String>,
) -> Result<(), Box<dyn std::error::Error>> {
    let connection = Connection::open()?;
    let datapath = connection.create_datapath(&NewDatapath::new(name))?.id;
    let mut ports = Vec::new();
    for device in devices {
        ports.push(
            connection
                .create_vport(datapath, &NewVport::netdev(device))?
                .number,
        );
    }
    let upcalls = connection.upcalls(datapath, UpcallOptions::default())?;
    let mut reader = upcalls.into_readers().remove(0);
    let mut places: HashMap<Mac, PortNo> = HashMap::new();
    while let Some(upcall) = reader.next(None)? {
        let (Some(port), Some(addresses)) = (upcall.key.in_port(), upcall.key.ethernet()) else {
            continue;
        };
        let before = places.insert(addresses.src, port);
        if before.is_some_and(|before| before != port) {
            connection.flush_flows(datapath)?; // It has moved.
        }
        let actions = match places.get(&addresses.dst) {
            Some(place) => {
                let matches = Match::new(port).ethernet(*addresses);
                let put = FlowPut::new(matches, vec![Action::Output(*place)]);
                connection.put_flow(datapath, &put)?;
                put.actions
            }
            None => flood(&ports, port),
        };
        connection.execute(datapath, &upcall.reply(actions))?;
    }
    Ok(())
}

/// Out of all ports but the one that it came in at.
fn flood(ports: &[PortNo], except: PortNo) -> Vec<Action> {
    let others = ports.iter().filter(|port| **port != except);
    others.map(|port| Action::Output(*port)).collect()
}

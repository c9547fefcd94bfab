//! Gives a bridge the network of one machine, whose parameters come on standard input:
//!
//! ```text
//! netparams unix:/run/openvswitch/br-hv.mgmt uplink 100 < machine.json
//! ```
//!
//! `uplink` is the port that leads out, and 100 the VLAN of the public network there.

#![allow(clippy::print_stdout, reason = "an example says what it does")]

mod switch;

use std::io::Read;

use anyhow::{Context, Result};
use hvflow::params::NetworkParams;
use hvflow::{Host, Transaction, Uplink};

use crate::switch::Bridge;

#[tokio::main]
async fn main() -> Result<()> {
    let usage = "usage: netparams REMOTE UPLINK VLAN < PARAMETERS";
    let mut arguments = std::env::args().skip(1);
    let remote = arguments.next().context(usage)?.parse()?;
    let host = Host {
        public: Some(Uplink {
            port: arguments.next().context(usage)?,
            vlan: arguments.next().context(usage)?.parse()?,
            router_mac: None,
        }),
        ..Host::default()
    };
    let mut json = Vec::new();
    std::io::stdin().read_to_end(&mut json)?;
    let params = NetworkParams::from_json(&json)?;

    let mut bridge = Bridge::connect(remote).await?;
    let mut transaction = Transaction::new(&host, &bridge.ports);
    transaction.set(&params)?;
    let commit = transaction.commit(&bridge.installed)?;
    print!("{commit}");
    bridge.send(commit).await
}

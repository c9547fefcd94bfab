//! All that a host shall have, as one value: hand it over, and get the smallest change.

use crate::commit::Commit;
use crate::host::{Host, Ports};
use crate::installed::Installed;
use crate::params::{NetworkParams, Problems};
use crate::transaction::{CommitError, Transaction};

/// A card whose port is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    /// The machine.
    pub droplet_id: u32,
    /// The name of the card's interface.
    pub name: String,
}

/// The flows of all machines of a host.
///
/// It is a function of the host, its ports and the machines' parameters, and of nothing that was before: the same as
/// one transaction that disables all and then sets each machine.
///
/// ```
/// use hvflow::cookie::Selection;
/// use hvflow::params::NetworkParams;
/// use hvflow::{Desired, Host, Installed, Ports, Uplink};
///
/// let host = Host {
///     public: Some(Uplink { port: "eth0".to_owned(), vlan: 100, router_mac: None }),
///     ..Host::default()
/// };
/// let ports: Ports = [("eth0", 1), ("tapext1", 10)].into_iter().collect();
/// let machine = |droplet_id: u32| {
///     let json = format!(r#"{{
///         "droplet_id": {droplet_id},
///         "vnics": [{{
///             "mac": "0a:00:00:00:00:0{droplet_id}", "name": "tapext{droplet_id}", "interface_type": "public",
///             "addresses": {{"ipv4": [{{"ip_address": "10.0.0.1{droplet_id}", "masklen": 20}}]}}
///         }}]
///     }}"#);
///     NetworkParams::from_json(json.as_bytes())
/// };
/// // What a bridge holds is read from it; this one is empty.
/// let mut installed = Installed::default();
/// let desired = Desired::new(&host, &ports, &[machine(1)?, machine(2)?]);
/// assert_eq!(desired.waiting()[0].name, "tapext2");
/// let commit = desired.commit(&installed)?;
/// installed.apply(&commit);
/// assert_eq!(installed.machines(), [1]);
/// assert_eq!(installed.flows(Selection::Machine(1)).count(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Desired<'a> {
    transaction: Transaction<'a>,
    waiting: Vec<Waiting>,
    refused: Vec<(u32, Problems)>,
}

impl<'a> Desired<'a> {
    /// From the parameters of all machines. A card whose port the bridge does not have waits for it; a machine whose
    /// parameters make no sense keeps the flows that it has on the switch.
    pub fn new<'p>(
        host: &'a Host,
        ports: &'a Ports,
        machines: impl IntoIterator<Item = &'p NetworkParams>,
    ) -> Self {
        let mut transaction = Transaction::new(host, ports);
        transaction.disable_all();
        let (mut waiting, mut refused) = (Vec::new(), Vec::new());
        for params in machines {
            let droplet_id = params.droplet_id;
            let there = |name: &str| ports.number(name).is_some();
            let checked = params.check();
            if let Err(problems) = checked.and_then(|()| transaction.set_where(params, there)) {
                transaction.spare(droplet_id);
                refused.push((droplet_id, problems));
                continue;
            }
            let absent = params
                .vnics
                .iter()
                .filter(|vnic| vnic.enabled && !there(&vnic.name));
            waiting.extend(absent.map(|vnic| Waiting {
                droplet_id,
                name: vnic.name.clone(),
            }));
        }
        Self {
            transaction,
            waiting,
            refused,
        }
    }

    /// The cards that wait for their ports.
    #[must_use]
    pub fn waiting(&self) -> &[Waiting] {
        &self.waiting
    }

    /// The machines that are left as they are, and why.
    #[must_use]
    pub fn refused(&self) -> &[(u32, Problems)] {
        &self.refused
    }

    /// The smallest change that leads a switch that holds `installed` there.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn commit(self, installed: &Installed) -> Result<Commit, CommitError> {
        self.transaction.commit(installed)
    }
}

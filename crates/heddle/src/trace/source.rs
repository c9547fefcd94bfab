//! The Southbound as the rows that a network is made of.

use std::time::Duration;

use model::{Table, sb};
use pipeline::Rows;

use crate::tables::Tables;

/// Where the databases are.
#[derive(clap::Args, Clone)]
pub(crate) struct SourceArgs {
    /// The Southbound database: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, several with commas between.
    #[arg(long, value_name = "REMOTE", env = "OVN_SB_DB")]
    pub(crate) db: Option<String>,
    /// The Northbound database, to name what a flow is for; without it those names are left out.
    #[arg(long, value_name = "REMOTE", env = "OVN_NB_DB")]
    pub(crate) nb_db: Option<String>,
    /// Give up after this many seconds without a connection.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) timeout: u64,
    /// Certificates, for databases at ssl:.
    #[command(flatten)]
    pub(crate) tls: transport::TlsArgs,
}

impl SourceArgs {
    pub(crate) const fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// A Southbound.
pub(crate) struct Source {
    tables: Tables,
}

impl Source {
    pub(crate) async fn connect(args: &SourceArgs) -> anyhow::Result<Self> {
        let wanted = [
            sb::DatapathBinding::NAME,
            sb::LogicalDpGroup::NAME,
            sb::LogicalFlow::NAME,
            sb::PortBinding::NAME,
            sb::MulticastGroup::NAME,
            sb::AddressSet::NAME,
            sb::PortGroup::NAME,
            sb::Chassis::NAME,
            sb::MacBinding::NAME,
            sb::StaticMacBinding::NAME,
            sb::Fdb::NAME,
            sb::LoadBalancer::NAME,
            sb::SbGlobal::NAME,
            sb::Encap::NAME,
            sb::GatewayChassis::NAME,
            sb::HaChassis::NAME,
            sb::HaChassisGroup::NAME,
            sb::Mirror::NAME,
            sb::Dns::NAME,
            sb::ChassisTemplateVar::NAME,
        ];
        let db = args.db.clone().unwrap_or_else(default_remote);
        let (limit, tls) = (args.limit(), args.tls.tls()?);
        let tables = Tables::connect("--db", &db, limit, sb::schema(), &wanted, tls).await?;
        Ok(Self { tables })
    }

    /// Waits until something changes.
    pub(crate) async fn changed(&mut self) -> anyhow::Result<()> {
        self.tables.next().await.map(drop)
    }

    /// Its rows, in the order of their UUIDs.
    pub(crate) fn rows(&self) -> Rows {
        fn sorted<T: Table>(tables: &Tables) -> Vec<(ovsdb::Uuid, T)> {
            let mut rows: Vec<_> = tables.typed::<T>().collect();
            rows.sort_unstable_by_key(|row| row.0);
            rows
        }
        let tables = &self.tables;
        Rows {
            datapaths: sorted(tables),
            datapath_groups: sorted(tables),
            flows: sorted(tables),
            ports: sorted(tables),
            multicast_groups: sorted(tables),
            address_sets: sorted(tables),
            port_groups: sorted(tables),
            chassis: sorted(tables),
            mac_bindings: sorted(tables),
            static_mac_bindings: sorted(tables),
            fdb: sorted(tables),
            load_balancers: sorted(tables),
            global: sorted(tables),
            encaps: sorted(tables),
            gateway_chassis: sorted(tables),
            ha_chassis: sorted(tables),
            ha_chassis_groups: sorted(tables),
            mirrors: sorted(tables),
            dns: sorted(tables),
            templates: sorted(tables),
        }
    }
}

fn default_remote() -> String {
    let dirs = daemon::Dirs::from_env(daemon::Family::Ovn);
    format!("unix:{}", dirs.run.join("ovnsb_db.sock").display())
}

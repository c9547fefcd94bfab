//! The rows that rules read: Northbound rows as they are, and of the Southbound only what others
//! write.

use std::sync::Arc;

use incremental::{Builder, Engine, Input};
use model::{Table, nb, sb};
use ovsdb::{Row, RowChange, Str};
use uuid::Uuid;

use crate::diagnostic::Diagnostic;

macro_rules! northbound {
    ($($field:ident: $table:ident,)*) => {
        /// The Northbound tables that rules read. A table that is not here has no rule yet.
        #[derive(Clone, Copy)]
        pub(crate) struct Northbound {
            $(
                #[doc = concat!("Rows of `", stringify!($table), "`.")]
                pub $field: Input<Uuid, Arc<nb::$table>>,
            )*
        }

        impl Northbound {
            pub(crate) fn declare(build: &mut Builder) -> Self {
                Self { $($field: build.input(nb::$table::NAME),)* }
            }

            /// Takes over a changed row. Rows of other tables do not matter.
            pub(crate) fn feed(
                &self,
                engine: &mut Engine,
                change: &RowChange,
            ) -> Result<(), Diagnostic> {
                match change.table.as_str() {
                    $(nb::$table::NAME => feed(engine, self.$field, change),)*
                    _ => Ok(()),
                }
            }
        }
    };
}

northbound! {
    global: NbGlobal,
    switch: LogicalSwitch,
    switch_port: LogicalSwitchPort,
    router: LogicalRouter,
    router_port: LogicalRouterPort,
    route: LogicalRouterStaticRoute,
    policy: LogicalRouterPolicy,
    nat: Nat,
    acl: Acl,
    qos: Qos,
    port_group: PortGroup,
    address_set: AddressSet,
    meter: Meter,
    dhcp_options: DhcpOptions,
    gateway_chassis: GatewayChassis,
    ha_chassis: HaChassis,
    ha_chassis_group: HaChassisGroup,
    static_mac_binding: StaticMacBinding,
    template: ChassisTemplateVar,
}

fn feed<T: Table>(
    engine: &mut Engine,
    input: Input<Uuid, Arc<T>>,
    change: &RowChange,
) -> Result<(), Diagnostic> {
    let read = change.new.as_deref().map(T::from_row).transpose();
    let (row, result) = match read {
        Ok(row) => (row.map(Arc::new), Ok(())),
        // A row that cannot be read is as good as absent.
        Err(error) => {
            let name = change.uuid.to_string();
            (
                None,
                Err(Diagnostic::new(
                    T::NAME,
                    change.uuid,
                    name,
                    error.to_string(),
                )),
            )
        }
    };
    engine.set(input, change.uuid, row);
    result
}

/// What agents say about a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Binding {
    /// The chassis that the port is on.
    pub chassis: Option<Uuid>,
    /// Whether that chassis has all flows of the port.
    pub up: Option<bool>,
}

/// What rules read of the Southbound.
#[derive(Clone, Copy)]
pub(crate) struct Southbound {
    /// Chassis.
    pub chassis: Input<Uuid, Arc<sb::Chassis>>,
    /// How far chassis have come.
    pub chassis_private: Input<Uuid, Arc<sb::ChassisPrivate>>,
    /// By logical port, the part of Port_Binding that agents write.
    pub binding: Input<Str, Binding>,
}

impl Southbound {
    pub(crate) fn declare(build: &mut Builder) -> Self {
        Self {
            chassis: build.input("Southbound Chassis"),
            chassis_private: build.input("Southbound Chassis_Private"),
            binding: build.input("Southbound Port_Binding"),
        }
    }

    /// Takes over a changed row. What the compiler itself writes does not matter.
    pub(crate) fn feed(&self, engine: &mut Engine, change: &RowChange) -> Result<(), Diagnostic> {
        match change.table.as_str() {
            sb::Chassis::NAME => feed(engine, self.chassis, change),
            sb::ChassisPrivate::NAME => feed(engine, self.chassis_private, change),
            sb::PortBinding::NAME => {
                let old = change.old.as_deref().and_then(binding);
                let new = change.new.as_deref().and_then(binding);
                if let Some((port, _)) = old {
                    engine.set(self.binding, port, None);
                }
                if let Some((port, binding)) = new {
                    engine.set(self.binding, port, Some(binding));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn binding(row: &Row) -> Option<(Str, Binding)> {
    let row = sb::PortBinding::from_row(row).ok()?;
    let chassis = row.chassis.map(|chassis| chassis.uuid());
    Some((
        row.logical_port,
        Binding {
            chassis,
            up: row.up,
        },
    ))
}

//! The commands: their names, how many arguments and which options they take, and a line of them taken apart.
//!
//! It must not know what the commands do. Invariant: a [`Call`] has as many arguments as its command allows, and
//! only options that it has.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use ovsdb::DatabaseSchema;
use ovsdb::tool::tabular::Tabular;

use super::topology::Topology;
use super::value::Symbols;
use super::world::{Id, ROOT, World};
use super::{bridges, database, extras, find, ports, settings, show};

/// What a command works with.
pub(super) struct Context {
    pub(super) world: World,
    pub(super) symbols: Symbols,
    /// What the present command has printed.
    pub(super) output: String,
    /// A table that it prints instead.
    pub(super) table: Option<Tabular>,
    /// Set by a command whose condition does not hold yet: all is to be tried again when something has changed.
    pub(super) again: bool,
    /// Interfaces that were made, to look at when the switch has them.
    pub(super) interfaces: Vec<Id>,
    /// Things to tell that are not errors.
    pub(super) notes: Vec<String>,
    topology: Option<Topology>,
}

impl Context {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            symbols: Symbols::default(),
            output: String::new(),
            table: None,
            again: false,
            interfaces: Vec::new(),
            notes: Vec::new(),
            topology: None,
        }
    }

    /// The bridges with their ports, as they are now.
    pub(super) fn topology(&mut self) -> anyhow::Result<&mut Topology> {
        if self.topology.is_none() {
            self.topology = Some(Topology::of(&self.world)?);
        }
        self.topology.as_mut().context("just made")
    }

    /// Says that a row was changed behind the topology's back.
    pub(super) fn invalidate(&mut self) {
        self.topology = None;
    }

    /// Takes a new port of a bridge into the topology, which is otherwise as it was.
    pub(super) fn port_added(&mut self, bridge: &str, port: Id) {
        if let Some(topology) = &mut self.topology {
            topology.add_port(&self.world, bridge, port);
        }
    }

    /// Prints a line.
    pub(super) fn say(&mut self, line: impl AsRef<str>) {
        self.output.push_str(line.as_ref());
        self.output.push('\n');
    }
}

/// Ends the call with this status and without a message.
#[derive(Debug)]
pub(super) struct Exit(pub(super) u8);

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit status {}", self.0)
    }
}

impl std::error::Error for Exit {}

type Run = fn(&mut Context, &Call) -> anyhow::Result<()>;

/// What can be called.
pub(super) struct Syntax {
    name: &'static str,
    min: usize,
    max: usize,
    /// Options; one that ends in `=` has an argument.
    options: &'static [&'static str],
    /// The tables that it looks at, beside the root and beside a table that is an argument.
    tables: &'static [&'static str],
    run: Run,
}

const ANY: usize = usize::MAX;
const NONE: &[&str] = &[];
const BRIDGES: &[&str] = &["Bridge", "Port", "Interface"];
const SAMPLED: &[&str] = &["Bridge", "Port", "Interface", "Flow_Sample_Collector_Set"];
const CONTROLLERS: &[&str] = &["Bridge", "Port", "Interface", "Controller"];
const MANAGERS: &[&str] = &["Manager"];
const ATTACHED: &[&str] = &["Bridge", "Port", "Interface", "AutoAttach"];
const ZONES: &[&str] = &["Datapath", "CT_Zone", "CT_Timeout_Policy"];
const EXTRAS: &[&str] = &[
    "Bridge",
    "Port",
    "Interface",
    "Mirror",
    "Controller",
    "Manager",
    "NetFlow",
    "SSL",
    "sFlow",
    "IPFIX",
    "Flow_Sample_Collector_Set",
];
const SHOWN: &[&str] = &["Bridge", "Port", "Interface", "Controller", "Manager"];
const MAY: &[&str] = &["--may-exist"];
const IF: &[&str] = &["--if-exists"];
const PROBE: &[&str] = &["--inactivity-probe="];

const fn command(
    name: &'static str,
    (min, max): (usize, usize),
    options: &'static [&'static str],
    tables: &'static [&'static str],
    run: Run,
) -> Syntax {
    Syntax {
        name,
        min,
        max,
        options,
        tables,
        run,
    }
}

/// All commands, in the order of `ovs-vsctl(8)`.
#[rustfmt::skip]
static COMMANDS: &[Syntax] = &[
    command("init", (0, 0), NONE, NONE, |_, _| Ok(())),
    command("show", (0, 0), NONE, SHOWN, show::show),
    command("emer-reset", (0, 0), NONE, EXTRAS, extras::reset),
    command("add-br", (1, 3), MAY, BRIDGES, bridges::add),
    command("del-br", (1, 1), IF, SAMPLED, bridges::delete),
    command("list-br", (0, 0), &["--real", "--fake"], BRIDGES, bridges::list),
    command("br-exists", (1, 1), NONE, BRIDGES, bridges::exists),
    command("br-to-vlan", (1, 1), NONE, BRIDGES, bridges::vlan),
    command("br-to-parent", (1, 1), NONE, BRIDGES, bridges::parent),
    command("br-set-external-id", (2, 3), NONE, BRIDGES, bridges::set_external_id),
    command("br-get-external-id", (1, 2), NONE, BRIDGES, bridges::external_ids),
    command("list-ports", (1, 1), NONE, BRIDGES, ports::list),
    command("add-port", (2, ANY), MAY, BRIDGES, ports::add),
    command("add-bond", (4, ANY), &["--may-exist", "--fake-iface"], BRIDGES, ports::add_bond),
    command("add-bond-iface", (2, 2), MAY, BRIDGES, ports::add_bond_interface),
    command("del-bond-iface", (1, 2), IF, BRIDGES, ports::delete_bond_interface),
    command("del-port", (1, 2), &["--if-exists", "--with-iface"], BRIDGES, ports::delete),
    command("port-to-br", (1, 1), NONE, BRIDGES, ports::bridge_of_port),
    command("list-ifaces", (1, 1), NONE, BRIDGES, ports::list_interfaces),
    command("iface-to-br", (1, 1), NONE, BRIDGES, ports::bridge_of_interface),
    command("get-controller", (1, 1), NONE, CONTROLLERS, settings::controllers),
    command("del-controller", (1, 1), NONE, CONTROLLERS, settings::delete_controllers),
    command("set-controller", (1, ANY), PROBE, CONTROLLERS, settings::set_controllers),
    command("get-fail-mode", (1, 1), NONE, BRIDGES, settings::fail_mode),
    command("del-fail-mode", (1, 1), NONE, BRIDGES, settings::delete_fail_mode),
    command("set-fail-mode", (2, 2), NONE, BRIDGES, settings::set_fail_mode),
    command("get-manager", (0, 0), NONE, MANAGERS, settings::managers),
    command("del-manager", (0, 0), NONE, MANAGERS, settings::delete_managers),
    command("set-manager", (1, ANY), PROBE, MANAGERS, settings::set_managers),
    command("get-ssl", (0, 0), NONE, &["SSL"], settings::ssl),
    command("del-ssl", (0, 0), NONE, &["SSL"], settings::delete_ssl),
    command("set-ssl", (3, 3), &["--bootstrap"], &["SSL"], settings::set_ssl),
    command("add-aa-mapping", (3, 3), NONE, ATTACHED, extras::add_mapping),
    command("del-aa-mapping", (3, 3), NONE, ATTACHED, extras::delete_mapping),
    command("get-aa-mapping", (1, 1), NONE, ATTACHED, extras::mappings),
    command("add-zone-tp", (3, ANY), MAY, ZONES, extras::add_policy),
    command("del-zone-tp", (2, 2), IF, ZONES, extras::delete_policy),
    command("list-zone-tp", (1, 1), NONE, ZONES, extras::policies),
    command("set-zone-limit", (3, 3), NONE, ZONES, extras::set_limit),
    command("del-zone-limit", (2, 2), IF, ZONES, extras::delete_limit),
    command("list-zone-limits", (1, 1), NONE, ZONES, extras::limits),
    command("list-dp-cap", (1, 1), NONE, ZONES, extras::capabilities),
    command("comment", (0, ANY), NONE, NONE, |_, _| Ok(())),
    command("get", (2, ANY), &["--if-exists", "--id="], NONE, database::get),
    command("list", (1, ANY), &["--if-exists", "--columns="], NONE, database::list),
    command("find", (1, ANY), &["--columns="], NONE, database::find),
    command("set", (3, ANY), IF, NONE, database::set),
    command("add", (4, ANY), IF, NONE, database::add),
    command("remove", (4, ANY), IF, NONE, database::remove),
    command("clear", (3, ANY), IF, NONE, database::clear),
    command("create", (2, ANY), &["--id="], NONE, database::create),
    command("destroy", (1, ANY), &["--if-exists", "--all"], NONE, database::destroy),
    command("wait-until", (2, ANY), NONE, NONE, database::wait_until),
];

/// The commands whose first argument is a table.
const ON_TABLES: &[&str] = &[
    "get",
    "list",
    "find",
    "set",
    "add",
    "remove",
    "clear",
    "create",
    "destroy",
    "wait-until",
];

/// The names of all commands.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|syntax| syntax.name)
}

/// A command with its arguments.
pub(super) struct Call {
    syntax: &'static Syntax,
    options: BTreeMap<String, Option<String>>,
    pub(super) args: Vec<String>,
}

impl Call {
    /// Takes one command apart: its options, its name, its arguments.
    pub(super) fn parse(words: &[String]) -> anyhow::Result<Self> {
        let options = words.iter().take_while(|word| word.starts_with('-'));
        let count = options.clone().count();
        let (Some(name), args) = (words.get(count), words.get(count + 1..).unwrap_or(&[])) else {
            bail!("missing command name (use --help for help)");
        };
        let syntax = COMMANDS.iter().find(|syntax| syntax.name == *name);
        let syntax = syntax
            .with_context(|| format!("unknown command '{name}'; use --help to see the commands"))?;
        let mut call = Self {
            syntax,
            options: BTreeMap::new(),
            args: args.to_vec(),
        };
        for option in options {
            call.option(option)?;
        }
        let (min, max) = (syntax.min, syntax.max);
        ensure!(
            args.len() >= min,
            "'{name}' command requires at least {min} arguments"
        );
        let hint = if args.iter().any(|arg| arg.starts_with('-')) {
            " (note that options must precede command names and follow a \"--\" argument)"
        } else {
            ""
        };
        ensure!(
            args.len() <= max,
            "'{name}' command takes at most {max} arguments{hint}"
        );
        Ok(call)
    }

    fn option(&mut self, option: &str) -> anyhow::Result<()> {
        let name = self.syntax.name;
        let (key, value) = match option.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (option, None),
        };
        let known = self.syntax.options.iter();
        let known = known.copied().find(|o| o.trim_end_matches('=') == key);
        let known = known.with_context(|| format!("'{name}' command has no '{key}' option"))?;
        match (known.ends_with('='), &value) {
            (true, None) => bail!("missing argument to '{key}' option on '{name}' command"),
            (false, Some(_)) => bail!("'{key}' option on '{name}' does not accept an argument"),
            _ => {}
        }
        let before = self.options.insert(key.to_owned(), value);
        ensure!(
            before.is_none(),
            "'{option}' option specified multiple times"
        );
        Ok(())
    }

    /// Whether the option is there.
    pub(super) fn has(&self, option: &str) -> bool {
        self.options.contains_key(option)
    }

    /// The argument of an option.
    pub(super) fn value(&self, option: &str) -> Option<&str> {
        self.options.get(option)?.as_deref()
    }

    /// An argument; the syntax says which there are.
    pub(super) fn arg(&self, at: usize) -> &str {
        self.args.get(at).map_or("", String::as_str)
    }

    pub(super) fn name(&self) -> &'static str {
        self.syntax.name
    }

    pub(super) fn run(&self, context: &mut Context) -> anyhow::Result<()> {
        (self.syntax.run)(context, self)
    }

    /// The tables of a database that the command looks at.
    pub(super) fn tables(&self, schema: &DatabaseSchema) -> anyhow::Result<BTreeSet<usize>> {
        let named = self.syntax.tables.iter().copied().chain([ROOT]);
        let mut tables: BTreeSet<usize> = named
            .filter_map(|table| schema.table_index(table))
            .collect();
        if ON_TABLES.contains(&self.syntax.name) {
            let table = find::table(schema, self.arg(0))?;
            tables.insert(table);
            let others = find::referring(schema, table).into_iter();
            tables.extend(others.map(|row_id| row_id.table));
        }
        Ok(tables)
    }
}

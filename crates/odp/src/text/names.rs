//! Names of ports, both ways.

use std::collections::HashMap;

use crate::id::PortNo;

/// The names of a datapath's ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortNames {
    names: HashMap<PortNo, String>,
    numbers: HashMap<String, PortNo>,
}

impl PortNames {
    /// The name of a port.
    #[must_use]
    pub fn name(&self, port: PortNo) -> Option<&str> {
        self.names.get(&port).map(String::as_str)
    }

    /// The number of the port of a name.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<PortNo> {
        self.numbers.get(name).copied()
    }

    /// The port's name, or its number where it has none.
    #[must_use]
    pub fn show(&self, port: PortNo) -> String {
        self.name(port)
            .map_or_else(|| port.to_string(), str::to_owned)
    }
}

impl FromIterator<(PortNo, String)> for PortNames {
    fn from_iter<I: IntoIterator<Item = (PortNo, String)>>(pairs: I) -> Self {
        let mut all = Self::default();
        for (port, name) in pairs {
            all.numbers.insert(name.clone(), port);
            all.names.insert(port, name);
        }
        all
    }
}

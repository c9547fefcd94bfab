//! The part of `cargo metadata` that the checks read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// One package of the resolved graph.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The SPDX expression of its manifest, if it has one.
    pub(crate) license: Option<String>,
    pub(crate) manifest: PathBuf,
    /// Ids of what it needs to run: development and build dependencies are not in here.
    pub(crate) needs: BTreeSet<String>,
    /// Ids of what it needs for anything, its tests included.
    pub(crate) needs_any: BTreeSet<String>,
}

impl Package {
    /// The folder with its manifest.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest.parent().unwrap_or_else(|| Path::new("."))
    }
}

/// The resolved dependency graph.
pub(crate) struct Metadata {
    pub(crate) packages: BTreeMap<String, Package>,
    pub(crate) members: BTreeSet<String>,
}

impl Metadata {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version=1"])
            .output()
            .context("cannot run cargo metadata")?;
        if !output.status.success() {
            bail!(
                "cargo metadata: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Self::parse(&serde_json::from_slice(&output.stdout)?)
    }

    /// Reads the document that cargo prints.
    pub(crate) fn parse(document: &Value) -> Result<Self> {
        let members = texts(&document["workspace_members"]).collect();
        let mut packages = BTreeMap::new();
        for package in items(&document["packages"]) {
            let text = |key: &str| package[key].as_str().map(str::to_owned);
            let entry = Package {
                name: text("name").context("a package without a name")?,
                version: text("version").unwrap_or_default(),
                license: text("license"),
                manifest: text("manifest_path").unwrap_or_default().into(),
                needs: BTreeSet::new(),
                needs_any: BTreeSet::new(),
            };
            packages.insert(text("id").context("a package without an id")?, entry);
        }
        for node in items(&document["resolve"]["nodes"]) {
            let id = node["id"].as_str().unwrap_or_default();
            let Some(package) = packages.get_mut(id) else {
                continue;
            };
            for edge in items(&node["deps"]) {
                let target = edge["pkg"].as_str().unwrap_or_default().to_owned();
                if items(&edge["dep_kinds"]).any(|kind| kind["kind"].is_null()) {
                    package.needs.insert(target.clone());
                }
                package.needs_any.insert(target);
            }
        }
        Ok(Self { packages, members })
    }

    /// The workspace's own packages.
    pub(crate) fn own(&self) -> impl Iterator<Item = &Package> {
        self.members.iter().filter_map(|id| self.packages.get(id))
    }

    /// Names of everything that `package` needs to run, near or far.
    pub(crate) fn closure(&self, package: &Package) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<&String> = package.needs.iter().collect();
        while let Some(id) = waiting.pop() {
            if let Some(next) = self.packages.get(id)
                && seen.insert(id.as_str())
            {
                waiting.extend(&next.needs);
            }
        }
        seen.iter()
            .filter_map(|id| Some(self.packages.get(*id)?.name.as_str()))
            .collect()
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn texts(value: &Value) -> impl Iterator<Item = String> {
    items(value).filter_map(|item| item.as_str().map(str::to_owned))
}

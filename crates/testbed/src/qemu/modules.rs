//! Which files of a kernel's modules a machine needs: those asked for, and all that they depend on.
//!
//! The indices that `depmod` wrote go along, so that inside `modprobe` works, and with it the kernel's own
//! loading of modules on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The indices that `modprobe` reads.
const INDICES: &[&str] = &[
    "modules.dep",
    "modules.dep.bin",
    "modules.alias",
    "modules.alias.bin",
    "modules.softdep",
    "modules.symbols",
    "modules.symbols.bin",
    "modules.builtin",
    "modules.builtin.bin",
    "modules.builtin.modinfo",
    "modules.builtin.alias.bin",
    "modules.order",
];

/// The files to bring, below the folder of the modules: the modules' and the indices.
pub(super) fn files(folder: &Path, wanted: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let builtin = read("modules.builtin")?;
    let mut files = closure(
        &Index::new(&read("modules.dep")?, &read("modules.softdep")?),
        &builtin.lines().map(name_of).collect(),
        wanted,
    )
    .with_context(|| format!("the kernel in {}", folder.display()))?;
    files.extend(
        INDICES
            .iter()
            .filter(|index| folder.join(index).is_file())
            .map(|index| (*index).to_owned()),
    );
    Ok(files)
}

/// `modules.dep` and `modules.softdep`.
struct Index {
    /// By a module's name: its file, and the files of what it depends on.
    modules: BTreeMap<String, Vec<String>>,
    /// By a module's name: names that `modprobe` loads as well if they are there.
    soft: BTreeMap<String, Vec<String>>,
}

impl Index {
    fn new(dependencies: &str, soft: &str) -> Self {
        let modules = dependencies.lines().filter_map(|line| {
            let (file, needs) = line.split_once(':')?;
            let needs = needs.split_whitespace().map(str::to_owned);
            let files = std::iter::once(file.to_owned()).chain(needs).collect();
            Some((name_of(file), files))
        });
        let soft = soft.lines().filter_map(|line| {
            let mut words = line.strip_prefix("softdep ")?.split_whitespace();
            let module = words.next()?.replace('-', "_");
            let needs = words.filter(|word| !word.ends_with(':'));
            Some((module, needs.map(|name| name.replace('-', "_")).collect()))
        });
        Self {
            modules: modules.collect(),
            soft: soft.collect(),
        }
    }
}

fn closure(
    index: &Index,
    builtin: &BTreeSet<String>,
    wanted: &BTreeSet<String>,
) -> Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    let mut waiting: Vec<(String, bool)> = wanted
        .iter()
        .map(|name| (name.replace('-', "_"), true))
        .collect();
    while let Some((name, must)) = waiting.pop() {
        let Some(needs) = index.modules.get(&name) else {
            if must && !builtin.contains(&name) {
                bail!("it has no module {name}");
            }
            continue;
        };
        for file in needs {
            if files.insert(file.clone()) {
                let soft = index.soft.get(&name_of(file)).into_iter().flatten();
                waiting.extend(soft.map(|name| (name.clone(), false)));
                waiting.push((name_of(file), false));
            }
        }
    }
    Ok(files)
}

/// The name of the module in a file: without folder, endings and dashes, which mean the same as underscores.
fn name_of(file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    base.split('.').next().unwrap_or(base).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
kernel/net/openvswitch/vport-geneve.ko: kernel/net/openvswitch/openvswitch.ko kernel/drivers/net/geneve.ko
kernel/net/openvswitch/openvswitch.ko: kernel/lib/libcrc32c.ko.xz
kernel/lib/libcrc32c.ko.xz:
kernel/drivers/net/geneve.ko:
kernel/crypto/crc32c_generic.ko:
kernel/net/other.ko:
";
    const SOFT: &str = "# a comment\nsoftdep libcrc32c pre: crc32c-generic crc32c-absent\n";

    fn wanted(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_a_module_needs_comes_along_far_and_near() -> Result<()> {
        let index = Index::new(DEPENDENCIES, SOFT);
        let builtin = wanted(&["unix"]);
        let files = closure(&index, &builtin, &wanted(&["vport-geneve", "unix"]))?;
        let names: BTreeSet<_> = files.iter().map(|file| name_of(file)).collect();
        let expected = [
            "crc32c_generic",
            "geneve",
            "libcrc32c",
            "openvswitch",
            "vport_geneve",
        ];
        assert_eq!(names, wanted(&expected));
        let error = closure(&index, &builtin, &wanted(&["absent"])).unwrap_err();
        assert!(error.to_string().contains("no module absent"), "{error}");
        Ok(())
    }
}

//! The commands that every daemon answers.

use super::Registry;
use crate::{Identity, coverage, vlog};

pub(super) fn register(registry: &mut Registry, identity: &Identity) {
    let version = format!("{} {}", identity.program, identity.version);
    registry.register_sync("version", "", 0, 0, move |_| Ok(version.clone()));
    if !registry.commands.contains_key("exit") {
        // The connection asks for the end once the answer is on its way.
        registry.register_sync("exit", "", 0, 0, |_| Ok(String::new()));
    }
    registry.register_sync(
        "vlog/set",
        "{spec | PATTERN:destination:pattern}",
        0,
        usize::MAX,
        |args| {
            if args.is_empty() {
                vlog::set_levels("dbg")?;
            }
            args.iter()
                .try_for_each(|spec| vlog::set_levels(spec))
                .map(|()| String::new())
        },
    );
    registry.register_sync("vlog/list", "", 0, 0, |_| Ok(vlog::list()));
    registry.register_sync("vlog/reopen", "", 0, 0, |_| {
        vlog::reopen().map(|()| String::new())
    });
    registry.register_sync("vlog/close", "", 0, 0, |_| {
        vlog::close();
        Ok(String::new())
    });
    if !registry.commands.contains_key("memory/show") {
        registry.register_sync("memory/show", "", 0, 0, |_| Ok(memory()));
    }
    registry.register_sync("coverage/show", "", 0, 0, |_| Ok(coverage::show()));
    registry.register_sync("coverage/read-counter", "COUNTER", 1, 1, |args| {
        Ok(args
            .first()
            .and_then(|name| coverage::read(name))
            .unwrap_or(0)
            .to_string())
    });
}

/// The memory of this process as the kernel counts it, in `name:value` pairs as OVS prints them.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key))?;
        line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let pairs = [
        ("peak-rss-kB", value("VmHWM:")),
        ("rss-kB", value("VmRSS:")),
    ];
    let pairs = pairs
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}:{}", (*value)?)));
    pairs.collect::<Vec<_>>().join(" ")
}

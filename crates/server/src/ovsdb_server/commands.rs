//! The commands of `ovsdb-server(1)` on the control socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use daemon::unixctl::{Registry, Reply};

use super::Databases;
use super::remotes::Remotes;
use crate::core::NewDatabase;
use crate::relay::{self, Source};
use crate::{Handle, open};

/// What stock has and this server has not.
const ABSENT: &[&str] = &[
    "ovsdb-server/set-active-ovsdb-server",
    "ovsdb-server/set-active-ovsdb-server-probe-interval",
    "ovsdb-server/set-sync-exclude-tables",
    "ovsdb-server/perf-counters-show",
    "ovsdb-server/perf-counters-clear",
    "ovsdb-server/disable-monitor-cond",
    "ovsdb-server/memory-trim-on-compaction",
    "ovsdb-server/tlog-set",
    "ovsdb-server/tlog-list",
    "ovsdb-server/reload",
];

pub(super) fn register(
    registry: &mut Registry,
    handle: &Handle,
    remotes: &Arc<Remotes>,
    databases: Databases,
) {
    registry.not_supported(ABSENT);
    of_remotes(registry, handle, remotes);
    of_databases(registry, handle);
    of_replication(registry);
    match databases {
        Databases::Fixed => {
            registry.not_supported(&["ovsdb-server/add-db", "ovsdb-server/remove-db"]);
        }
        Databases::ComeAndGo => that_add_and_remove(registry, handle, remotes),
    }
}

fn of_remotes(registry: &mut Registry, handle: &Handle, remotes: &Arc<Remotes>) {
    let of = Arc::clone(remotes);
    registry.register("ovsdb-server/add-remote", "REMOTE", 1, 1, move |args| {
        let remotes = Arc::clone(&of);
        async move { done(remotes.add(&args[0]).await) }
    });
    let of = Arc::clone(remotes);
    registry.register("ovsdb-server/remove-remote", "REMOTE", 1, 1, move |args| {
        let remotes = Arc::clone(&of);
        async move { when(remotes.remove(&args[0]).await, "no such remote") }
    });
    let of = Arc::clone(remotes);
    registry.register("ovsdb-server/list-remotes", "", 0, 0, move |_| {
        let remotes = Arc::clone(&of);
        async move { Ok(lines(remotes.list().await)) }
    });
    let server = handle.clone();
    registry.register("ovsdb-server/reconnect", "", 0, 0, move |_| {
        let server = server.clone();
        async move {
            server.reconnect().await;
            Ok(String::new())
        }
    });
}

fn of_databases(registry: &mut Registry, handle: &Handle) {
    let server = handle.clone();
    registry.register("ovsdb-server/list-dbs", "", 0, 0, move |_| {
        let server = server.clone();
        async move {
            let names = server.databases().await;
            let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
            names.push("_Server".to_owned());
            names.sort_unstable();
            Ok(lines(names))
        }
    });
    let server = handle.clone();
    registry.register("ovsdb-server/compact", "[DB]", 0, 1, move |args| {
        let server = server.clone();
        async move {
            let name = args.first().map(String::as_str);
            when(server.compact(name).await, "no database by that name")
        }
    });
    let server = handle.clone();
    registry.register(
        "ovsdb-server/get-db-storage-status",
        "DB",
        1,
        1,
        move |args| {
            let server = server.clone();
            async move {
                let known = server.databases().await.contains(&args[0].as_str().into());
                // A log that fails is begun anew until that works, so this is what there is to say.
                when(known, "Failed to find the database.").map(|_| "status: ok".to_owned())
            }
        },
    );
}

/// A server that replicates no other is the active one, and has nothing to leave or to exclude.
fn of_replication(registry: &mut Registry) {
    registry.register_sync("ovsdb-server/sync-status", "", 0, 0, |_| {
        Ok("state: active\n".to_owned())
    });
    for name in [
        "ovsdb-server/get-active-ovsdb-server",
        "ovsdb-server/get-sync-exclude-tables",
        "ovsdb-server/disconnect-active-ovsdb-server",
    ] {
        registry.register_sync(name, "", 0, 0, |_| Ok(String::new()));
    }
    registry.register_sync("ovsdb-server/connect-active-ovsdb-server", "", 0, 0, |_| {
        Err("Unable to connect: active server is not specified.".to_owned())
    });
}

fn that_add_and_remove(registry: &mut Registry, handle: &Handle, remotes: &Remotes) {
    // Relative names are within the folder in which the process was started.
    let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let (server, tls) = (handle.clone(), remotes.tls());
    registry.register("ovsdb-server/add-db", "DB", 1, 1, move |args| {
        let (server, tls, file) = (server.clone(), tls.clone(), folder.join(&args[0]));
        let source = Source::of_argument(&args[0]);
        async move {
            done(match source {
                Some(Ok(source)) => relay::start(server.inputs(), source, tls).await,
                Some(Err(error)) => Err(error.into()),
                None => add(&server, &file).await,
            })
        }
    });
    let server = handle.clone();
    registry.register("ovsdb-server/remove-db", "DB", 1, 1, move |args| {
        let server = server.clone();
        async move {
            when(
                server.remove(&args[0]).await,
                "Failed to find the database.",
            )
        }
    });
}

/// Reads a file beside the service and then serves it.
async fn add(server: &Handle, file: &Path) -> anyhow::Result<()> {
    let file = file.to_owned();
    let (database, log) = tokio::task::spawn_blocking(move || open::open_as_it_is(&file)).await??;
    let new = NewDatabase {
        database: Box::new(database),
        log: Box::new(log),
    };
    match server.add(new).await {
        Some(added) => Ok(added?),
        None => anyhow::bail!("the server is ending"),
    }
}

fn done(result: anyhow::Result<()>) -> Reply {
    result
        .map(|()| String::new())
        .map_err(|error| format!("{error:#}"))
}

fn when(known: bool, otherwise: &str) -> Reply {
    if known {
        Ok(String::new())
    } else {
        Err(otherwise.to_owned())
    }
}

fn lines(names: Vec<String>) -> String {
    names.into_iter().map(|name| name + "\n").collect()
}

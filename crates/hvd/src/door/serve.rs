//! Listening, and a connection's life.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::join;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::Status;
use tower::service_fn;
use tower::util::ServiceExt;
use transport::stream::{Arrival, user_name};
use transport::tls::Options;
use transport::{Connection, Listener, Remote, Tls, TlsArgs};

use super::callers::{Access, Caller, Rights};
use super::deadline;
use super::refusal::{answer, is_grpc};

/// How many connections there are at most.
const CONNECTIONS: usize = 1024;
/// How many requests a connection has under way at most.
const STREAMS: u32 = 128;
/// How long a peer may take over the head of a request, and may be silent before it is asked for a sign of life.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long requests under way may take when the daemon ends.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long not to accept when the system has nothing left to accept with.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Where to listen, and whom to let in.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Callers")]
pub struct DoorArgs {
    /// Listen at punix:FILE, pssl:PORT:HOST (with certificates on both sides) or ptcp:PORT:HOST (this machine only).
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<Remote>,
    /// A name in a certificate that may call everything; `*` for each certificate that --ca-cert vouches for.
    #[arg(long, value_name = "NAME")]
    pub allow_client: Vec<String>,
    /// A name in a certificate that may look and not change.
    #[arg(long, value_name = "NAME")]
    pub allow_reader: Vec<String>,
    /// Let ptcp: listen on addresses that other machines reach: whoever reaches them may do everything.
    #[arg(long)]
    pub insecure_listen: bool,
    /// Names in certificates that may speak for themselves; a service that lets them has a flag of its own.
    #[arg(skip)]
    pub members: Vec<String>,
    /// The certificates.
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// What protects the way in.
pub struct Door {
    access: Access,
    tls: Tls,
    listeners: Vec<Listener>,
}

/// Where a door is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The address that was asked for.
    pub remote: Remote,
    /// The TCP port, which the kernel may have chosen.
    pub port: Option<u16>,
}

impl DoorArgs {
    fn access(&self) -> Access {
        Access {
            clients: self.allow_client.iter().cloned().collect(),
            readers: self.allow_reader.iter().cloned().collect(),
            members: self.members.iter().cloned().collect(),
        }
    }

    /// Whether only those come in who may.
    ///
    /// # Errors
    /// The first address that would let in others.
    pub fn check(&self) -> anyhow::Result<()> {
        let access = self.access();
        let mut remotes = self.listen.iter();
        remotes.try_for_each(|remote| permitted(remote, self.insecure_listen, &access))
    }
}

impl Door {
    /// Checks what was asked for and listens there, or at the unix socket `default` if nothing was. Relative names of
    /// sockets are within `folder`.
    ///
    /// # Errors
    /// What would let in whom it should not, what cannot be listened at, and what is wrong with certificates.
    pub async fn open(args: &DoorArgs, default: &str, folder: &Path) -> anyhow::Result<Self> {
        args.check()?;
        let tls = Tls::new(Options {
            protocols: vec![b"h2", b"http/1.1"],
            ..args.tls.options()?
        });
        let is_ssl = |remote: &Remote| matches!(remote, Remote::PassiveSsl(..));
        if args.listen.iter().any(is_ssl) {
            tls.check().context("pssl:")?;
        }
        let mut remotes = args.listen.clone();
        if remotes.is_empty() {
            remotes.push(Remote::PassiveUnix(default.into()));
        }
        let mut listeners = Vec::new();
        for remote in remotes {
            let remote = remote.within(folder);
            let listener = Listener::bind(&remote, &tls).await;
            listeners.push(listener.with_context(|| format!("cannot listen at {remote}"))?);
        }
        Ok(Self {
            access: args.access(),
            tls,
            listeners,
        })
    }

    /// Where it is open.
    #[must_use]
    pub fn opened(&self) -> Vec<Opened> {
        let of = |listener: &Listener| Opened {
            remote: listener.remote().clone(),
            port: listener.port(),
        };
        self.listeners.iter().map(of).collect()
    }

    /// The certificates, for connections of the same program to others.
    #[must_use]
    pub fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Serves until `end` says true, and a little longer for requests that are under way.
    pub async fn serve(self, router: Router, end: watch::Receiver<bool>) {
        let router = router
            .layer(from_fn(deadline::layer))
            .layer(from_fn(may_call));
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let access = Arc::new(self.access);
        let mut tasks = tokio::task::JoinSet::new();
        for listener in self.listeners {
            let host = Host {
                router: router.clone(),
                access: Arc::clone(&access),
                end: end.clone(),
            };
            tasks.spawn(accept(listener, host, Arc::clone(&room)));
        }
        while tasks.join_next().await.is_some() {}
        // Each connection holds a permit: all are back when all are gone.
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(FAREWELL, room.acquire_many(all)).await;
    }
}

/// Whether an address lets in only whom it should.
fn permitted(remote: &Remote, insecure: bool, access: &Access) -> anyhow::Result<()> {
    match remote {
        Remote::PassiveUnix(_) => Ok(()),
        Remote::PassiveSsl(..) if access.is_empty() => bail!(
            "{remote}: nobody may call; name those who may with --allow-client or --allow-reader, or everybody with a certificate with --allow-client='*'"
        ),
        Remote::PassiveSsl(..) => Ok(()),
        Remote::PassiveTcp(host, _) => {
            let own = host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
            if own || insecure {
                Ok(())
            } else {
                bail!(
                    "{remote}: other machines reach it, and would call without a certificate; use pssl:, or ptcp:PORT:127.0.0.1, or say --insecure-listen"
                )
            }
        }
        _ => bail!("{remote}: is a place to connect to; listen at punix:, pssl: or ptcp:"),
    }
}

/// What the connections of a listener share.
#[derive(Clone)]
struct Host {
    router: Router,
    access: Arc<Access>,
    end: watch::Receiver<bool>,
}

/// Waits for the end.
async fn ended(end: &mut watch::Receiver<bool>) {
    // Who could say so may be gone, and that is an end, too.
    drop(end.wait_for(|end| *end).await);
}

async fn accept(listener: Listener, host: Host, room: Arc<Semaphore>) {
    let mut end = host.end.clone();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let arrival = tokio::select! {
            arrival = listener.accept() => arrival,
            () = ended(&mut end) => return,
        };
        match arrival {
            Ok(arrival) => drop(tokio::spawn(converse(arrival, host.clone(), permit))),
            Err(error) => {
                tracing::warn!(target: "door", "{}: {error}", listener.remote());
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

async fn converse(arrival: Arrival, host: Host, _permit: OwnedSemaphorePermit) {
    let peer = arrival.peer().to_owned();
    let with_certificate = arrival.has_handshake();
    let connection = match arrival.establish().await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::warn!(target: "door", "{peer}: refused: {error}");
            return;
        }
    };
    let caller = match connection.user {
        Some(user) => Caller::local(&format!("local:{}", name_of(user).await)),
        None => caller(&connection, with_certificate, &host.access),
    };
    if caller.rights == Rights::None {
        tracing::warn!(target: "door", "{peer}: {} may not call", caller.name);
    }
    let router = host.router;
    let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(caller.clone());
        router.clone().oneshot(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PATIENCE)
        .keep_alive_timeout(PATIENCE)
        .max_concurrent_streams(STREAMS);
    let stream = TokioIo::new(join(connection.reader, connection.writer));
    let served = builder.serve_connection(stream, TowerToHyperService::new(service));
    tokio::pin!(served);
    let mut end = host.end;
    let result = tokio::select! {
        result = &mut served => result,
        () = ended(&mut end) => {
            served.as_mut().graceful_shutdown();
            tokio::time::timeout(FAREWELL, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = result {
        tracing::debug!(target: "door", "{peer}: {error}");
    }
}

/// The name of a user, who may be looked up far away.
async fn name_of(user: u32) -> String {
    let name = tokio::task::spawn_blocking(move || user_name(user)).await;
    name.unwrap_or_else(|_| user.to_string())
}

fn caller(connection: &Connection, with_certificate: bool, access: &Access) -> Caller {
    if !with_certificate {
        return Caller::local(&connection.peer);
    }
    let names = connection.id.iter().chain(&connection.other_names);
    let name = connection
        .id
        .as_ref()
        .or_else(|| connection.other_names.first());
    Caller {
        rights: access.rights(names.map(String::as_str)),
        name: name.map_or("(no name)", String::as_str).into(),
        is_member: name.is_some_and(|name| access.is_member(name)),
    }
}

/// Turns away who may not call anything.
async fn may_call(request: Request, next: Next) -> Response {
    let grpc = is_grpc(request.headers());
    let caller = request.extensions().get::<Caller>();
    let verdict = caller.map_or_else(
        || Err(Status::internal("the caller is not known")),
        Caller::may_call,
    );
    match verdict {
        Ok(()) => next.run(request).await,
        Err(status) => answer(status, grpc),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(remote: &str, insecure: bool, clients: &[&str]) -> Result<(), String> {
        let access = Access {
            clients: clients.iter().map(|&name| name.to_owned()).collect(),
            ..Access::default()
        };
        let remote = remote.parse().expect("an address");
        permitted(&remote, insecure, &access).map_err(|error| error.to_string())
    }

    #[test]
    fn without_certificates_only_this_machine_comes_in() {
        assert_eq!(verdict("punix:/run/x", false, &[]), Ok(()));
        assert_eq!(verdict("ptcp:1:127.0.0.1", false, &[]), Ok(()));
        assert_eq!(verdict("ptcp:1:[::1]", false, &[]), Ok(()));
        for open in [
            "ptcp:1",
            "ptcp:1:0.0.0.0",
            "ptcp:1:192.0.2.1",
            "ptcp:1:localhost.example",
        ] {
            assert!(
                verdict(open, false, &[])
                    .unwrap_err()
                    .contains("--insecure-listen")
            );
            assert_eq!(verdict(open, true, &[]), Ok(()));
        }
    }

    #[test]
    fn with_certificates_somebody_must_be_named() {
        assert!(
            verdict("pssl:1", false, &[])
                .unwrap_err()
                .contains("--allow-client")
        );
        assert!(verdict("pssl:1", true, &[]).is_err());
        assert_eq!(verdict("pssl:1", false, &["region"]), Ok(()));
        assert!(
            verdict("ssl:h:1", false, &["region"])
                .unwrap_err()
                .contains("connect to")
        );
    }
}

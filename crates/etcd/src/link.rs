//! Calls to etcd, with a limit of time each, and failing over to the next endpoint.
//!
//! One endpoint is in use until a call to it fails; the next call goes to the next one. A call is not repeated
//! here: whoever makes it knows whether that is safe.
//!
//! Invariant: a call ends within its limit, whatever the member does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::Client;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::Error;
use crate::options::{Access, Stamp};

/// The limit for a call that moves little.
pub(crate) const SHORT: Duration = Duration::from_secs(2);
/// The limit for a call that moves megabytes.
pub(crate) const BULK: Duration = Duration::from_secs(20);
/// The largest answer that is taken.
pub(crate) const MAX_ANSWER: usize = 64 << 20;

/// What etcd is said to say when its quota is used up.
const NO_SPACE: &str = "its space is used up (mvcc: database space exceeded), so nothing can be written; have it forget \
    its history with etcdctl compact REVISION, then etcdctl defrag and etcdctl alarm disarm, or start it with a \
    greater --quota-backend-bytes";

/// Why a call has no result.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// Nobody knows whether it was carried out.
    Unknown { endpoint: String, reason: String },
    /// It was not carried out, and will not be another time.
    Refused { endpoint: String, reason: String },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { endpoint, reason } => write!(f, "etcd at {endpoint}: {reason}"),
            Self::Refused { endpoint, reason } => write!(f, "etcd at {endpoint} refuses: {reason}"),
        }
    }
}

pub(crate) struct Link {
    members: Vec<Member>,
    current: AtomicUsize,
    access: Access,
}

struct Member {
    url: String,
    /// The connection, with the stamp of the files that it was made with.
    client: Mutex<Option<(Stamp, Client)>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Link").field(&self.endpoints()).finish()
    }
}

impl Link {
    /// `urls` are not none.
    pub(crate) fn new(urls: Vec<String>, access: Access) -> Self {
        let members = urls.into_iter().map(|url| Member {
            url,
            client: Mutex::new(None),
        });
        Self {
            members: members.collect(),
            current: AtomicUsize::new(0),
            access,
        }
    }

    pub(crate) fn endpoints(&self) -> String {
        let urls: Vec<&str> = self
            .members
            .iter()
            .map(|member| member.url.as_str())
            .collect();
        urls.join(", ")
    }

    /// Makes one call to the endpoint in use.
    pub(crate) async fn call<T, F>(
        &self,
        limit: Duration,
        call: impl FnOnce(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let at = self.current.load(Ordering::Relaxed);
        let member = &self.members[at];
        let attempt = async {
            let client = self.client(member).await?;
            let done = call(client).await;
            done.map_err(|error| failure(&member.url, &error))
        };
        let failure = match timeout(limit, attempt).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Unknown {
                endpoint: member.url.clone(),
                reason: format!("no answer within {limit:?}"),
            },
        };
        if let Failure::Unknown { reason, .. } = &failure {
            if is_about_login(reason) {
                // The next call logs in anew.
                *member.client.lock().await = None;
            }
            self.leave(at);
        }
        Err(failure)
    }

    /// Makes a call that may be made twice: to every endpoint until one answers.
    pub(crate) async fn call_each<T, F>(
        &self,
        limit: Duration,
        call: impl Fn(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let mut left = self.members.len();
        loop {
            left -= 1;
            match self.call(limit, &call).await {
                Err(Failure::Unknown { .. }) if left > 0 => {}
                result => return result,
            }
        }
    }

    /// Goes to the next endpoint, unless somebody did already.
    fn leave(&self, at: usize) {
        let next = (at + 1) % self.members.len();
        let (from, to) = (Ordering::Relaxed, Ordering::Relaxed);
        // A failure means that somebody else was first.
        let _ = self.current.compare_exchange(at, next, from, to);
    }

    /// The connection to a member. It is made anew when files have changed; if that cannot be done, what stands is
    /// used on.
    async fn client(&self, member: &Member) -> Result<Client, Failure> {
        let mut known = member.client.lock().await;
        let stamp = self.access.stamp();
        let old = match &*known {
            Some((of, client)) if *of == stamp => return Ok(client.clone()),
            Some((_, client)) => Some(client.clone()),
            None => None,
        };
        match (self.connect(member).await, old) {
            (Ok(client), _) => {
                *known = Some((stamp, client.clone()));
                Ok(client)
            }
            (Err(failure), Some(client)) => {
                tracing::warn!(target: "etcd", "cannot connect with other certificates or password: {failure}");
                // Once for each change.
                *known = Some((stamp, client.clone()));
                Ok(client)
            }
            (Err(failure), None) => Err(failure),
        }
    }

    async fn connect(&self, member: &Member) -> Result<Client, Failure> {
        let options = self.access.connect_options();
        let options = options.map_err(|error| Failure::Unknown {
            endpoint: member.url.clone(),
            reason: error.to_string(),
        })?;
        let made = Client::connect([&member.url], Some(options)).await;
        made.map_err(|error| failure(&member.url, &error))
    }
}

/// Whether a call failed because the login is not valid any more: another one may be.
fn is_about_login(reason: &str) -> bool {
    reason.contains("revision of auth store is old") || reason.contains("invalid auth token")
}

/// What a failure of the client library means.
fn failure(endpoint: &str, error: &etcd_client::Error) -> Failure {
    use etcd_client::Error as E;
    let endpoint = endpoint.to_owned();
    let refused = match error {
        E::GRpcStatus(status) => is_refusal(status.code() as i32, status.message()),
        E::InvalidArgs(_) | E::InvalidUri(_) | E::InvalidMetadataValue(_) => true,
        _ => false,
    };
    let reason = match error {
        E::GRpcStatus(status) if status.message().contains("database space exceeded") => {
            NO_SPACE.to_owned()
        }
        E::GRpcStatus(status) => status.message().to_owned(),
        other => other.to_string(),
    };
    if refused {
        Failure::Refused { endpoint, reason }
    } else {
        Failure::Unknown { endpoint, reason }
    }
}

/// Whether a gRPC status says that etcd looked at the request and will not do it.
fn is_refusal(code: i32, message: &str) -> bool {
    match code {
        _ if is_about_login(message) => false,
        // Invalid argument, not found, already exists, permission denied, failed precondition, out of range,
        // not implemented, unauthenticated.
        3 | 5 | 6 | 7 | 9 | 11 | 12 | 16 => true,
        // Resources: the quota, or too many requests at the moment.
        8 => !message.contains("too many requests"),
        _ => false,
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unknown { endpoint, reason } => Self::Unreachable {
                endpoints: endpoint,
                reason,
            },
            Failure::Refused { endpoint, reason } => Self::Refused { endpoint, reason },
        }
    }
}

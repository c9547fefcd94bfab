//! A hypervisor as others see it: its machines, and changes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use hvflow::params::NetworkParams;
use rpc::hv::v1;
use rpc::hv::v1::hypervisor_network_client::HypervisorNetworkClient;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Target;
use crate::door::field;

/// Machines asked for at once.
const PAGE: u32 = 1000;
/// The longest answer: a page of machines with many rules.
const LONGEST_ANSWER: usize = 256 << 20;

/// What a hypervisor has: machines by their numbers, with their parameters if it knows them.
pub type Machines = BTreeMap<u32, Option<NetworkParams>>;

/// Why a call has no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The daemon refuses, and would refuse it again. Nothing has changed.
    #[error("{text}")]
    Refused {
        /// The field that is wrong, if it is one.
        field: Option<String>,
        /// What is wrong; it begins with the field.
        text: String,
    },
    /// There was no answer in time, or the daemon or its switch is away. Send it again, with the same key.
    #[error("{0}")]
    Away(String),
    /// Something is wrong with the daemon.
    #[error("{0}")]
    Failed(String),
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let text = match status.message() {
            "" => format!("{:?}", status.code()),
            text => text.to_owned(),
        };
        match status.code() {
            Code::InvalidArgument
            | Code::AlreadyExists
            | Code::NotFound
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::OutOfRange
            | Code::FailedPrecondition
            | Code::Unimplemented => Self::Refused {
                field: field(&status).map(str::to_owned),
                text,
            },
            // A time that the caller's own clock says is over is told as a cancellation.
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::ResourceExhausted
            | Code::Unknown => Self::Away(text),
            _ => Self::Failed(text),
        }
    }
}

/// The result of a call.
pub type Result<T> = std::result::Result<T, CallError>;

/// A connection to the daemon of a hypervisor. Cheap to clone; it connects again when it was lost.
#[derive(Debug, Clone)]
pub struct Remote {
    client: HypervisorNetworkClient<Channel>,
    health: HealthClient<Channel>,
    limit: Duration,
}

impl Remote {
    /// Connects; each call may take as long as `limit`.
    ///
    /// # Errors
    /// [`CallError::Away`], also for certificates that are refused: they may be renewed.
    pub async fn connect(target: &Target, limit: Duration) -> Result<Self> {
        let connected = tokio::time::timeout(limit, target.connect()).await;
        let late = |_| {
            CallError::Away(format!(
                "no connection to {} within {limit:?}",
                target.remote
            ))
        };
        let channel = connected
            .map_err(late)?
            .map_err(|error| CallError::Away(format!("{error:#}")))?;
        Ok(Self::over(channel, limit))
    }

    /// The same over a channel.
    #[must_use]
    pub fn over(channel: Channel, limit: Duration) -> Self {
        let client = HypervisorNetworkClient::new(channel.clone());
        Self {
            client: client.max_decoding_message_size(LONGEST_ANSWER),
            health: HealthClient::new(channel),
            limit,
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.limit);
        request
    }

    /// All machines as the daemon describes them, in the order of their numbers, and the number of the last outcome
    /// that is in there.
    ///
    /// # Errors
    /// When the daemon does not say.
    pub async fn list(&mut self) -> Result<(Vec<v1::Machine>, u64)> {
        let (mut machines, mut page_token, mut first) = (Vec::new(), String::new(), None);
        loop {
            let request = self.request(v1::ListRequest {
                page_size: PAGE,
                page_token,
            });
            let page = self.client.list(request).await?.into_inner();
            machines.extend(page.machines);
            // What happens between two pages may be missing in the first.
            let sequence = *first.get_or_insert(page.sequence);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok((machines, sequence));
            }
        }
    }

    /// What the hypervisor has.
    ///
    /// # Errors
    /// When the daemon does not say, or says what cannot be.
    pub async fn machines(&mut self) -> Result<Machines> {
        let (machines, _) = self.list().await?;
        let machine = |machine: v1::Machine| {
            let params = machine
                .params
                .as_ref()
                .map(NetworkParams::try_from)
                .transpose();
            let params = params.map_err(|problems| {
                CallError::Failed(format!("machine {}: {problems}", machine.machine_id))
            })?;
            Ok((machine.machine_id, params))
        };
        machines.into_iter().map(machine).collect()
    }

    /// One machine.
    ///
    /// # Errors
    /// When there is none.
    pub async fn get(&mut self, machine_id: u32) -> Result<v1::Machine> {
        let request = self.request(v1::GetRequest { machine_id });
        Ok(self.client.get(request).await?.into_inner())
    }

    /// Adds interfaces of a machine; `interface_type` may be empty for all.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn add(&mut self, request: v1::AddRequest) -> Result<v1::Change> {
        let request = self.request(request);
        Ok(self.client.add(request).await?.into_inner())
    }

    /// Makes a machine this. The key names the request, if it is not empty.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn replace(&mut self, params: &NetworkParams, key: &str) -> Result<v1::Change> {
        let request = self.request(v1::ReplaceRequest {
            params: Some(params.into()),
            idempotency_key: key.to_owned(),
        });
        Ok(self.client.replace(request).await?.into_inner())
    }

    /// Forgets a machine; whether it is a success if there is none.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn remove(
        &mut self,
        machine_id: u32,
        allow_missing: bool,
        key: &str,
    ) -> Result<v1::Change> {
        let request = self.request(v1::RemoveRequest {
            machine_id,
            allow_missing,
            idempotency_key: key.to_owned(),
        });
        Ok(self.client.remove(request).await?.into_inner())
    }

    /// Disables interfaces of a machine, or of all machines if there is no number.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn disable(
        &mut self,
        machine_id: Option<u32>,
        interface_type: &str,
        key: &str,
    ) -> Result<v1::Change> {
        let idempotency_key = key.to_owned();
        let answer = match machine_id {
            Some(machine_id) => {
                let interface_type = interface_type.to_owned();
                let request = v1::DisableRequest {
                    machine_id,
                    interface_type,
                    idempotency_key,
                };
                self.client.disable(self.request(request)).await
            }
            None => {
                let request = v1::DisableAllRequest { idempotency_key };
                self.client.disable_all(self.request(request)).await
            }
        };
        Ok(answer?.into_inner())
    }

    /// What a change would do.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn dry_run(
        &mut self,
        change: v1::dry_run_request::Change,
    ) -> Result<v1::DryRunResponse> {
        let request = self.request(v1::DryRunRequest {
            change: Some(change),
        });
        Ok(self.client.dry_run(request).await?.into_inner())
    }

    /// What happens, without a limit of time: of one machine or all (0), after an outcome or from now on (0).
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn watch(
        &mut self,
        machine_id: u32,
        after: u64,
    ) -> Result<tonic::Streaming<v1::Outcome>> {
        let request = v1::WatchRequest { machine_id, after };
        Ok(self.client.watch(request).await?.into_inner())
    }

    /// Whether the daemon's switch is there and holds what it should.
    ///
    /// # Errors
    /// When the daemon does not say.
    pub async fn is_healthy(&mut self) -> Result<bool> {
        let request = self.request(HealthCheckRequest::default());
        let answer = self.health.check(request).await?.into_inner();
        Ok(answer.status() == ServingStatus::Serving)
    }
}

//! gRPC over the engine, and REST over gRPC.
//!
//! It must not know how a change is carried out. Invariant: nobody changes anything but who may, and under the name
//! by which the door knows the caller; a hypervisor that has only its own name may register under that, and no more.

mod asked;
mod methods;
mod pages;
mod read;
mod shown;
mod watching;

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use hvd::door::rest::not_there;
use hvd::door::{Caller, Deadline, rest};
use hvd::service::served;
use rpc::region::v1;
use rpc::region::v1::region_server::{Region, RegionServer, SERVICE_NAME};
use tokio::sync::{Semaphore, watch};
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

use crate::engine::{Answer, Ask, Handle, How, Refusal, RefusalKind};
use asked::Asks;

/// Who watches at most.
const WATCHERS: usize = 256;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    handle: Handle,
    watchers: Arc<Semaphore>,
    end: watch::Receiver<bool>,
}

/// Everything that is served at one address: the service over gRPC and REST, health, and reflection. Streams end when
/// `end` says true.
pub fn router(handle: Handle, end: watch::Receiver<bool>) -> Router {
    let health = handle.health();
    let service = Service {
        handle,
        watchers: Arc::new(Semaphore::new(WATCHERS)),
        end,
    };
    let document = rpc::openapi::document(
        SERVICE_NAME,
        "Heddle: the networks of a region",
        env!("CARGO_PKG_VERSION"),
    );
    let rest = rest::router(SERVICE_NAME, Arc::new(service.clone()), document);
    let grpc = RegionServer::new(service).max_decoding_message_size(rpc::LONGEST_REQUEST);
    served(Routes::new(grpc), SERVICE_NAME, health)
        .merge(rest)
        .fallback(not_there)
}

fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::internal("the caller is not known"))
}

impl Service {
    async fn change<Q: Asks>(&self, request: Request<Q>) -> Result<Response<v1::Change>, Status> {
        let caller = caller(&request)?;
        caller.may_change()?;
        let mut message = request.into_inner();
        let options = message.options();
        self.ask(&caller, message.request()?, &options).await
    }

    async fn ask(
        &self,
        caller: &Caller,
        request: crate::request::Request,
        options: &v1::Options,
    ) -> Result<Response<v1::Change>, Status> {
        let ask = Ask {
            who: (&*caller.name).into(),
            request,
            policy: asked::policy(options.policy.as_ref())?,
            dry_run: options.dry_run,
            key: asked::key(&options.idempotency_key)?,
        };
        let answer = self.handle.ask(ask).await;
        Ok(Response::new(change(answer.map_err(refusal)?)))
    }

    /// Lets in who may look.
    fn look<Q>(request: Request<Q>) -> Result<Q, Status> {
        caller(&request)?.may_look()?;
        Ok(request.into_inner())
    }
}

fn change(answer: Answer) -> v1::Change {
    let edit = |edited: crate::engine::Edited| v1::Edit {
        kind: edited.table.to_owned(),
        name: edited.name,
        edit: match edited.how {
            How::Added => v1::EditKind::Added,
            How::Changed => v1::EditKind::Changed,
            How::Removed => v1::EditKind::Removed,
        }
        .into(),
    };
    let number = answer.action.and_then(|number| u64::try_from(number).ok());
    v1::Change {
        action: number.unwrap_or_default(),
        hypervisors: answer.hypervisors.iter().map(ToString::to_string).collect(),
        edits: answer.edited.into_iter().map(edit).collect(),
        replayed: answer.repeated,
    }
}

/// What a refusal of the engine is in both forms.
fn refusal(refusal: Refusal) -> Status {
    let code = match refusal.kind {
        RefusalKind::Invalid => Code::InvalidArgument,
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::Conflict => Code::FailedPrecondition,
        RefusalKind::NotLeader | RefusalKind::Unavailable => Code::Unavailable,
    };
    Status::new(code, refusal.to_string())
}

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Region for Service {
    async fn get_status(&self, request: Request<v1::GetStatusRequest>) -> Answered<v1::Status> {
        Self::look(request)?;
        Ok(Response::new(read::status(&self.handle)))
    }

    async fn register(&self, request: Request<v1::RegisterRequest>) -> Answered<v1::Change> {
        let caller = caller(&request)?;
        caller.may_speak_for_itself()?;
        let mut message = request.into_inner();
        let options = message.options.take().unwrap_or_default();
        let request = asked::register(&caller.name, &message)?;
        self.ask(&caller, request, &options).await
    }

    async fn put_hypervisor(
        &self,
        request: Request<v1::PutHypervisorRequest>,
    ) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn remove_hypervisor(
        &self,
        request: Request<v1::RemoveHypervisorRequest>,
    ) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn get_hypervisor(
        &self,
        request: Request<v1::GetHypervisorRequest>,
    ) -> Answered<v1::Hypervisor> {
        let request = Self::look(request)?;
        read::hypervisor(&self.handle, &request).map(Response::new)
    }

    async fn list_hypervisors(
        &self,
        request: Request<v1::ListHypervisorsRequest>,
    ) -> Answered<v1::ListHypervisorsResponse> {
        let request = Self::look(request)?;
        read::hypervisors(&self.handle, &request).map(Response::new)
    }

    async fn put_customer(&self, request: Request<v1::PutCustomerRequest>) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn remove_customer(
        &self,
        request: Request<v1::RemoveCustomerRequest>,
    ) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn list_customers(
        &self,
        request: Request<v1::ListCustomersRequest>,
    ) -> Answered<v1::ListCustomersResponse> {
        let request = Self::look(request)?;
        read::customers(&self.handle, &request).map(Response::new)
    }

    async fn put_machine(&self, request: Request<v1::PutMachineRequest>) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn remove_machine(
        &self,
        request: Request<v1::RemoveMachineRequest>,
    ) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn get_machine(&self, request: Request<v1::GetMachineRequest>) -> Answered<v1::Machine> {
        let request = Self::look(request)?;
        read::machine(&self.handle, &request).map(Response::new)
    }

    async fn list_machines(
        &self,
        request: Request<v1::ListMachinesRequest>,
    ) -> Answered<v1::ListMachinesResponse> {
        let request = Self::look(request)?;
        read::machines(&self.handle, &request).map(Response::new)
    }

    async fn begin_move(&self, request: Request<v1::BeginMoveRequest>) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn finish_move(&self, request: Request<v1::FinishMoveRequest>) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn cancel_move(&self, request: Request<v1::CancelMoveRequest>) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn add_rule(&self, request: Request<v1::AddRuleRequest>) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn remove_rule(&self, request: Request<v1::RemoveRuleRequest>) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn list_rules(
        &self,
        request: Request<v1::ListRulesRequest>,
    ) -> Answered<v1::ListRulesResponse> {
        let request = Self::look(request)?;
        read::rules(&self.handle, &request).map(Response::new)
    }

    async fn enable(&self, request: Request<v1::EnableRequest>) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn disable(&self, request: Request<v1::DisableRequest>) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn put_floating_address(
        &self,
        request: Request<v1::PutFloatingAddressRequest>,
    ) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn remove_floating_address(
        &self,
        request: Request<v1::RemoveFloatingAddressRequest>,
    ) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn list_floating_addresses(
        &self,
        request: Request<v1::ListFloatingAddressesRequest>,
    ) -> Answered<v1::ListFloatingAddressesResponse> {
        let request = Self::look(request)?;
        read::floating_addresses(&self.handle, &request).map(Response::new)
    }

    async fn get_action(&self, request: Request<v1::GetActionRequest>) -> Answered<v1::Action> {
        let request = Self::look(request)?;
        read::action(&self.handle, &request).map(Response::new)
    }

    async fn list_actions(
        &self,
        request: Request<v1::ListActionsRequest>,
    ) -> Answered<v1::ListActionsResponse> {
        let request = Self::look(request)?;
        read::actions(&self.handle, &request).map(Response::new)
    }

    type WatchActionStream = Pin<Box<dyn Stream<Item = Result<v1::Progress, Status>> + Send>>;

    async fn watch_action(
        &self,
        request: Request<v1::WatchActionRequest>,
    ) -> Answered<Self::WatchActionStream> {
        let place = Arc::clone(&self.watchers).try_acquire_owned();
        let place = place.map_err(|_| {
            let text = format!("{WATCHERS} readers watch already, which is the most");
            Status::resource_exhausted(text)
        })?;
        let deadline = request.extensions().get::<Deadline>();
        let deadline = deadline.filter(|it| it.asked).map(|it| it.at);
        let number = asked::action(Self::look(request)?.number)?;
        let watch = self.handle.watch(number).map_err(refusal)?;
        let stream = watching::stream(watch, deadline, self.end.clone(), place);
        Ok(Response::new(Box::pin(stream)))
    }

    async fn stop_action(&self, request: Request<v1::StopActionRequest>) -> Answered<v1::Change> {
        self.change(request).await
    }

    async fn resume_action(
        &self,
        request: Request<v1::ResumeActionRequest>,
    ) -> Answered<v1::Change> {
        self.change(request).await
    }
}

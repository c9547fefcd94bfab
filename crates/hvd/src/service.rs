//! gRPC over the engine, and REST over gRPC.

mod convert;
mod watching;

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::http::Extensions;
use rpc::hv::v1;
use rpc::hv::v1::hypervisor_network_server::{
    HypervisorNetwork, HypervisorNetworkServer, SERVICE_NAME,
};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::core::{self, Asked, Decision};
use crate::door::rest::{Answering, Methods, many, not_there, one};
use crate::door::{Caller, Deadline, rest};
use crate::engine::{Hypervisor, now};

pub use convert::wrong;

/// Who watches at most.
const WATCHERS: usize = 256;
/// Machines on a page: if nothing is said, and at most.
const PAGE: (usize, usize) = (100, 1000);

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    hypervisor: Hypervisor,
    watchers: Arc<Semaphore>,
    end: watch::Receiver<bool>,
}

/// Everything that is served at one address: the service over gRPC and REST, health, and reflection. Streams end when
/// `end` says true.
pub fn router(hypervisor: Hypervisor, end: watch::Receiver<bool>) -> Router {
    let health = hypervisor.health();
    let service = Service {
        hypervisor,
        watchers: Arc::new(Semaphore::new(WATCHERS)),
        end,
    };
    let document = rpc::openapi::document(
        SERVICE_NAME,
        "Heddle: the network of one hypervisor",
        env!("CARGO_PKG_VERSION"),
    );
    let rest = rest::router(SERVICE_NAME, Arc::new(service.clone()), document);
    let grpc =
        HypervisorNetworkServer::new(service).max_decoding_message_size(rpc::LONGEST_REQUEST);
    served(grpc_routes(grpc), SERVICE_NAME, health)
        .merge(rest)
        .fallback(not_there)
}

fn grpc_routes(service: HypervisorNetworkServer<Service>) -> Routes {
    Routes::new(service)
}

/// gRPC routes with health, which follows `healthy`, and reflection of all definitions.
pub fn served(routes: Routes, name: &'static str, mut healthy: watch::Receiver<bool>) -> Router {
    let (reporter, health) = tonic_health::server::health_reporter();
    tokio::spawn(async move {
        loop {
            let status = *healthy.borrow_and_update();
            report(&reporter, name, status).await;
            if healthy.changed().await.is_err() {
                return report(&reporter, name, false).await;
            }
        }
    });
    let mut routes = routes.add_service(health);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(rpc::descriptors::ENCODED)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Older clients know only the older form.
    if let (Ok(new), Ok(old)) = (reflection().build_v1(), reflection().build_v1alpha()) {
        routes = routes.add_service(new).add_service(old);
    }
    routes.into_axum_router()
}

async fn report(reporter: &HealthReporter, name: &str, healthy: bool) {
    let status = if healthy {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    // The empty name stands for the whole server.
    reporter.set_service_status("", status).await;
    reporter.set_service_status(name, status).await;
}

impl Service {
    async fn change<Q: prost::Message + Clone>(
        &self,
        request: Request<Q>,
        method: &str,
        key: impl Fn(&mut Q) -> &mut String,
        read: impl FnOnce(&Q) -> Result<core::Request, Status>,
    ) -> Result<Response<v1::Change>, Status> {
        let caller = caller(&request)?;
        caller.may_change()?;
        let deadline = deadline(&request);
        let mut message = request.into_inner();
        let asked = Asked {
            caller: caller.name.to_string(),
            key: convert::key(method, &mut message, key),
            now: now(),
        };
        let change = read(&message)?;
        let answer = self.hypervisor.change(change, asked, deadline).await;
        let (answer, replayed) = answer.map_err(|failure| convert::failure(&failure))?;
        Ok(Response::new(convert::change(answer, replayed)))
    }
}

fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::internal("the caller is not known"))
}

fn deadline<T>(request: &Request<T>) -> Instant {
    let given = request.extensions().get::<Deadline>();
    given.map_or_else(
        || Instant::now() + std::time::Duration::from_secs(60),
        |given| given.at,
    )
}

#[tonic::async_trait]
impl HypervisorNetwork for Service {
    async fn add(&self, request: Request<v1::AddRequest>) -> Result<Response<v1::Change>, Status> {
        self.change(request, "Add", |it| &mut it.idempotency_key, convert::add)
            .await
    }

    async fn replace(
        &self,
        request: Request<v1::ReplaceRequest>,
    ) -> Result<Response<v1::Change>, Status> {
        self.change(
            request,
            "Replace",
            |it| &mut it.idempotency_key,
            convert::replace,
        )
        .await
    }

    async fn remove(
        &self,
        request: Request<v1::RemoveRequest>,
    ) -> Result<Response<v1::Change>, Status> {
        self.change(
            request,
            "Remove",
            |it| &mut it.idempotency_key,
            convert::remove,
        )
        .await
    }

    async fn disable(
        &self,
        request: Request<v1::DisableRequest>,
    ) -> Result<Response<v1::Change>, Status> {
        self.change(
            request,
            "Disable",
            |it| &mut it.idempotency_key,
            convert::disable,
        )
        .await
    }

    async fn disable_all(
        &self,
        request: Request<v1::DisableAllRequest>,
    ) -> Result<Response<v1::Change>, Status> {
        self.change(
            request,
            "DisableAll",
            |it| &mut it.idempotency_key,
            convert::disable_all,
        )
        .await
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::Machine>, Status> {
        let number = request.into_inner().machine_id;
        let view = self.hypervisor.look(|core| core.view(number));
        let view = view.ok_or_else(|| convert::no_machine(number))?;
        Ok(Response::new(convert::machine(view)))
    }

    async fn list(
        &self,
        request: Request<v1::ListRequest>,
    ) -> Result<Response<v1::ListResponse>, Status> {
        let request = request.into_inner();
        let after = convert::page_token(&request.page_token)?;
        let size = match usize::try_from(request.page_size).unwrap_or(PAGE.1) {
            0 => PAGE.0,
            size => size.min(PAGE.1),
        };
        let (sequence, mut views) = self.hypervisor.look(|core| {
            let views: Vec<core::View> = core.views(after).take(size + 1).collect();
            (core.outcomes.last(), views)
        });
        let more = views.len() > size;
        views.truncate(size);
        let last = views
            .last()
            .filter(|_| more)
            .map(|view| view.machine.to_string());
        Ok(Response::new(v1::ListResponse {
            machines: views.into_iter().map(convert::machine).collect(),
            next_page_token: last.unwrap_or_default(),
            sequence,
        }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::Outcome, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let place = Arc::clone(&self.watchers)
            .try_acquire_owned()
            .map_err(|_| {
                Status::resource_exhausted(format!(
                    "{WATCHERS} readers watch already, which is the most"
                ))
            })?;
        let deadline = request.extensions().get::<Deadline>();
        let deadline = deadline
            .filter(|deadline| deadline.asked)
            .map(|deadline| deadline.at);
        let request = request.into_inner();
        let watched = self.hypervisor.look(|core| {
            let after = if request.after == 0 {
                core.outcomes.last()
            } else {
                request.after
            };
            core.outcomes.watch(after)
        });
        let (past, live) = watched.map_err(|core::Lost(known)| {
            Status::out_of_range(format!(
                "after: outcomes after {} are not all known, only those after {known}; list and watch again",
                request.after
            ))
        })?;
        let machine = Some(request.machine_id).filter(|number| *number != 0);
        let stream = watching::stream((past, live), machine, deadline, self.end.clone(), place);
        Ok(Response::new(Box::pin(stream)))
    }

    async fn dry_run(
        &self,
        request: Request<v1::DryRunRequest>,
    ) -> Result<Response<v1::DryRunResponse>, Status> {
        let change = convert::dry_run(&request.into_inner())?;
        let asked = Asked {
            now: now(),
            ..Asked::default()
        };
        let decision = self.hypervisor.look(|core| core.plan(&change, &asked));
        match decision.map_err(|refusal| convert::refusal(&refusal))? {
            Decision::Do(plan) => Ok(Response::new(v1::DryRunResponse {
                flows_added: plan.answer.added,
                flows_deleted: plan.answer.deleted,
                waiting: plan.answer.waiting,
                changes: plan.commit.to_string().lines().map(str::to_owned).collect(),
            })),
            Decision::Done(_) => Err(Status::internal("a dry run has no key")),
        }
    }
}

impl Methods for Service {
    fn call(&self, method: &str, request: Value, extensions: Extensions) -> Answering {
        let it = self.clone();
        match method {
            "Add" => one(request, extensions, move |r| async move { it.add(r).await }),
            "Replace" => one(
                request,
                extensions,
                move |r| async move { it.replace(r).await },
            ),
            "Remove" => one(
                request,
                extensions,
                move |r| async move { it.remove(r).await },
            ),
            "Disable" => one(
                request,
                extensions,
                move |r| async move { it.disable(r).await },
            ),
            "DisableAll" => one(request, extensions, move |r| async move {
                it.disable_all(r).await
            }),
            "Get" => one(request, extensions, move |r| async move { it.get(r).await }),
            "List" => one(
                request,
                extensions,
                move |r| async move { it.list(r).await },
            ),
            "Watch" => many(
                request,
                extensions,
                move |r| async move { it.watch(r).await },
            ),
            "DryRun" => one(
                request,
                extensions,
                move |r| async move { it.dry_run(r).await },
            ),
            other => {
                let status = Status::unimplemented(format!("not supported: {other} over REST"));
                Box::pin(async { Err(status) })
            }
        }
    }
}

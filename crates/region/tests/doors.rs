//! Who may ask for what, that REST is gRPC, and what is refused before it reaches the engine.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

#[path = "../../hvd/tests/support/http.rs"]
mod http;
#[path = "../../hvd/tests/support/pki.rs"]
mod pki;
mod support;

use std::path::PathBuf;

use clap::Parser;
use http::{http, rest};
use hvd::client::Target;
use hvd::door::{Door, field};
use pki::Pki;
use rpc::region::v1;
use rpc::region::v1::region_client::RegionClient;
use serde_json::{Value, json};
use support::{PATIENCE, Region, open, until};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use transport::{Remote, TlsArgs};

type Client = RegionClient<Channel>;

/// A region whose doors are open.
struct Doors {
    region: Region,
    port: Option<u16>,
    end: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    args: region::Args,
}

impl Doors {
    async fn open(hosts: usize, flags: &[String]) -> Self {
        let region = Region::start(hosts).await;
        let listen = format!("--listen=punix:{}", socket(&region).display());
        let words = ["region", &listen].into_iter();
        let flags = Flags::parse_from(words.chain(flags.iter().map(String::as_str)));
        let args = flags.args.absolute().unwrap().door;
        let door = Door::open(&args, "unused", region.folder.path()).await;
        let door = door.unwrap();
        let port = door.opened().iter().find_map(|opened| opened.port);
        let (end, ended) = watch::channel(false);
        let router = region::service::router(region.handle.clone(), ended.clone());
        let serving = tokio::spawn(door.serve(router, ended));
        Self {
            region,
            port,
            end,
            serving,
        }
    }

    fn socket(&self) -> PathBuf {
        socket(&self.region)
    }

    fn channel(&self) -> Channel {
        let remote = Remote::Unix(self.socket());
        let target = Target::new(remote, None, &TlsArgs::default());
        target.unwrap().lazy()
    }

    fn client(&self) -> Client {
        Client::new(self.channel())
    }

    /// A client with a certificate.
    async fn certified(&self, tls: &TlsArgs) -> Client {
        let remote = Remote::Ssl("127.0.0.1".to_owned(), self.port.unwrap());
        let target = Target::new(remote, Some("region".to_owned()), tls).unwrap();
        Client::new(target.connect().await.unwrap())
    }

    async fn stop(self) {
        self.end.send_replace(true);
        let stopped = tokio::time::timeout(PATIENCE, self.serving).await;
        stopped.unwrap().unwrap();
    }
}

fn socket(region: &Region) -> PathBuf {
    region.folder.path().join("region.sock")
}

/// Everything that a watch says, until it ends.
async fn progress(client: &mut Client, number: u64) -> Vec<v1::Progress> {
    let request = v1::WatchActionRequest { number };
    let mut stream = client.watch_action(request).await.unwrap().into_inner();
    let mut said = Vec::new();
    let all = async {
        while let Some(progress) = stream.message().await.unwrap() {
            said.push(progress);
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_is_grpc() {
    let doors = Doors::open(2, &[]).await;
    let (socket, mut client) = (doors.socket(), doors.client());
    let rule = json!({ "direction": "inbound", "protocol": "tcp", "ports": [{ "first": 22, "last": 22 }] });
    let add = json!({ "scope": { "customer": "acme" }, "rule": rule });
    let mut dry = add.clone();
    dry["options"] = json!({ "dry_run": true });
    let (status, said) = rest(&socket, "POST", "/v1/rules", &dry).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(said["hypervisors"], json!(["hv0", "hv1"]));
    assert_eq!(said["edits"][0]["kind"], "Rule");
    assert_eq!(said["edits"][0]["edit"], "EDIT_KIND_ADDED");
    let mut keyed = add.clone();
    keyed["options"] = json!({ "idempotency_key": "k", "policy": { "parallel": 1 } });
    let (status, change) = rest(&socket, "POST", "/v1/rules", &keyed).await;
    assert_eq!(status, 200, "{change}");
    let number: u64 = change["action"].as_str().unwrap().parse().unwrap();
    // The same request over gRPC is the same request: the key says so.
    let again: v1::AddRuleRequest = serde_json::from_value(keyed).unwrap();
    let again = client.add_rule(again).await.unwrap().into_inner();
    assert_eq!((again.action, again.replayed), (number, true));
    let said = progress(&mut client, number).await;
    let last = said.last().unwrap();
    assert_eq!(last.state(), v1::ActionState::Done);
    assert_eq!(
        (last.counts.unwrap().all, last.counts.unwrap().done),
        (2, 2)
    );
    // Each result is said once.
    assert_eq!(said.iter().map(|it| it.results.len()).sum::<usize>(), 2);
    assert_eq!(doors.region.ports(1, 2), [22]);
    let (_, action) = rest(
        &socket,
        "GET",
        &format!("/v1/actions/{number}"),
        &Value::Null,
    )
    .await;
    let request = v1::GetActionRequest { number };
    let over_grpc = client.get_action(request).await.unwrap().into_inner();
    assert_eq!(serde_json::to_value(&over_grpc).unwrap(), action);
    assert_eq!(action["policy"]["parallel"], 1);
    assert_eq!(action["request"]["customer"], "acme");
    let (_, rules) = rest(&socket, "GET", "/v1/rules?machine_id=1", &Value::Null).await;
    let scoped = json!({ "scope": { "customer": "acme" }, "rule": rule });
    assert_eq!(rules["rules"], json!([scoped]));
    let (_, machine) = rest(&socket, "GET", "/v1/machines/1", &Value::Null).await;
    assert_eq!(
        machine["told"]["vnics"][0]["security_policies"]["rules"],
        json!([rule])
    );
    assert_eq!(
        machine["params"]["vnics"][0]["security_policies"]["rules"],
        json!([])
    );
    let path = "/v1/floating-addresses/192.0.2.9";
    let floating = json!({ "customer": "acme", "machine_id": 1 });
    let (status, said) = rest(&socket, "PUT", path, &floating).await;
    assert_eq!(status, 200, "{said}");
    let (_, list) = rest(&socket, "GET", "/v1/floating-addresses", &Value::Null).await;
    let expected = json!([{ "address": "192.0.2.9", "customer": "acme", "machine_id": 1 }]);
    assert_eq!(list["floating_addresses"], expected);
    let (status, said) = rest(
        &socket,
        "DELETE",
        &format!("{path}?options.dry_run=true"),
        &Value::Null,
    )
    .await;
    assert_eq!(
        (status, &said["hypervisors"]),
        (200, &json!(["hv0"])),
        "{said}"
    );
    let (_, list) = rest(&socket, "GET", "/v1/floating-addresses", &Value::Null).await;
    assert_eq!(list["floating_addresses"], expected);
    // Every refusal has the same words and the same code in both forms.
    let (status, error) = rest(&socket, "DELETE", "/v1/machines/77", &Value::Null).await;
    let remove = v1::RemoveMachineRequest {
        machine_id: 77,
        options: None,
    };
    let over_grpc = client.remove_machine(remove).await.unwrap_err();
    assert_eq!(
        (status, error["code"].as_i64()),
        (404, Some(over_grpc.code() as i64))
    );
    assert_eq!(error["message"], over_grpc.message());
    let (status, document) = rest(&socket, "GET", "/v1/openapi.json", &Value::Null).await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    doors.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_does_what_it_may_and_a_hypervisor_registers_itself() {
    let pki = Pki::new();
    for name in ["region", "operator", "monitor", "hv7", "stranger"] {
        pki.issue(name, |_| {});
    }
    let mut flags = pki.flags("region");
    flags.extend(
        [
            "--listen=pssl:0:127.0.0.1",
            "--allow-client=operator",
            "--allow-reader=monitor",
            "--allow-hypervisor=hv7",
        ]
        .map(str::to_owned),
    );
    let doors = Doors::open(0, &flags).await;
    let may = async |name: &str| {
        let mut client = doors.certified(&pki.args(name)).await;
        let look = client
            .list_hypervisors(v1::ListHypervisorsRequest::default())
            .await;
        let put = v1::PutCustomerRequest {
            name: "new".into(),
            ..Default::default()
        };
        let put = client.put_customer(put).await;
        let register = v1::RegisterRequest {
            endpoint: "ssl:127.0.0.1:1".into(),
            options: None,
        };
        let register = client.register(register).await;
        let code = |status: Option<tonic::Status>| status.map_or(Code::Ok, |it| it.code());
        [look.err(), put.err(), register.err()].map(code)
    };
    let (ok, no) = (Code::Ok, Code::PermissionDenied);
    assert_eq!(may("operator").await, [ok, ok, no]);
    assert_eq!(may("monitor").await, [ok, no, no]);
    assert_eq!(may("hv7").await, [no, no, ok]);
    assert_eq!(may("stranger").await, [no, no, no]);
    let mut local = doors.client();
    let list = v1::ListHypervisorsRequest::default();
    let list = local.list_hypervisors(list).await.unwrap().into_inner();
    let [row] = &list.hypervisors[..] else {
        panic!("{list:?}")
    };
    assert_eq!((row.name.as_str(), row.enabled), ("hv7", true));
    // Nobody answers there.
    until("the link to be down", || {
        doors.region.handle.read(|state| {
            let (uuid, _) = state.view().hypervisor("hv7").unwrap();
            matches!(state.link(uuid), Some(region::fleet::LinkState::Down(_)))
        })
    })
    .await;
    let get = v1::GetHypervisorRequest { name: "hv7".into() };
    let shown = local.get_hypervisor(get).await.unwrap().into_inner();
    assert_eq!(shown.link(), v1::Link::Down);
    assert!(!shown.reason.is_empty());
    // A local caller has no name to register, and is known by its user.
    let request = v1::RegisterRequest::default();
    assert_eq!(local.register(request).await.unwrap_err().code(), no);
    let put = v1::PutCustomerRequest {
        name: "mine".into(),
        ..Default::default()
    };
    local.put_customer(put).await.unwrap();
    let own = std::fs::metadata(doors.region.folder.path()).unwrap();
    let user = transport::stream::user_name(std::os::unix::fs::MetadataExt::uid(&own));
    let who = async |who: String| {
        let request = v1::ListActionsRequest {
            who,
            ..Default::default()
        };
        let mut client = doors.client();
        let list = client.list_actions(request).await.unwrap().into_inner();
        let words = |it: &v1::Action| it.what.clone();
        list.actions.iter().map(words).collect::<Vec<_>>()
    };
    assert_eq!(who(format!("local:{user}")).await, ["put customer"]);
    assert_eq!(who("operator".to_owned()).await, ["put customer"]);
    assert_eq!(who("hv7".to_owned()).await, ["register hypervisor"]);
    assert!(who("monitor".to_owned()).await.is_empty());
    doors.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_refused_by_name() {
    let doors = Doors::open(0, &[]).await;
    let socket = doors.socket();
    let wrong = async |verb: &str, path: &str, body: Value| {
        let (status, error) = rest(&socket, verb, path, &body).await;
        assert_eq!(status, 400, "{error}");
        error["field"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(
        wrong("PUT", "/v1/customers/a", json!({ "color": 1 })).await,
        "color"
    );
    assert_eq!(
        wrong("PUT", "/v1/customers/a", json!({ "name": "b" })).await,
        "name"
    );
    assert_eq!(wrong("POST", "/v1/disable", json!({})).await, "scope");
    let ports = json!({ "direction": "inbound", "ports": [{ "first": 9, "last": 9 }] });
    let add = json!({ "scope": { "all": true }, "rule": ports });
    assert_eq!(wrong("POST", "/v1/rules", add).await, "ports");
    let add = json!({ "scope": { "all": true }, "rule": { "direction": "inbound", "color": 1 } });
    assert_eq!(wrong("POST", "/v1/rules", add).await, "color");
    let card = json!({ "customer": "acme", "params": { "vnics": [{ "color": 1 }] } });
    assert_eq!(wrong("PUT", "/v1/machines/1", card).await, "vnics[0].color");
    let policy = json!({ "options": { "policy": { "parallel": 0 } } });
    assert_eq!(
        wrong("PUT", "/v1/customers/a", policy).await,
        "options.policy.parallel"
    );
    assert_eq!(
        wrong("GET", "/v1/machines?size=1", Value::Null).await,
        "size"
    );
    assert_eq!(
        wrong("GET", "/v1/machines?page_token=x", Value::Null).await,
        "page_token"
    );
    assert_eq!(
        wrong("GET", "/v1/machines/0", Value::Null).await,
        "machine_id"
    );
    let (status, _) = rest(&socket, "GET", "/v2/machines", &Value::Null).await;
    assert_eq!(status, 404);
    let body = vec![b' '; rpc::LONGEST_REQUEST + 1];
    let (status, _) = http(&socket, "POST /v1/rules HTTP/1.1", &body).await;
    assert_eq!(status, 413);
    let mut client = doors.client();
    let huge = v1::PutCustomerRequest {
        name: "x".repeat(rpc::LONGEST_REQUEST),
        ..Default::default()
    };
    let status = client.put_customer(huge).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    let long = v1::PutCustomerRequest {
        name: "x".into(),
        enabled: None,
        options: Some(v1::Options {
            idempotency_key: "k".repeat(129),
            ..Default::default()
        }),
    };
    let status = client.put_customer(long).await.unwrap_err();
    assert_eq!(field(&status), Some("options.idempotency_key"));
    let status = client
        .watch_action(v1::WatchActionRequest { number: 999 })
        .await;
    assert_eq!(status.unwrap_err().code(), Code::NotFound);
    // Nothing of all that is in the log.
    let list = client.list_actions(v1::ListActionsRequest::default()).await;
    assert_eq!(list.unwrap().into_inner().actions.len(), 1);
    doors.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_pages_and_filters() {
    let doors = Doors::open(3, &[]).await;
    let mut client = doors.client();
    for customer in ["zeta", "beta"] {
        let put = v1::PutCustomerRequest {
            name: customer.into(),
            ..Default::default()
        };
        client.put_customer(put).await.unwrap();
    }
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListCustomersRequest {
            page_size: 2,
            page_token: token,
        };
        let page = client.list_customers(request).await.unwrap().into_inner();
        names.extend(page.customers.into_iter().map(|it| (it.name, it.machines)));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let expected = [("acme", 3), ("beta", 0), ("zeta", 0)];
    assert_eq!(
        names,
        expected.map(|(name, count)| (name.to_owned(), count))
    );
    let machines = async |request: v1::ListMachinesRequest| {
        let list = doors.client().list_machines(request).await.unwrap();
        let list = list.into_inner().machines;
        list.iter().map(|it| it.machine_id).collect::<Vec<_>>()
    };
    let of = |customer: &str, hypervisor: &str| v1::ListMachinesRequest {
        customer: customer.into(),
        hypervisor: hypervisor.into(),
        ..Default::default()
    };
    assert_eq!(machines(of("", "")).await, [1, 2, 3]);
    assert_eq!(machines(of("acme", "hv1")).await, [2]);
    assert!(machines(of("beta", "")).await.is_empty());
    // The log has the newest first, and only what it was asked for.
    let request = v1::ListActionsRequest {
        page_size: 2,
        ..Default::default()
    };
    let page = client
        .list_actions(request.clone())
        .await
        .unwrap()
        .into_inner();
    let what: Vec<&str> = page.actions.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(what, ["put customer", "put customer"]);
    assert!(page.actions[0].number > page.actions[1].number);
    let next = v1::ListActionsRequest {
        page_token: page.next_page_token,
        ..request
    };
    let next = client.list_actions(next).await.unwrap().into_inner();
    assert!(next.actions[0].number < page.actions[1].number);
    let of_host = v1::ListActionsRequest {
        hypervisor: "hv2".into(),
        ..Default::default()
    };
    let of_host = client.list_actions(of_host).await.unwrap().into_inner();
    assert_eq!(of_host.actions.len(), 1);
    let later = v1::ListActionsRequest {
        since: Some(pbjson_types::Timestamp {
            seconds: 9_000_000_000,
            nanos: 0,
        }),
        ..Default::default()
    };
    assert!(
        client
            .list_actions(later)
            .await
            .unwrap()
            .into_inner()
            .actions
            .is_empty()
    );
    let status = client
        .get_status(v1::GetStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (status.leads, status.hypervisors, status.connected),
        (true, 3, 3)
    );
    assert_eq!((status.machines, status.leader.as_str()), (3, "here"));
    doors.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_end_at_their_deadlines_and_health_is_told() {
    let mut doors = Doors::open(1, &[]).await;
    let late = "PUT /v1/customers/late HTTP/1.1\r\ngrpc-timeout: 0n";
    let (status, _) = http(&doors.socket(), late, b"{}").await;
    assert_eq!(status, 504);
    // An action that goes on for longer than the reader waits.
    doors.region.host_away(0).await;
    let answer = doors.region.ask(open("acme", 80)).await;
    let path = format!("/v1/actions/{}/progress", answer.action.unwrap());
    let watch = format!("GET {path} HTTP/1.1\r\ngrpc-timeout: 50m");
    let (status, body) = http(&doors.socket(), &watch, b"").await;
    let body = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(status, 200);
    assert!(body.contains("DEADLINE_EXCEEDED"), "{body}");
    let request = HealthCheckRequest {
        service: "heddle.region.v1.Region".to_owned(),
    };
    let mut health = HealthClient::new(doors.channel());
    let answer = health.check(request).await.unwrap().into_inner();
    assert_eq!(answer.status(), ServingStatus::Serving);
    doors.stop().await;
}

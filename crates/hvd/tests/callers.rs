//! Who may call, how long a call may take, how long a request may be, and that REST is gRPC.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

mod support;
#[path = "../../openflow/tests/switch/mod.rs"]
mod switch;

use std::process::Stdio;

use hvd::client::Target;
use prost::Message;
use rpc::hv::v1;
use serde_json::{Value, json};
use support::http::{http, rest};
use support::pki::Pki;
use support::{Client, Daemon, PATIENCE, add, params};
use switch::Switch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use transport::{Remote, TlsArgs};

async fn call(port: u16, tls: &TlsArgs, name: Option<&str>) -> Result<Client, String> {
    let remote = Remote::Ssl("127.0.0.1".to_owned(), port);
    let target = Target::new(remote, name.map(str::to_owned), tls).unwrap();
    let channel = target
        .connect()
        .await
        .map_err(|error| format!("{error:#}"))?;
    Ok(Client::new(channel))
}

/// The status of a call that looks, and of one that changes something; or why there is no connection.
async fn may(port: u16, tls: &TlsArgs) -> Result<(Code, Code), String> {
    let mut client = call(port, tls, Some("hvd")).await?;
    let code = |result: Result<(), tonic::Status>| match result {
        Ok(()) => Ok(Code::Ok),
        // The end of the handshake and the refusal cross on their way.
        Err(status) if !matches!(status.code(), Code::PermissionDenied) => Err(status.to_string()),
        Err(status) => Ok(status.code()),
    };
    let look = code(client.list(v1::ListRequest::default()).await.map(drop))?;
    let remove = v1::RemoveRequest {
        machine_id: 9,
        allow_missing: true,
        ..Default::default()
    };
    Ok((look, code(client.remove(remove).await.map(drop))?))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_named_certificates_come_in() {
    let (switch, folder, pki) = (Switch::start(), tempfile::tempdir().unwrap(), Pki::new());
    for name in ["hvd", "region", "monitor", "stranger"] {
        pki.issue(name, |_| {});
    }
    pki.issue("old", |it| it.not_after = rcgen::date_time_ymd(2020, 1, 1));
    pki.issue("by-address", |it| {
        let name = "region".to_owned().try_into().unwrap();
        it.subject_alt_names.push(rcgen::SanType::DnsName(name));
    });
    let other = Pki::new();
    other.issue("region", |_| {});
    let mut flags = pki.flags("hvd");
    flags.push("--listen=pssl:0:127.0.0.1".to_owned());
    flags.extend([
        "--allow-client=region".to_owned(),
        "--allow-reader=monitor".to_owned(),
    ]);
    flags.push("--allow-client=old".to_owned());
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let daemon = Daemon::ready(folder.path(), switch.management(), &flags).await;
    let port = daemon.ports[0];
    assert_eq!(
        may(port, &pki.args("region")).await,
        Ok((Code::Ok, Code::Ok))
    );
    assert_eq!(
        may(port, &pki.args("by-address")).await,
        Ok((Code::Ok, Code::Ok))
    );
    assert_eq!(
        may(port, &pki.args("monitor")).await,
        Ok((Code::Ok, Code::PermissionDenied))
    );
    let denied = Ok((Code::PermissionDenied, Code::PermissionDenied));
    assert_eq!(may(port, &pki.args("stranger")).await, denied);
    may(port, &pki.args("old")).await.unwrap_err();
    // The authority of the daemon has not issued it.
    let foreign = TlsArgs {
        ca_cert: Some(pki.file("ca.pem")),
        ..other.args("region")
    };
    may(port, &foreign).await.unwrap_err();
    // The client looks at the daemon's name as well.
    let error = call(port, &pki.args("region"), None).await.unwrap_err();
    assert!(
        error.contains("is for [\"hvd\"], not for \"127.0.0.1\""),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_there_is_no_connection() {
    let (switch, folder, pki) = (Switch::start(), tempfile::tempdir().unwrap(), Pki::new());
    pki.issue("hvd", |_| {});
    let mut flags = pki.flags("hvd");
    flags.extend([
        "--listen=pssl:0:127.0.0.1".to_owned(),
        "--allow-client=*".to_owned(),
    ]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let daemon = Daemon::ready(folder.path(), switch.management(), &flags).await;
    let request = b"GET /v1/machines HTTP/1.1\r\nhost: x\r\n\r\n";
    // No TLS at all.
    let mut plain = TcpStream::connect(("127.0.0.1", daemon.ports[0]))
        .await
        .unwrap();
    plain.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // Whether the connection is ended or reset is the system's affair.
    let read = plain.read_to_end(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, read).await.unwrap();
    assert!(
        !answer.windows(4).any(|window| window == b"HTTP"),
        "{answer:?}"
    );
    // Another program's TLS, without a certificate.
    let mut openssl = tokio::process::Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-connect",
            &format!("127.0.0.1:{}", daemon.ports[0]),
        ])
        .arg("-CAfile")
        .arg(pki.file("ca.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = openssl.stdin.take().unwrap();
    // It may have been turned away already.
    let _ = input.write_all(request).await;
    let output = tokio::time::timeout(PATIENCE, openssl.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    drop(input);
    assert!(output.stdout.is_empty());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("alert certificate required"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_without_a_restart() {
    let (switch, folder, pki) = (Switch::start(), tempfile::tempdir().unwrap(), Pki::new());
    pki.issue("hvd", |_| {});
    pki.issue("region", |_| {});
    let mut flags = pki.flags("hvd");
    flags.extend([
        "--listen=pssl:0:127.0.0.1".to_owned(),
        "--allow-client=region".to_owned(),
    ]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let daemon = Daemon::ready(folder.path(), switch.management(), &flags).await;
    let port = daemon.ports[0];
    assert_eq!(
        may(port, &pki.args("region")).await,
        Ok((Code::Ok, Code::Ok))
    );
    // The same files with the certificate of another name.
    pki.issue("hvd", |it| {
        it.distinguished_name
            .push(rcgen::DnType::CommonName, "renewed");
    });
    let error = call(port, &pki.args("region"), Some("hvd"))
        .await
        .unwrap_err();
    assert!(error.contains("[\"renewed\"]"), "{error}");
    call(port, &pki.args("region"), Some("renewed"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_is_grpc() {
    let (switch, folder) = (Switch::start(), tempfile::tempdir().unwrap());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let socket = daemon.folder.join("hvd.sock");
    let mut client = daemon.client().await;
    let one = json!({
        "droplet_id": 1,
        "vnics": [{
            "mac": "de:ad:be:ef:de:ad", "enabled": 1, "name": "p2", "interface_type": "public",
            "addresses": { "ipv4": [{ "ip_address": "10.0.0.10", "masklen": 20, "gateway": "10.0.0.1" }] }
        }]
    });
    let (status, dry) = rest(
        &socket,
        "POST",
        "/v1/dry-run",
        &json!({ "add": { "params": one } }),
    )
    .await;
    assert_eq!(status, 200, "{dry}");
    let (status, change) = rest(&socket, "POST", "/v1/machines?idempotency_key=k", &one).await;
    assert_eq!(status, 200, "{change}");
    assert_eq!(change["flows_added"], dry["flows_added"]);
    // The same request over gRPC is the same request: the key says so.
    let request = v1::AddRequest {
        params: Some(serde_json::from_value(one.clone()).unwrap()),
        idempotency_key: "k".to_owned(),
        ..v1::AddRequest::default()
    };
    let again = client.add(request).await.unwrap().into_inner();
    assert!(again.replayed);
    assert_eq!(json!(again.sequence.to_string()), change["sequence"]);
    let (_, machine) = rest(&socket, "GET", "/v1/machines/1", &Value::Null).await;
    assert_eq!(machine["params"], one);
    let over_grpc = client
        .get(v1::GetRequest { machine_id: 1 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(serde_json::to_value(&over_grpc).unwrap(), machine);
    let (_, list) = rest(&socket, "GET", "/v1/machines?page_size=5", &Value::Null).await;
    assert_eq!(list["machines"], json!([machine]));
    let (status, disabled) = rest(&socket, "POST", "/v1/machines/1/disable", &json!({})).await;
    assert_eq!(
        (status, &disabled["flows_deleted"]),
        (200, &change["flows_added"])
    );
    let (status, replaced) = rest(&socket, "PUT", "/v1/machines/1", &one).await;
    assert_eq!(
        (status, &replaced["flows_added"]),
        (200, &change["flows_added"])
    );
    let (status, _) = rest(&socket, "POST", "/v1/disable-all", &json!({})).await;
    assert_eq!(status, 200);
    let (status, _) = rest(&socket, "DELETE", "/v1/machines/1", &Value::Null).await;
    assert_eq!(status, 200);
    // Every refusal has the same words and the same code in both forms.
    let (status, error) = rest(&socket, "GET", "/v1/machines/1", &Value::Null).await;
    let over_grpc = client
        .get(v1::GetRequest { machine_id: 1 })
        .await
        .unwrap_err();
    assert_eq!(
        (status, error["code"].as_i64()),
        (404, Some(over_grpc.code() as i64))
    );
    assert_eq!(error["message"], over_grpc.message());
    assert_eq!(
        (&error["status"], &error["field"]),
        (&json!("NOT_FOUND"), &json!("machine_id"))
    );
    let (status, document) = rest(&socket, "GET", "/v1/openapi.json", &Value::Null).await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_refused_by_name_over_rest() {
    let (switch, folder) = (Switch::start(), tempfile::tempdir().unwrap());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let socket = daemon.folder.join("hvd.sock");
    let field = async |verb: &str, path: &str, body: Value| {
        let (status, error) = rest(&socket, verb, path, &body).await;
        assert_eq!(status, 400, "{error}");
        error["field"].as_str().unwrap_or_default().to_owned()
    };
    let vnic = json!({ "droplet_id": 1, "vnics": [{ "color": 1 }] });
    assert_eq!(field("POST", "/v1/machines", vnic).await, "vnics[0].color");
    assert_eq!(
        field("POST", "/v1/dry-run", json!({ "subtract": {} })).await,
        "subtract"
    );
    assert_eq!(
        field("GET", "/v1/machines?size=1", Value::Null).await,
        "size"
    );
    assert_eq!(
        field("GET", "/v1/machines/x", Value::Null).await,
        "machine_id"
    );
    let one = json!({ "droplet_id": 1, "vnics": [] });
    assert_eq!(
        field("PUT", "/v1/machines/2", one).await,
        "params.droplet_id"
    );
    let (status, _) = rest(&socket, "GET", "/v2/machines", &Value::Null).await;
    assert_eq!(status, 404);
    let (status, body) = http(&socket, "POST /v1/machines HTTP/1.1", b"{").await;
    assert_eq!(status, 400);
    assert!(String::from_utf8_lossy(&body).contains("is not JSON"));
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_messages_are_refused() {
    let (switch, folder) = (Switch::start(), tempfile::tempdir().unwrap());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let mut client = daemon.client().await;
    let mut huge = params(1, "p2", "192.0.2.2");
    let member = "192.0.2.0/24".to_owned();
    let group = v1::AddressGroup {
        members: vec![member; 100_000],
    };
    huge.address_groups.insert("huge".to_owned(), group);
    assert!(huge.encoded_len() > rpc::LONGEST_REQUEST);
    let status = client.add(add(huge)).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    let head = "POST /v1/machines HTTP/1.1";
    let body = vec![b' '; rpc::LONGEST_REQUEST + 1];
    let (status, _) = http(&daemon.folder.join("hvd.sock"), head, &body).await;
    assert_eq!(status, 413);
    // The daemon goes on.
    client.list(v1::ListRequest::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_has_its_answer_within_its_deadline() {
    let (switch, folder) = (Switch::start(), tempfile::tempdir().unwrap());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let socket = daemon.folder.join("hvd.sock");
    let late = "POST /v1/machines HTTP/1.1\r\ngrpc-timeout: 0n";
    let one = json!({ "droplet_id": 1, "vnics": [] }).to_string();
    let (status, body) = http(&socket, late, one.as_bytes()).await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, &body["status"]),
        (504, &json!("DEADLINE_EXCEEDED"))
    );
    let bad = "GET /v1/machines HTTP/1.1\r\ngrpc-timeout: soon";
    assert_eq!(http(&socket, bad, b"").await.0, 400);
    // A stream ends at its deadline, with a line that says so.
    let watch = "GET /v1/outcomes HTTP/1.1\r\ngrpc-timeout: 50m";
    let (status, body) = http(&socket, watch, b"").await;
    let body = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(status, 200);
    assert!(body.contains("DEADLINE_EXCEEDED"), "{body}");
    // The first one was refused before anything was done.
    let mut client = daemon.client().await;
    let list = client
        .list(v1::ListRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(list.machines.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_answer_clients() {
    let (mut switch, folder) = (Switch::start(), tempfile::tempdir().unwrap());
    let daemon = Daemon::ready(folder.path(), switch.management(), &[]).await;
    let mut health = HealthClient::new(daemon.channel());
    let service = || HealthCheckRequest {
        service: "heddle.hv.v1.HypervisorNetwork".to_owned(),
    };
    let mut watch = health.watch(service()).await.unwrap().into_inner();
    let mut next = async || {
        let next = tokio::time::timeout(PATIENCE, watch.message())
            .await
            .unwrap();
        next.unwrap().unwrap().status()
    };
    while next().await != ServingStatus::Serving {}
    switch.kill();
    while next().await != ServingStatus::NotServing {}
    let whole = health
        .check(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(whole.status(), ServingStatus::NotServing);
    let mut reflection = ServerReflectionClient::new(daemon.channel());
    let ask = |message| {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message),
        };
        tokio_stream::once(request)
    };
    let list = ask(MessageRequest::ListServices(String::new()));
    let mut answers = reflection
        .server_reflection_info(list)
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}")
    };
    let names: Vec<String> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    assert!(
        names.contains(&"heddle.hv.v1.HypervisorNetwork".to_owned()),
        "{names:?}"
    );
    let symbol = "heddle.hv.v1.HypervisorNetwork.DryRun".to_owned();
    let file = ask(MessageRequest::FileContainingSymbol(symbol));
    let mut answers = reflection
        .server_reflection_info(file)
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    assert!(
        matches!(answer, MessageResponse::FileDescriptorResponse(_)),
        "{answer:?}"
    );
}

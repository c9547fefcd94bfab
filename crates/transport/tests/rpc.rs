//! Requests by hand, against a server that says more than it was asked.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, also where it is not marked so"
)]

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use transport::Remote;
use transport::ovsdb::rpc::{Rpc, RpcError};

/// Takes one connection and runs what the test gives.
async fn pair() -> (Rpc, UnixStream, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let nowhere = Remote::Unix(dir.path().join("nowhere"));
    let remotes = [nowhere, Remote::Unix(path)];
    let (rpc, accepted) = tokio::join!(Rpc::connect(&remotes), listener.accept());
    (rpc.unwrap(), accepted.unwrap().0, dir)
}

async fn message(stream: &mut UnixStream) -> Value {
    let mut bytes = Vec::new();
    loop {
        if let Ok(value) = serde_json::from_slice(&bytes) {
            return value;
        }
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn echoes_and_notifications_come_between() {
    let (mut rpc, mut server, _dir) = pair().await;
    let params = json!(["x"]);
    let serve = async {
        let request = message(&mut server).await;
        assert_eq!(request["method"], "lock");
        let id = &request["id"];
        let text = format!(
            r#"{{"id":"e","method":"echo","params":[7]}}{{"id":null,"method":"locked","params":["x"]}}{{"id":99,"result":1,"error":null}}{{"id":{id},"result":{{"locked":false}},"error":null}}"#
        );
        // In pieces, as a network delivers it.
        for piece in text.as_bytes().chunks(7) {
            server.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        let reply = message(&mut server).await;
        assert_eq!(reply, json!({"id": "e", "result": [7], "error": null}));
    };
    let (answer, ()) = tokio::join!(rpc.call("lock", &params), serve);
    assert_eq!(answer.unwrap(), json!({"locked": false}));
    let notification = rpc.notification().await.unwrap();
    assert_eq!(
        (notification.method.as_str(), notification.params),
        ("locked", json!(["x"]))
    );
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    for (answer, expected) in [
        (
            r#"{"id":1,"result":null,"error":{"error":"unknown database","details":"no X"}}"#,
            "list_dbs: unknown database: no X",
        ),
        (
            r#"{"id":1,"result":null,"error":"unknown method"}"#,
            "list_dbs: unknown method",
        ),
        ("[1]", "not OVSDB"),
        (r#"{"id":1,}"#, "not OVSDB"),
        (r#"{"id":1,"result":{},"error":null}"#, "not OVSDB"),
        ("", "the server closed it"),
    ] {
        let (mut rpc, mut server, _dir) = pair().await;
        let serve = async {
            message(&mut server).await;
            server.write_all(answer.as_bytes()).await.unwrap();
            drop(server);
        };
        let (result, ()) = tokio::join!(rpc.databases(), serve);
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{answer}: {error}");
    }
    let nowhere = Remote::Unix("/nonexistent/socket".into());
    let error = Rpc::connect(&[nowhere]).await.unwrap_err();
    assert!(matches!(error, RpcError::Connect { .. }));
    assert!(
        error
            .to_string()
            .contains("/nonexistent/socket: cannot connect: No such file")
    );
}

//! Requests to an OVSDB server by hand, for tools that work with any schema and do one thing.
//!
//! Nothing is kept between requests and nothing is tried again. It must not know what is in a database.
//! Invariant: replies are told from notifications, and the server's own questions are answered, whatever
//! their order.

use std::collections::VecDeque;
use std::io;

use ::ovsdb::server::{FrameError, Framer};
use ::ovsdb::{DatabaseSchema, Error};
use bytes::BytesMut;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stream::error_text;
use crate::{Connection, Remote, Tls};

/// The longest message that is taken, in bytes.
const LONGEST: usize = 1 << 30;
/// How deep a message may be nested.
const DEEPEST: u32 = 100;

/// What the server says unasked.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// For example `update`.
    pub method: String,
    /// Its parameters.
    pub params: Value,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// None of the addresses could be connected to; this is the last one.
    #[error("{remote}: cannot connect: {}; is the server running, and is the address right?", error_text(.error))]
    Connect {
        /// The address.
        remote: Remote,
        /// Why not.
        error: io::Error,
    },
    /// The connection failed or ended.
    #[error("{0}: the connection ended: {1}")]
    Ended(String, String),
    /// What the server sent is not the protocol.
    #[error("{0}: the server sent what is not OVSDB: {1}")]
    Garbage(String, String),
    /// The server refused the request.
    #[error("{peer}: {method}: {}", refusal(.error))]
    Refused {
        /// The server.
        peer: String,
        /// What was asked.
        method: String,
        /// What it said.
        error: Value,
    },
    /// The server's schema cannot be read.
    #[error("{0}: the schema of {1} cannot be read: {2}")]
    Schema(String, String, Error),
}

/// A connection to a server.
#[derive(Debug)]
pub struct Rpc {
    connection: Connection,
    framer: Framer,
    next: u64,
    notifications: VecDeque<Notification>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(default)]
    id: Value,
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Value,
}

enum Received {
    Reply(u64, Result<String, Value>),
    Notification(Notification),
    Nothing,
}

impl Rpc {
    /// Connects to the first of `remotes` that answers.
    ///
    /// # Errors
    /// Why the last one did not.
    ///
    /// # Panics
    /// When there are no remotes.
    pub async fn connect(remotes: &[Remote]) -> Result<Self, RpcError> {
        Self::connect_with(remotes, &Tls::default()).await
    }

    /// The same with certificates, for addresses with `ssl:`.
    ///
    /// # Errors
    /// Why the last one did not.
    ///
    /// # Panics
    /// When there are no remotes.
    pub async fn connect_with(remotes: &[Remote], tls: &Tls) -> Result<Self, RpcError> {
        let mut last = None;
        for remote in remotes {
            match Connection::connect(remote, tls).await {
                Ok(connection) => {
                    return Ok(Self {
                        connection,
                        framer: Framer::new(LONGEST, DEEPEST),
                        next: 0,
                        notifications: VecDeque::new(),
                    });
                }
                Err(error) => {
                    last = Some(RpcError::Connect {
                        remote: remote.clone(),
                        error,
                    });
                }
            }
        }
        Err(last.expect("there is at least one address"))
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the server refuses or the connection ends.
    pub async fn call(&mut self, method: &str, params: &Value) -> Result<Value, RpcError> {
        let text = self.call_text(method, params).await?;
        serde_json::from_str(&text).map_err(|error| self.garbage(&error))
    }

    /// The names of the databases.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn databases(&mut self) -> Result<Vec<String>, RpcError> {
        let names = self.call("list_dbs", &json!([])).await?;
        serde_json::from_value(names).map_err(|error| self.garbage(&error))
    }

    /// The schema of a database, with tables and columns in the server's order.
    ///
    /// # Errors
    /// As [`Rpc::call`], or when the schema is not one.
    pub async fn schema(&mut self, database: &str) -> Result<DatabaseSchema, RpcError> {
        let text = self.call_text("get_schema", &json!([database])).await?;
        DatabaseSchema::from_json_text(&text).map_err(|error| {
            RpcError::Schema(self.connection.peer.clone(), database.to_owned(), error)
        })
    }

    /// The next thing that the server says unasked.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn notification(&mut self) -> Result<Notification, RpcError> {
        loop {
            if let Some(notification) = self.notifications.pop_front() {
                return Ok(notification);
            }
            if let Received::Notification(notification) = self.receive().await? {
                return Ok(notification);
            }
        }
    }

    async fn call_text(&mut self, method: &str, params: &Value) -> Result<String, RpcError> {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"id": id, "method": method, "params": params}))
            .await?;
        loop {
            match self.receive().await? {
                Received::Reply(of, Ok(text)) if of == id => return Ok(text),
                Received::Reply(of, Err(error)) if of == id => {
                    return Err(RpcError::Refused {
                        peer: self.connection.peer.clone(),
                        method: method.to_owned(),
                        error,
                    });
                }
                Received::Notification(notification) => self.notifications.push_back(notification),
                Received::Reply(..) | Received::Nothing => {}
            }
        }
    }

    /// Takes one message.
    async fn receive(&mut self) -> Result<Received, RpcError> {
        let bytes = loop {
            let message = self.framer.next_message();
            match message.map_err(|error: FrameError| self.garbage(&error))? {
                Some(message) => break message,
                None => self.read().await?,
            }
        };
        let message: Message<'_> =
            serde_json::from_slice(&bytes).map_err(|error| self.garbage(&error))?;
        match message.method.as_deref() {
            Some("echo") => {
                let reply = json!({"id": message.id, "result": message.params, "error": null});
                self.send(&reply).await?;
                Ok(Received::Nothing)
            }
            Some(method) => Ok(Received::Notification(Notification {
                method: method.to_owned(),
                params: message.params,
            })),
            None => {
                let result = if message.error.is_null() {
                    Ok(message.result.map_or("null", RawValue::get).to_owned())
                } else {
                    Err(message.error)
                };
                // A reply to something else than a number answers nothing that was asked.
                Ok(message
                    .id
                    .as_u64()
                    .map_or(Received::Nothing, |id| Received::Reply(id, result)))
            }
        }
    }

    async fn read(&mut self) -> Result<(), RpcError> {
        let mut buffer = BytesMut::with_capacity(64 << 10);
        let read = self.connection.reader.read_buf(&mut buffer).await;
        match read {
            Ok(0) => Err(self.ended("the server closed it")),
            Ok(_) => {
                self.framer.push(&buffer);
                Ok(())
            }
            Err(error) => Err(self.ended(&error_text(&error))),
        }
    }

    async fn send(&mut self, message: &Value) -> Result<(), RpcError> {
        let text = message.to_string();
        let writer = &mut self.connection.writer;
        let sent = async {
            writer.write_all(text.as_bytes()).await?;
            writer.flush().await
        };
        sent.await.map_err(|error| self.ended(&error_text(&error)))
    }

    fn ended(&self, why: &str) -> RpcError {
        RpcError::Ended(self.connection.peer.clone(), why.to_owned())
    }

    fn garbage(&self, why: &dyn std::fmt::Display) -> RpcError {
        RpcError::Garbage(self.connection.peer.clone(), why.to_string())
    }
}

/// The words of an error object.
fn refusal(error: &Value) -> String {
    match (error["error"].as_str(), error["details"].as_str()) {
        (Some(kind), Some(details)) => format!("{kind}: {details}"),
        (Some(kind), None) => kind.to_owned(),
        _ => error
            .as_str()
            .map_or_else(|| error.to_string(), str::to_owned),
    }
}

//! The methods of the protocol: RFC 7047 section 4.1 and `ovsdb-server(7)`.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::monitor::Version;
use super::outbox::Gate;
use super::{CloseReason, DatabaseId, Environment, Server, SessionId};
use crate::{Error, ErrorKind, json};

/// A JSON-RPC 1.0 message: a request, a notification or a reply.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(default)]
    id: Value,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// What a method answers.
enum Answer {
    /// The text of the result, and what must be durable before it is sent.
    Result(Vec<u8>, Gate),
    /// The answer comes later, or never.
    Later,
}

impl Answer {
    fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        let text = serde_json::to_vec(value);
        Self::Result(text.expect("results are JSON with text as keys"), None)
    }

    fn empty() -> Self {
        Self::Result(b"{}".to_vec(), None)
    }
}

impl Server {
    /// Takes one message of a client.
    pub(super) fn handle_message(
        &mut self,
        session: SessionId,
        bytes: &[u8],
        environment: &mut Environment<'_>,
    ) -> Result<(), CloseReason> {
        let bad = |error: serde_json::Error| CloseReason::Message(error.to_string());
        let message: Message<'_> = serde_json::from_slice(bytes).map_err(bad)?;
        // A reply needs nothing done: the server only ever asks for a sign of life.
        let Some(method) = message.method else {
            return Ok(());
        };
        let params = message.params.map_or("[]", RawValue::get);
        let id = message.id;
        if id.is_null() {
            if let ("cancel", [id]) = (
                &*method,
                &serde_json::from_str::<Vec<Value>>(params).map_err(bad)?[..],
            ) {
                self.cancel(session, id);
            }
            return Ok(());
        }
        if method == "echo" {
            self.send_result(session, &id, params.as_bytes(), None);
            return Ok(());
        }
        let params: Vec<Value> = serde_json::from_str(params).map_err(bad)?;
        match self.method(session, &method, &id, params, environment) {
            Ok(Some(Answer::Result(text, gate))) => self.send_result(session, &id, &text, gate),
            Ok(Some(Answer::Later)) => {}
            Ok(None) => self.send_error(session, &id, "unknown method"),
            Err(error) => self.reply_error(session, &id, &error),
        }
        Ok(())
    }

    /// Carries out a request; `None` when there is no such method.
    fn method(
        &mut self,
        session: SessionId,
        method: &str,
        id: &Value,
        mut params: Vec<Value>,
        environment: &mut Environment<'_>,
    ) -> Result<Option<Answer>, Error> {
        let answer = match method {
            "list_dbs" => Answer::json(&self.names()),
            "get_schema" => {
                let database = self.named_database(method, &params)?;
                Answer::json(&**self.database(database).schema())
            }
            "transact" => {
                let database = self.named_database(method, &params)?;
                params.remove(0);
                self.transact_remote(session, id.clone(), database, params, environment);
                Answer::Later
            }
            "monitor" => self.monitor(session, method, Version::V1, &params)?,
            "monitor_cond" => self.monitor(session, method, Version::V2, &params)?,
            "monitor_cond_since" => self.monitor(session, method, Version::V3, &params)?,
            "monitor_cond_change" => {
                let database = self.change_monitor(session, &params)?;
                Answer::Result(b"{}".to_vec(), Some(self.staged(database)))
            }
            "monitor_cancel" => {
                self.end_monitor(session, &params)?;
                Answer::empty()
            }
            "lock" | "steal" => self.acquire(session, method, &params)?,
            "unlock" => {
                let lock = lock_name(method, &params)?;
                if !self.locks.wants(lock, session) {
                    let text = "unlock: \"unlock\" without \"lock\" or \"steal\"";
                    return Err(Error::syntax(text));
                }
                self.unlock(session, lock);
                Answer::empty()
            }
            "set_db_change_aware" => match &params[..] {
                [Value::Bool(_)] => Answer::empty(),
                _ => {
                    return Err(Error::syntax(format!(
                        "{method}: true or false parameter expected"
                    )));
                }
            },
            "get_server_id" => Answer::json(&self.id.to_string()),
            "convert" => {
                self.named_database(method, &params)?;
                return Err(Error::new(
                    ErrorKind::NotSupported,
                    "not supported: convert",
                ));
            }
            _ => return Ok(None),
        };
        Ok(Some(answer))
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_name.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    fn named_database(&self, method: &str, params: &[Value]) -> Result<DatabaseId, Error> {
        let name = params.first().and_then(Value::as_str).ok_or_else(|| {
            Error::syntax(format!("{method} request params must begin with <db-name>"))
        })?;
        self.database_id(name).ok_or_else(|| {
            let text = format!("{method} request specifies unknown database {name}");
            Error::new(ErrorKind::UnknownDatabase, text)
        })
    }

    /// The gate of what shows the staged state of a database.
    fn staged(&self, database: DatabaseId) -> (DatabaseId, u64) {
        (database, self.database(database).revision())
    }

    fn monitor(
        &mut self,
        session: SessionId,
        method: &str,
        version: Version,
        params: &[Value],
    ) -> Result<Answer, Error> {
        let database = self.named_database(method, params)?;
        let text = self.begin_monitor(session, database, version, params)?;
        Ok(Answer::Result(text, Some(self.staged(database))))
    }

    fn acquire(
        &mut self,
        session: SessionId,
        method: &str,
        params: &[Value],
    ) -> Result<Answer, Error> {
        let lock = lock_name(method, params)?;
        if self.locks.wants(lock, session) {
            let text = format!("must issue \"unlock\" before new \"{method}\"");
            return Err(Error::syntax(text));
        }
        let locked = if method == "steal" {
            if let Some(notice) = self.locks.steal(lock, session) {
                self.notify(&notice);
            }
            true
        } else {
            self.locks.lock(lock, session)
        };
        Ok(Answer::json(&serde_json::json!({ "locked": locked })))
    }

    pub(super) fn reply_error(&mut self, session: SessionId, id: &Value, error: &Error) {
        // The reply to a cancelled transaction is the bare word (RFC 7047 section 4.1.4).
        if error.kind == ErrorKind::Canceled {
            self.send_error(session, id, error.kind.tag());
        } else {
            self.send_error(session, id, error);
        }
    }

    fn send_result(&mut self, session: SessionId, id: &Value, result: &[u8], gate: Gate) {
        self.send(session, with_result(id, result), gate);
    }

    fn send_error<T: Serialize + ?Sized>(&mut self, session: SessionId, id: &Value, error: &T) {
        let message = serde_json::json!({ "id": id, "result": null, "error": error });
        self.send(session, message.to_string().into(), None);
    }
}

/// The reply to a request, with its result.
pub(super) fn reply_text<T: Serialize>(id: &Value, result: &T) -> Bytes {
    let text = serde_json::to_vec(result).expect("results are JSON with text as keys");
    with_result(id, &text)
}

fn with_result(id: &Value, result: &[u8]) -> Bytes {
    let mut text = format!("{{\"id\":{id},\"result\":").into_bytes();
    text.extend_from_slice(result);
    text.extend_from_slice(b",\"error\":null}");
    text.into()
}

fn lock_name<'a>(method: &str, params: &'a [Value]) -> Result<&'a str, Error> {
    match params {
        [Value::String(name)] if json::is_id(name) => Ok(name),
        _ => Err(Error::syntax(format!(
            "{method} request params must be <id>"
        ))),
    }
}

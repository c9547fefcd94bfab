//! The methods of the protocol: RFC 7047 section 4.1 and `ovsdb-server(7)`.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::hosted::Deferred;
use super::monitor::Version;
use super::{CloseReason, DatabaseId, Environment, Server, SessionId};
use crate::{DatabaseSchema, Error, ErrorKind, json};

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
    /// The text of the result.
    Result(Vec<u8>),
    /// The same in pieces, of which others may have some too.
    Pieces(Vec<Bytes>),
    /// The answer comes later, or never.
    Later,
}

impl Answer {
    fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        let text = serde_json::to_vec(value);
        Self::Result(text.expect("results are JSON with text as keys"))
    }

    fn empty() -> Self {
        Self::Result(b"{}".to_vec())
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
            self.send_result(session, &id, params.as_bytes());
            return Ok(());
        }
        let params: Vec<Value> = serde_json::from_str(params).map_err(bad)?;
        if let Some(database) = self.must_wait(session, &method, &params) {
            let deferred = Deferred::Message {
                session,
                transacts: method == "transact",
                bytes: bytes.to_vec(),
            };
            self.defer(database, deferred);
            return Ok(());
        }
        match self.method(session, &method, &id, params, environment) {
            Ok(Some(Answer::Result(text))) => self.send_result(session, &id, &text),
            Ok(Some(Answer::Pieces(pieces))) => {
                let head = format!("{{\"id\":{id},\"result\":").into();
                let tail = Bytes::from_static(b",\"error\":null}");
                let pieces = std::iter::once(head).chain(pieces).chain([tail]);
                self.send_parts(session, pieces);
            }
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
                self.change_monitor(session, &params)?;
                Answer::empty()
            }
            "monitor_cancel" => {
                self.end_monitor(session, &params)?;
                Answer::empty()
            }
            "lock" | "steal" => self.acquire(session, method, id, &params)?,
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
                [Value::Bool(aware)] => {
                    if let Some(session) = self.sessions.get_mut(&session) {
                        session.change_aware = *aware;
                    }
                    Answer::empty()
                }
                _ => {
                    return Err(Error::syntax(format!(
                        "{method}: true or false parameter expected"
                    )));
                }
            },
            "get_server_id" => Answer::json(&self.id.to_string()),
            "convert" => {
                let database = self.named_database(method, &params)?;
                let schema = schema_of(method, &params)?;
                self.begin_conversion(session, id.clone(), database, &schema)?;
                Answer::Later
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
        let id = self.database_id(name).ok_or_else(|| {
            let text = format!("{method} request specifies unknown database {name}");
            Error::new(ErrorKind::UnknownDatabase, text)
        })?;
        self.check_available(id, method).map(|()| id)
    }

    fn monitor(
        &mut self,
        session: SessionId,
        method: &str,
        version: Version,
        params: &[Value],
    ) -> Result<Answer, Error> {
        let database = self.named_database(method, params)?;
        let pieces = self.begin_monitor(session, database, version, params)?;
        Ok(Answer::Pieces(pieces))
    }

    fn acquire(
        &mut self,
        session: SessionId,
        method: &str,
        id: &Value,
        params: &[Value],
    ) -> Result<Answer, Error> {
        let lock = lock_name(method, params)?;
        if self.locks.wants(lock, session) {
            let text = format!("must issue \"unlock\" before new \"{method}\"");
            return Err(Error::syntax(text));
        }
        let locked = if method == "steal" {
            let (stolen, notice) = self.locks.steal(lock, session, id);
            if let Some(notice) = notice {
                self.notify(&notice);
            }
            if !stolen {
                return Ok(Answer::Later);
            }
            true
        } else {
            self.locks.lock(lock, session)
        };
        Ok(Answer::json(&serde_json::json!({ "locked": locked })))
    }

    pub(super) fn reply_error(&mut self, session: SessionId, id: &Value, error: &Error) {
        // These are the bare word, as OVS has them (RFC 7047 sections 4.1.4 and 4.1.7).
        if matches!(error.kind, ErrorKind::Canceled | ErrorKind::UnknownMonitor) {
            self.send_error(session, id, error.kind.tag());
        } else {
            self.send_error(session, id, error);
        }
    }

    fn send_result(&mut self, session: SessionId, id: &Value, result: &[u8]) {
        self.send(session, with_result(id, result));
    }

    fn send_error<T: Serialize + ?Sized>(&mut self, session: SessionId, id: &Value, error: &T) {
        let message = serde_json::json!({ "id": id, "result": null, "error": error });
        self.send(session, message.to_string().into());
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

/// The schema that a conversion asks for, which must be of the same name.
fn schema_of(method: &str, params: &[Value]) -> Result<Arc<DatabaseSchema>, Error> {
    let [Value::String(name), schema] = params else {
        let text = format!("{method} request params must be <db-name> and <database-schema>");
        return Err(Error::syntax(text));
    };
    let schema = DatabaseSchema::from_json_text(&schema.to_string())?;
    if schema.name != *name {
        let text = format!(
            "{method}: the schema is of database {}, not {name}",
            schema.name
        );
        return Err(Error::new(ErrorKind::Parameters, text));
    }
    Ok(Arc::new(schema))
}

fn lock_name<'a>(method: &str, params: &'a [Value]) -> Result<&'a str, Error> {
    match params {
        [Value::String(name)] if json::is_id(name) => Ok(name),
        _ => Err(Error::syntax(format!(
            "{method} request params must be <id>"
        ))),
    }
}

//! What comes from the server: replies, updates, and its own questions.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Method, Pending, Phase, Session};
use crate::client::decode::{self, Form};
use crate::client::layout::Layout;
use crate::client::message::{self, Message, MonitorName};
use crate::client::service::{SERVER, Service};
use crate::client::{Config, Event, Replica, SessionError};
use crate::{DatabaseSchema, Str, Uuid};

impl Session {
    pub(super) fn notification(
        &mut self,
        method: &str,
        message: &Message<'_>,
    ) -> Result<(), SessionError> {
        let params = || -> serde_json::Result<Vec<&RawValue>> {
            message
                .params
                .map_or_else(|| Ok(Vec::new()), |raw| serde_json::from_str(raw.get()))
        };
        match method {
            "echo" => self.output.push_back(message::echo_reply(message)?),
            "update" | "update2" => match params()?[..] {
                [id, updates]
                    if message::monitored(id).is_some_and(|of| of == SERVER)
                        && self.service.is_some() =>
                {
                    self.service_changed(updates)?;
                }
                [_, updates] if method == "update" => self.update(updates, Form::Rows, None)?,
                [_, updates] => self.update(updates, Form::Differences, None)?,
                _ => {}
            },
            "update3" => {
                if let [_, transaction, updates] = params()?[..] {
                    let transaction = message::uuid(transaction)?;
                    self.update(updates, Form::Differences, Some(transaction))?;
                }
            }
            "monitor_canceled" => {
                if let [id] = params()?[..]
                    && message::monitored(id).is_some_and(|of| of == self.config.schema.name)
                {
                    self.begin_again();
                }
            }
            "locked" | "stolen" => {
                let names: Vec<Str> = params()?
                    .iter()
                    .map(|name| serde_json::from_str(name.get()))
                    .collect::<Result<_, _>>()?;
                if names.first() == self.config.lock.as_ref() {
                    self.hold_lock(method == "locked");
                }
            }
            // Notifications of monitors or of versions that this session does not use.
            _ => {}
        }
        Ok(())
    }

    /// Takes what the server says of itself; it may have become one that will not do.
    fn service_changed(&mut self, updates: &RawValue) -> Result<(), SessionError> {
        if let Some(service) = &mut self.service {
            service.apply(updates)?;
        }
        self.judge()
    }

    /// Whether the server will do.
    fn judge(&mut self) -> Result<(), SessionError> {
        let Some(service) = &self.service else {
            return Ok(());
        };
        let judged = service.judge(self.config.leader_only, &mut self.seen);
        judged.map_err(|why| SessionError::Unsuitable {
            database: self.config.schema.name.clone(),
            why,
        })
    }

    /// Asks for everything anew after the server has cancelled the monitor.
    fn begin_again(&mut self) {
        // Answers to these would be about the monitor that is no more.
        self.pending.retain(|_, what| {
            !matches!(
                what,
                Pending::Service | Pending::Schema | Pending::Monitor(_) | Pending::Conditions
            )
        });
        self.forget_view();
        if self.service.take().is_some() {
            self.request(Pending::Other, "monitor_cancel", [MonitorName(SERVER)]);
        }
        self.begin();
    }

    fn update(
        &mut self,
        updates: &RawValue,
        form: Form,
        transaction: Option<Uuid>,
    ) -> Result<(), SessionError> {
        let Some(layout) = self.layout.as_ref().filter(|_| self.phase == Phase::Live) else {
            return Ok(());
        };
        let updates = decode::updates(updates.get(), form, layout)?;
        let changes = self.replica.apply(updates, layout);
        if changes.is_err() {
            self.last_transaction = Uuid::nil();
        }
        self.changed(changes?, transaction);
        self.last_transaction = transaction.unwrap_or_default();
        Ok(())
    }

    fn changed(&mut self, changes: Vec<crate::RowChange>, transaction: Option<Uuid>) {
        if changes.is_empty() {
            return;
        }
        self.events.push_back(if self.config.mirror {
            Event::Mirrored(transaction.filter(|id| !id.is_nil()), changes)
        } else {
            Event::Changes(changes)
        });
    }

    pub(super) fn hold_lock(&mut self, held: bool) {
        if self.lock_held != held {
            self.lock_held = held;
            self.events.push_back(Event::Lock(held));
        }
    }

    pub(super) fn reply(&mut self, message: &Message<'_>) -> Result<(), SessionError> {
        let Some(id) = message::request_id(message) else {
            return Ok(());
        };
        let Some(pending) = self.pending.remove(&id) else {
            return Ok(());
        };
        let refused = |method: &'static str| SessionError::Refused {
            method,
            error: message
                .error
                .map_or_else(|| "null".to_owned(), |raw| raw.get().to_owned()),
        };
        match (pending, message.result) {
            (Pending::Transact, _) => {
                let reply = message::transact_reply(message)?;
                self.events.push_back(Event::Reply(id, reply));
            }
            (Pending::Forward, _) => {
                let answer = message::answer(message);
                self.events.push_back(Event::Forwarded(id, Ok(answer)));
            }
            (Pending::Other, _) => {}
            (Pending::Service, Some(result)) => {
                let mut service = Service::default();
                service.apply(result)?;
                self.service = Some(service);
                self.judge()?;
                self.ask_for_schema();
            }
            // One without `_Server`: of version 2.8 or before, or another implementation.
            (Pending::Service, None) => self.ask_for_schema(),
            (Pending::Schema, Some(result)) => {
                self.ask_for_rows(DatabaseSchema::from_json_text(result.get())?);
            }
            (Pending::Schema, None) => return Err(refused("get_schema")),
            (Pending::Monitor(method), Some(result)) => self.first_view(method, result)?,
            (Pending::Monitor(method), None) => match method.next() {
                Some(next) => self.send_monitor(next),
                None => return Err(refused(method.name())),
            },
            (Pending::Conditions, Some(_)) => {
                self.conditions.in_flight = false;
                self.send_conditions();
            }
            (Pending::Conditions, None) => return Err(refused("monitor_cond_change")),
            (Pending::Lock, result) => {
                let result: Option<serde_json::Value> = result
                    .map(|raw| serde_json::from_str(raw.get()))
                    .transpose()?;
                let locked = result.and_then(|result| result.get("locked")?.as_bool());
                // The lock may have been given up while the answer was on its way.
                self.hold_lock(locked == Some(true) && self.config.lock.is_some());
            }
        }
        Ok(())
    }

    /// Begins the monitor, now that the server's schema is known.
    fn ask_for_rows(&mut self, schema: DatabaseSchema) {
        if self.config.mirror {
            let schema = Arc::new(schema.clone());
            self.config.tables = Config::all(Arc::clone(&schema)).tables;
            if *schema != **self.replica.schema() {
                self.last_transaction = Uuid::nil();
                self.next_schema = Some(schema);
            }
        }
        let client = self.next_schema.as_ref().unwrap_or(&self.config.schema);
        self.layout = Some(Layout::new(client, schema, &self.config.tables));
        self.send_monitor(Method::Since);
    }

    /// Takes the reply to a monitor request: history since the last transaction, or everything.
    fn first_view(&mut self, method: Method, result: &RawValue) -> Result<(), SessionError> {
        if let Some(schema) = self.next_schema.take() {
            self.replica = Replica::new(Arc::clone(&schema));
            self.config.schema = Arc::clone(&schema);
            self.events.push_back(Event::Schema(schema));
        }
        let Some(layout) = &self.layout else {
            return Ok(());
        };
        let changes = if method == Method::Since {
            let (found, last, updates): (bool, &RawValue, &RawValue) =
                serde_json::from_str(result.get())?;
            let last = message::uuid(last)?;
            let updates = decode::updates(updates.get(), Form::Differences, layout)?;
            self.last_transaction = Uuid::nil();
            let changes = if found {
                self.replica.apply(updates, layout)?
            } else {
                self.replica.replace(updates)
            };
            self.last_transaction = last;
            changes
        } else {
            let form = if method == Method::Plain {
                Form::Rows
            } else {
                Form::Differences
            };
            self.last_transaction = Uuid::nil();
            self.replica
                .replace(decode::updates(result.get(), form, layout)?)
        };
        self.phase = Phase::Live;
        self.changed(changes, Some(self.last_transaction));
        self.events.push_back(Event::Connected);
        self.send_conditions();
        Ok(())
    }
}

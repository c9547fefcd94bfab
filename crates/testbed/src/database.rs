//! A small OVSDB client for checks: it asks, and waits for the answer.
//!
//! It is apart from the client under test on purpose, so that a defect there cannot hide itself here.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Deserializer, StreamDeserializer, Value, de::IoRead, json};

use crate::wait::until;

/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection to one database of a server.
pub struct Database {
    name: String,
    stream: UnixStream,
    messages: StreamDeserializer<'static, IoRead<UnixStream>, Value>,
    number: u64,
    /// What a monitor told while an answer was waited for.
    updates: VecDeque<Value>,
}

impl Database {
    /// Connects to `unix:PATH`, waiting for the server to listen and to serve `name`.
    ///
    /// # Errors
    /// When it does not within half a minute.
    pub fn open(remote: &str, name: &str) -> Result<Self> {
        let path = remote
            .strip_prefix("unix:")
            .context("only unix:PATH is supported here")?;
        let stream = until(
            Duration::from_secs(30),
            remote,
            || match UnixStream::connect(path) {
                Ok(stream) => Ok(Some(stream)),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::ConnectionRefused
                    ) =>
                {
                    Ok(None)
                }
                Err(error) => Err(error).with_context(|| format!("cannot connect to {remote}")),
            },
        )?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let messages = Deserializer::from_reader(stream.try_clone()?).into_iter();
        let mut database = Self {
            name: name.to_owned(),
            stream,
            messages,
            number: 0,
            updates: VecDeque::new(),
        };
        until(
            Duration::from_secs(30),
            &format!("{remote} to serve {name}"),
            || {
                let served = database.call("list_dbs", &json!([]))?;
                let names = served.as_array().cloned().unwrap_or_default();
                Ok(names.iter().any(|served| served == name).then_some(()))
            },
        )?;
        Ok(database)
    }

    /// Calls a method and gives its result.
    ///
    /// # Errors
    /// When the connection breaks, nothing comes in time, or the server answers with an error.
    pub fn call(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.number += 1;
        self.send(&json!({"id": self.number, "method": method, "params": params}))?;
        loop {
            let mut message = self.receive()?;
            if message["id"] == self.number {
                if !message["error"].is_null() {
                    bail!("{method}: {}", message["error"]);
                }
                return Ok(message["result"].take());
            }
            if message["method"] == "update" {
                self.updates.push_back(message["params"].take());
            }
        }
    }

    /// The next message that is not just a question whether we are there.
    fn receive(&mut self) -> Result<Value> {
        loop {
            let message = self
                .messages
                .next()
                .context("the server closed the connection")??;
            if message["method"] != "echo" {
                return Ok(message);
            }
            self.send(&json!({"id": message["id"], "result": message["params"], "error": null}))?;
        }
    }

    /// The next update of a monitor.
    fn update(&mut self) -> Result<Value> {
        loop {
            if let Some(update) = self.updates.pop_front() {
                return Ok(update);
            }
            let mut message = self.receive()?;
            if message["method"] == "update" {
                return Ok(message["params"].take());
            }
        }
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        self.stream
            .write_all(message.to_string().as_bytes())
            .context("cannot send to the server")
    }

    /// Commits operations as one transaction and gives one result for each.
    ///
    /// # Errors
    /// When one of them fails; nothing is changed then.
    pub fn transact(&mut self, operations: Vec<Value>) -> Result<Vec<Value>> {
        let mut params = vec![Value::from(self.name.as_str())];
        params.extend(operations);
        let result = self.call("transact", &Value::Array(params))?;
        let results = result.as_array().cloned().unwrap_or_default();
        match results.iter().find(|result| !result["error"].is_null()) {
            Some(wrong) => bail!("{}: {} ({})", self.name, wrong["error"], wrong["details"]),
            None => Ok(results),
        }
    }

    /// Rows of a table, those columns of them.
    ///
    /// # Errors
    /// As for [`Self::transact`].
    pub fn select(
        &mut self,
        table: &str,
        condition: Value,
        columns: &[&str],
    ) -> Result<Vec<Value>> {
        let operation =
            json!({"op": "select", "table": table, "where": condition, "columns": columns});
        let mut results = self.transact(vec![operation])?;
        let rows = results.first_mut().map(|result| result["rows"].take());
        rows.and_then(|rows| rows.as_array().cloned())
            .ok_or_else(|| anyhow!("no rows in the answer"))
    }

    /// Commits operations, raises `nb_cfg` with them, and waits until `column` (`sb_cfg`, `hv_cfg`) has
    /// followed. Gives the time from the commit's request to that.
    ///
    /// # Errors
    /// When an operation fails, or the column has not followed within `limit`.
    pub fn commit_and_wait(
        &mut self,
        mut operations: Vec<Value>,
        column: &str,
        limit: Duration,
    ) -> Result<Duration> {
        // Whoever compiles makes the row when it finds none.
        until(Duration::from_secs(30), "a row in NB_Global", || {
            let rows = self.select("NB_Global", json!([]), &["nb_cfg"])?;
            Ok((!rows.is_empty()).then_some(()))
        })?;
        let request = json!({"NB_Global": {"columns": [column]}});
        self.call("monitor", &json!([self.name, "wait", request]))?;
        operations.push(json!({"op": "mutate", "table": "NB_Global", "where": [],
                               "mutations": [["nb_cfg", "+=", 1]]}));
        operations.push(
            json!({"op": "select", "table": "NB_Global", "where": [], "columns": ["nb_cfg", column]}),
        );
        let start = Instant::now();
        let results = self.transact(operations)?;
        let row = results
            .last()
            .map_or(&Value::Null, |result| &result["rows"][0]);
        let wanted = row["nb_cfg"]
            .as_i64()
            .context("the Northbound has no NB_Global")?;
        let mut now = row[column].as_i64();
        while now < Some(wanted) {
            let left = limit
                .checked_sub(start.elapsed())
                .filter(|left| !left.is_zero());
            let left = left.with_context(|| {
                format!(
                    "gave up waiting for {column} to be {wanted} after {limit:?}; it is {now:?}"
                )
            })?;
            self.stream.set_read_timeout(Some(left))?;
            let update = self
                .update()
                .with_context(|| format!("waiting for {column} to be {wanted}"))?;
            let rows = update[1]["NB_Global"].as_object();
            let news = rows.and_then(|rows| rows.values().next()?["new"][column].as_i64());
            now = news.or(now);
        }
        let took = start.elapsed();
        self.stream.set_read_timeout(Some(PATIENCE))?;
        self.call("monitor_cancel", &json!(["wait"]))?;
        self.updates.clear();
        Ok(took)
    }

    /// Waits until `column` (`sb_cfg`, `hv_cfg`) says that all that is committed by now was followed.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub fn sync(&mut self, column: &str, limit: Duration) -> Result<Duration> {
        self.commit_and_wait(vec![], column, limit)
    }
}

/// The members of a set as OVSDB writes it: a set of one is that one.
pub fn members(value: &Value) -> Vec<Value> {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(kind), Value::Array(members)]) if kind == "set" => members.clone(),
        _ => vec![value.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_any_size_are_read() {
        assert_eq!(members(&json!(["set", []])), Vec::<Value>::new());
        assert_eq!(members(&json!(["set", [1, 2]])), [json!(1), json!(2)]);
        assert_eq!(members(&json!("one")), [json!("one")]);
        assert_eq!(members(&json!(["uuid", "x"])), [json!(["uuid", "x"])]);
    }
}

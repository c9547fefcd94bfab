//! A stock `ovsdb-server` and ours over the same schema, asked the same things.

use serde_json::{Value, json};

use super::shell::OurServer;
use super::{Client, StockServer, run, schema, stock};
use ovsdb::log::FileLog;

/// A client of each server, and the servers.
pub(crate) struct Pair {
    pub(crate) theirs: Client,
    pub(crate) ours: Client,
    stock: StockServer,
    server: OurServer,
    _dir: tempfile::TempDir,
}

impl Pair {
    /// Two empty databases.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (schema_file, file) = (dir.path().join("schema"), dir.path().join("stock"));
        std::fs::write(&schema_file, super::SCHEMA).unwrap();
        run(stock("ovsdb-tool")
            .arg("create")
            .arg(&file)
            .arg(&schema_file));
        let stock = StockServer::start(dir.path(), &file);
        let opened = FileLog::create(&dir.path().join("ours"), schema().into()).unwrap();
        let server = OurServer::start(dir.path(), vec![opened]);
        Self {
            theirs: stock.client(),
            ours: Client::connect(&server.socket),
            stock,
            server,
            _dir: dir,
        }
    }

    /// A second client of each.
    pub(crate) fn others(&self) -> (Client, Client) {
        (self.stock.client(), Client::connect(&self.server.socket))
    }

    /// Asks both; the answers must be the same, the text of errors aside. Gives ours.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let theirs = plain(&self.theirs.call(method, params.clone()));
        let ours = plain(&self.ours.call(method, params.clone()));
        assert_eq!(
            theirs["result"], ours["result"],
            "stock, then ours, of {method} {params}"
        );
        assert_eq!(
            theirs["error"], ours["error"],
            "stock, then ours, of {method} {params}"
        );
        ours
    }

    /// Carries a transaction out on both, and gives the results.
    pub(crate) fn transact(&mut self, operations: &[Value]) -> Value {
        let mut params = vec![json!("Rich")];
        params.extend_from_slice(operations);
        self.ask("transact", params.into())["result"].take()
    }

    /// The results of a transaction as they are: of stock, and ours.
    pub(crate) fn raw(&mut self, operations: &[Value]) -> [Value; 2] {
        let mut params = vec![json!("Rich")];
        params.extend_from_slice(operations);
        let ask =
            |client: &mut Client| client.call("transact", params.clone().into())["result"].take();
        [ask(&mut self.theirs), ask(&mut self.ours)]
    }

    /// The word of the error of the one operation, or the empty word.
    pub(crate) fn error(&mut self, operations: &[Value]) -> String {
        let results = self.transact(operations);
        let mut errors = results
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|r| r["error"].as_str());
        errors.next_back().unwrap_or_default().to_owned()
    }

    /// The rows of a table, in the order of their names.
    pub(crate) fn rows(&mut self, table: &str, columns: &[&str]) -> Vec<Value> {
        let select = json!({"op": "select", "table": table, "where": [], "columns": columns});
        self.transact(&[select])[0]["rows"]
            .as_array()
            .unwrap()
            .clone()
    }
}

/// The UUID that a test calls by a number.
pub(crate) fn uuid(number: u32) -> Value {
    json!(["uuid", format!("00000000-0000-4000-8000-{number:012}")])
}

/// An insert of a row whose UUID is known.
pub(crate) fn insert(table: &str, number: u32, row: Value) -> Value {
    json!({"op": "insert", "table": table, "uuid": uuid(number)[1], "row": row})
}

/// The JSON in a form in which equal things are equal: sets and rows sorted, errors without their text.
pub(crate) fn plain(json: &Value) -> Value {
    match json {
        // UUIDs that the servers chose are not the same.
        Value::String(text) if text.len() == 36 && !text.starts_with("00000000-0000-") => {
            let chosen = text.parse::<ovsdb::Uuid>().is_ok();
            json!(if chosen { "chosen" } else { text })
        }
        Value::Number(number) => json!(format!("{:.12e}", number.as_f64().unwrap())),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(plain).collect();
            if let [Value::String(tag), Value::Array(elements)] = &mut items[..]
                && (tag == "set" || tag == "map")
            {
                elements.sort_by_key(Value::to_string);
            }
            items.into()
        }
        Value::Object(object) => {
            let is_error = object.get("error").is_some_and(Value::is_string);
            if is_error && !object.contains_key("result") {
                return json!({"error": object["error"]});
            }
            let mut out = serde_json::Map::new();
            for (key, value) in object.iter().filter(|(key, _)| *key != "_version") {
                let mut value = plain(value);
                if key == "rows" {
                    value.as_array_mut().unwrap().sort_by_key(Value::to_string);
                }
                out.insert(key.clone(), value);
            }
            out.into()
        }
        other => other.clone(),
    }
}

//! From JSON and to JSON Schema.

use serde::de::DeserializeOwned;

use super::policy::Rule;
use super::problems::Problems;
use super::{NetworkParams, bounds};

/// Why a message is no network parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It was not even read.
    #[error(
        "{length} bytes are more than the {} that network parameters may have",
        bounds::MESSAGE
    )]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// A field cannot be, or has a value of the wrong kind; only the first is told.
    #[error(transparent)]
    Form(Problems),
    /// Fields have values that make no sense; all are told.
    #[error(transparent)]
    Check(#[from] Problems),
}

impl NetworkParams {
    /// Reads the JSON form, and checks it.
    ///
    /// # Errors
    /// When it is too long, no JSON, has unknown or wrong fields, or does not pass [`NetworkParams::check`]. Each
    /// problem names its field.
    pub fn from_json(json: &[u8]) -> Result<Self, ReadError> {
        let params: Self = read(json, "network parameters")?;
        params.check()?;
        Ok(params)
    }
}

impl Rule {
    /// Reads the JSON form of a rule for any machine, and checks it.
    ///
    /// # Errors
    /// When it is too long, no JSON, has unknown or wrong fields, or does not pass [`Rule::check_alone`]. Each problem
    /// names its field.
    pub fn from_json(json: &[u8]) -> Result<Self, ReadError> {
        let rule: Self = read(json, "rule")?;
        rule.check_alone()?;
        Ok(rule)
    }
}

/// The whole of a text as a value; `what` is its name where no field is to be named.
fn read<T: DeserializeOwned>(json: &[u8], what: &str) -> Result<T, ReadError> {
    if json.len() > bounds::MESSAGE {
        return Err(ReadError::TooLong { length: json.len() });
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = match error.path().to_string() {
            root if root == "." => what.to_owned(),
            path => path,
        };
        ReadError::Form(Problems::one(path, error.inner().to_string()))
    })?;
    let end = reader.end();
    end.map_err(|error| ReadError::Form(Problems::one(what, error.to_string())))?;
    Ok(value)
}

/// The JSON Schema (draft 2020-12) of network parameters, as `docs/netparams.schema.json` has it.
///
/// It says less than [`NetworkParams::check`], which also compares fields with each other.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(NetworkParams);
    schema.insert("title".to_owned(), "Network parameters of a machine".into());
    schema.to_value()
}

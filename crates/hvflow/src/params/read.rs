//! From JSON and to JSON Schema.

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
        if json.len() > bounds::MESSAGE {
            return Err(ReadError::TooLong { length: json.len() });
        }
        let mut reader = serde_json::Deserializer::from_slice(json);
        let params: Self = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = match error.path().to_string() {
                root if root == "." => "network parameters".to_owned(),
                path => path,
            };
            ReadError::Form(Problems::one(path, error.inner().to_string()))
        })?;
        reader.end().map_err(|error| {
            ReadError::Form(Problems::one("network parameters", error.to_string()))
        })?;
        params.check()?;
        Ok(params)
    }
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

//! How messages of gRPC are read and written: as protobuf is, but requests with fields that are not in the
//! definitions are refused.
//!
//! Protobuf skips what it does not know. For an answer that is right: an old client reads a new server's. A request
//! with a field that the server does not know asks for something that would not happen, and nobody would be told.

use std::marker::PhantomData;

use bytes::{Buf, Bytes};
use prost::{Message, Name};
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage, Value};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstEncoder};

use crate::descriptors::pool;

/// The codec of the services here.
#[derive(Debug, Clone)]
pub struct StrictCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for StrictCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for StrictCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(tonic::codec::BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(PhantomData)
    }
}

/// The reading half.
#[derive(Debug, Clone)]
pub struct StrictDecoder<U>(PhantomData<U>);

impl<U: Message + Name + Default> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        decode(bytes).map(Some).map_err(Status::invalid_argument)
    }
}

/// Reads a message; a request, whose name says that it is one, strictly.
fn decode<U: Message + Name + Default>(bytes: Bytes) -> Result<U, String> {
    let name = U::full_name();
    if name.ends_with("Request") {
        check(&name, bytes.clone())?;
    }
    U::decode(bytes).map_err(|error| format!("{name}: {error}"))
}

/// Whether all fields of an encoded message, at any depth, are in its definition.
///
/// # Errors
/// What cannot be decoded, or which field is not known, and where.
pub fn check(name: &str, bytes: Bytes) -> Result<(), String> {
    let descriptor: MessageDescriptor = pool()
        .get_message_by_name(name)
        .ok_or_else(|| format!("{name}: no such message"))?;
    let message =
        DynamicMessage::decode(descriptor, bytes).map_err(|error| format!("{name}: {error}"))?;
    known(&message, &mut Vec::new())
}

fn known(message: &DynamicMessage, path: &mut Vec<String>) -> Result<(), String> {
    if let Some(unknown) = message.unknown_fields().next() {
        let place = path
            .iter()
            .map(|step| format!("{step}."))
            .collect::<String>();
        return Err(format!(
            "{place}{}: no such field in {}; the caller's definitions are newer than this program",
            unknown.number(),
            message.descriptor().full_name()
        ));
    }
    for (field, value) in message.fields() {
        path.push(field.name().to_owned());
        value_known(value, path)?;
        path.pop();
    }
    Ok(())
}

fn value_known(value: &Value, path: &mut Vec<String>) -> Result<(), String> {
    match value {
        Value::Message(message) => known(message, path),
        Value::List(list) => list.iter().try_for_each(|value| value_known(value, path)),
        Value::Map(map) => map.values().try_for_each(|value| value_known(value, path)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hv::v1::{Change, GetRequest};

    #[test]
    fn a_request_with_an_unknown_field_is_refused_and_an_answer_is_not() {
        let mut bytes = GetRequest { machine_id: 7 }.encode_to_vec();
        assert_eq!(
            decode::<GetRequest>(bytes.clone().into())
                .unwrap()
                .machine_id,
            7
        );
        // Field 99, a number.
        bytes.extend([0x98, 0x06, 0x01]);
        let error = decode::<GetRequest>(bytes.into()).unwrap_err();
        assert!(
            error.starts_with("99: no such field in heddle.hv.v1.GetRequest"),
            "{error}"
        );
        let mut bytes = Change {
            sequence: 3,
            ..Change::default()
        }
        .encode_to_vec();
        bytes.extend([0x98, 0x06, 0x01]);
        assert_eq!(decode::<Change>(bytes.into()).unwrap().sequence, 3);
    }

    #[test]
    fn unknown_fields_are_found_at_any_depth() {
        // AddRequest.params = { field 99: 1 }
        let error = check(
            "heddle.hv.v1.AddRequest",
            vec![0x0a, 3, 0x98, 0x06, 0x01].into(),
        );
        let error = error.unwrap_err();
        assert!(
            error.starts_with("params.99: no such field in heddle.hv.v1.NetworkParams"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_protobuf_is_refused() {
        let error = decode::<GetRequest>(vec![0x08].into()).unwrap_err();
        assert!(error.starts_with("heddle.hv.v1.GetRequest: "), "{error}");
    }
}

//! The published definitions of the hypervisor daemon and of the regional service: protobuf, JSON and OpenAPI.
//!
//! The source is `proto/`. From it come the types and the gRPC services ([`hv`], [`region`]), the strictness of decoding
//! ([`codec`]), the paths of REST ([`rest`]) and the OpenAPI document ([`openapi`]), so that none of them can say
//! what another does not. In JSON, and only there, network parameters and their rules have the form of `netparams`,
//! which `hvflow` reads and writes.
//!
//! It must not know how requests are carried out, and touches no socket.
//!
//! Invariants: a request with a field that is not in the definitions is refused, in either form; an answer may
//! have more fields than its reader knows. Network parameters come back from protobuf as they went in.

pub mod codec;
pub mod descriptors;
pub mod openapi;
mod params;
pub mod rest;

/// The hypervisor daemon.
pub mod hv {
    /// Version 1.
    #[allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::uninlined_format_args,
        clippy::use_self,
        clippy::semicolon_if_nothing_returned,
        reason = "generated; the definitions have the documentation"
    )]
    pub mod v1 {
        tonic::include_proto!("heddle.hv.v1");
        include!(concat!(env!("OUT_DIR"), "/heddle.hv.v1.serde.rs"));
    }
}

/// The regional service.
pub mod region {
    /// Version 1.
    #[allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::uninlined_format_args,
        clippy::use_self,
        clippy::semicolon_if_nothing_returned,
        reason = "generated; the definitions have the documentation"
    )]
    pub mod v1 {
        tonic::include_proto!("heddle.region.v1");
        include!(concat!(env!("OUT_DIR"), "/heddle.region.v1.serde.rs"));
    }
}

/// The longest request in bytes, in either form. The parameters of a machine with a hundred rules are a hundredth.
pub const LONGEST_REQUEST: usize = 1 << 20;
/// The longest idempotency key in bytes.
pub const LONGEST_KEY: usize = 128;

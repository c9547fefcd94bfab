//! The published definitions of the hypervisor daemon and of the regional service: protobuf, JSON and OpenAPI.
//! It knows nothing of how they are carried out.

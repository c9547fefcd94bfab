//! The daemon of a hypervisor: takes network parameters over gRPC and REST and keeps a bridge as they say.

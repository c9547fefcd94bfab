//! OVSDB: values, schemas, the engine, sessions, the client replica.

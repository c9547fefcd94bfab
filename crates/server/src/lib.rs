//! Serves the databases and runs the compiler beside them.

//! The engine that recomputes only what a change touched.

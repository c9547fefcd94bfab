//! The logical language.

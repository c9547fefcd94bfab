//! Tests of the crate as a whole: text in, text out, and truth.

mod differential;
mod matches;
mod normal;
mod random;
mod statements;
mod templates;

//! What is fuzzed: one module a target, each with `check(bytes)`, which panics when something that must
//! always hold does not.
//!
//! Invariants of all: no panic, and no more memory than a bound that grows with the input.

#![allow(clippy::unwrap_used, reason = "a panic is how a target fails")]

pub mod client;
pub mod file;
pub mod logic;
pub mod odp;
pub mod openflow_text;
pub mod openflow_wire;
pub mod packet;
pub mod server;
pub mod transactions;

use std::alloc::System;
use std::sync::Once;

use cap::Cap;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// What every input may take, in bytes.
const LEAST: usize = 24 << 20;
/// What each byte of it may take beside that.
const EACH: usize = 4096;

/// Runs a target on an input with the memory that it may have. More ends the process, which is a finding.
pub fn run(bytes: &[u8], check: fn(&[u8])) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // A backtrace takes more.
            let _ = MEMORY.set_limit(usize::MAX);
            before(panic);
        }));
    });
    let bound = MEMORY.allocated() + LEAST + EACH * bytes.len();
    MEMORY
        .set_limit(bound)
        .expect("the bound is above what is in use");
    check(bytes);
    MEMORY.set_limit(usize::MAX).expect("there is no bound");
}

//! The binary: each role and each tool is a subcommand.

fn main() {}

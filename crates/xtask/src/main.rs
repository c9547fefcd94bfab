//! Checks of the house: layering.

fn main() {}

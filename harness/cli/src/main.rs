//! The rehearse binary.
fn main() {}

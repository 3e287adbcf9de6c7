//! The timeline crate.

//! The crate's surface against servers of which every byte and pause is scripted.

#![allow(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

mod books;
mod checks;
mod documentation;
mod https;
mod open_loop;
mod scripted;

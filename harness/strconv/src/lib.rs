//! Numbers and strings as Go's `strconv` writes and reads them. The controllers and servers that are simulated put them
//! into names, arguments, labels and messages.

mod float;
mod quote;
mod read;

pub use float::{Format, format_float, shortest};
pub use quote::quote;
pub use read::{is_hexadecimal, parse_float, parse_int};

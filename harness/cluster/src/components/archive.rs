//! Everything in one archive.

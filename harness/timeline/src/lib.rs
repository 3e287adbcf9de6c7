//! What happened in a run and when: the one vocabulary that every engine writes and everything else
//! reads, and the judge.
//!
//! A [`Timeline`] is a list of [`Entry`]s in order of time. It is recorded one JSON object a line and
//! read back unchanged, so that a run of yesterday, or of another engine, can be judged again:
//! [`judge()`] is a pure function of a scenario and a timeline, and so is [`Summary`], what the run cost.
//! [`Report`] is what `report.json` holds; [`Seeds`] gathers the runs of many seeds.
//!
//! # How states are judged
//! Between two entries about a subject its state is what the earlier one says, so the judge sees
//! intervals, and a state that lasted 50 ms counts. Several entries at one instant are as many states,
//! in their order: one that lasted no time at all still counts. What an entry leaves open (the models of
//! stable pods while none runs) is *undefined*: it does not enter a state and does not break it.

mod alerts;
mod claims;
mod compare;
mod cost;
mod event;
mod gate;
mod judge;
mod matching;
mod moment;
mod recording;
mod report;
mod requests;
mod seeds;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod watch;
mod words;

pub use compare::{Agreement, Chapter, Comparison, Fact, Reached, Shown, Sides, Tolerance, compare};
pub use cost::*;
pub use event::*;
pub use judge::{Judged, Judgement, Verdict, judge};
pub use recording::{FORMAT, MAX_ENTRIES, RecordingError, Timeline};
pub use report::*;
pub use seeds::*;
pub use watch::{Holds, Watch};

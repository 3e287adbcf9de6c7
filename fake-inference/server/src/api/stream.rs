//! An answer as server-sent events, each sent when it is due.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use tokio::time::{Instant, sleep};
use units::Duration;

use super::account::Account;
use super::reply::{Choice, Header, RunningUsage, Usage};
use crate::clock::{std_duration, until};
use crate::engine::Seat;
use crate::fault::UsageFault;
use crate::metrics::Finish;
use crate::script::{Event, Pace, Step};

/// The two halves of an event that is cut are this far apart, so that they leave in two packets.
const HALVES: std::time::Duration = std::time::Duration::from_millis(2);

/// What the events of a stream say.
#[derive(Debug)]
pub(crate) struct Voice {
    pub(crate) header: Header,
    pub(crate) choices: Vec<Choice>,
    pub(crate) include_usage: bool,
    pub(crate) continuous_usage: bool,
    pub(crate) prompt_tokens: u64,
    pub(crate) usage_fault: Option<UsageFault>,
    /// The body of an error in the middle.
    pub(crate) error: String,
}

/// A stream under way. Dropped before its end, it frees its place and its account says so.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) voice: Voice,
    pub(crate) account: Account,
    pub(crate) seat: Option<Seat>,
    /// When the engine began.
    pub(crate) begun: Instant,
    pub(crate) pace: Pace,
    pub(crate) steps: std::iter::Peekable<std::vec::IntoIter<Step>>,
    pub(crate) coalesce: u32,
    pub(crate) split: bool,
    pub(crate) sent: u64,
    /// The second half of an event that was cut.
    pub(crate) rest: Option<Bytes>,
}

impl Voice {
    fn says(&self, event: Event, sent: u64) -> Option<String> {
        let usage = self.usage(sent);
        let chunk = match event {
            Event::Role { choice } => self.header.role_chunk(choice, usage),
            Event::Text { choice, token } => {
                self.header.token_chunk(choice, self.choices.get(choice as usize)?, token, usage)
            }
            Event::Finish { choice } => {
                self.header.finish_chunk(choice, self.choices.get(choice as usize)?, usage)
            }
            Event::Usage => self.header.usage_chunk(self.counted(sent)),
            Event::Done => return Some("data: [DONE]\n\n".to_owned()),
            Event::Error => return Some(format!("data: {}\n\n", self.error)),
            Event::Silence => return None,
        };
        Some(format!("data: {chunk}\n\n"))
    }

    fn usage(&self, sent: u64) -> RunningUsage {
        let counted = self.continuous_usage.then(|| self.counted(sent));
        (self.include_usage || self.continuous_usage).then_some(counted)
    }

    /// How the answer as a whole ended.
    fn finish(&self) -> Finish {
        let cut = self.choices.iter().any(|choice| choice.finish == Finish::Length);
        if cut { Finish::Length } else { Finish::Stop }
    }

    fn counted(&self, sent: u64) -> Usage {
        let lie = if self.usage_fault == Some(UsageFault::Wrong) { 7 } else { 0 };
        Usage { prompt: self.prompt_tokens, completion: sent + lie }
    }
}

impl Live {
    /// The response that sends it.
    pub(crate) fn response(self) -> Response {
        let mut response = Response::new(Body::from_stream(futures_util::stream::unfold(self, Self::next)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(rest) = self.rest.take() {
            sleep(HALVES).await;
            return Some((Ok(rest), self));
        }
        let mut text = String::new();
        let mut events = 0;
        while events < self.coalesce {
            let Some(step) = self.steps.next() else { break };
            self.perform(step, &mut text).await;
            events += 1;
        }
        if text.is_empty() && self.steps.peek().is_none() {
            self.seat = None;
            self.account.close(self.voice.finish());
            return None;
        }
        let mut bytes = Bytes::from(text);
        if self.split && bytes.len() > 1 {
            self.rest = Some(bytes.split_off(cut(&bytes)));
        }
        Some((Ok(bytes), self))
    }

    async fn perform(&mut self, step: Step, text: &mut String) {
        until(self.begun + std_duration(step.due)).await;
        if let Event::Text { .. } = step.event {
            self.account.first_token();
            self.account.add_tokens(1);
            self.sent += 1;
            if let Some(seat) = &mut self.seat
                && seat.grow(1).await
            {
                self.begin_again(step.due).await;
            }
        }
        text.push_str(&self.voice.says(step.event, self.sent).unwrap_or_default());
    }

    /// The prompt is computed again; what follows is due that much later.
    async fn begin_again(&mut self, reached: Duration) {
        sleep(std_duration(self.pace.first)).await;
        self.begun = Instant::now() - std_duration(reached).min(self.begun.elapsed());
    }
}

/// Where to cut an event: inside its first character of several bytes, or else in the middle.
fn cut(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !byte.is_ascii()).map_or(bytes.len() / 2, |index| index + 1)
}

//! The open loop: requests leave as planned, whatever became of the ones before.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep_until, timeout};
use units::{Duration, Time};

use crate::clock::{Clock, std_duration};
use crate::connections::{Connections, Reuse};
use crate::evaluation::Evaluation;
use crate::exchange::{Arrival, Client, Exchange, Failure, Outcome};
use crate::plan::Plan;
use crate::report::Report;
use crate::spans::{Span, Spans};
use crate::tally::Tally;
use crate::target::Target;

/// The time between two looks at a server that is awaited.
const TRIES: std::time::Duration = std::time::Duration::from_millis(50);

/// Whom to ask, what, when and how.
#[derive(Debug, Clone)]
pub struct Load {
    /// The server.
    pub target: Target,
    /// The model that requests name. Where it is empty, it is the first that the server lists: requests ask for
    /// the list until one of them has got it.
    pub model: String,
    /// The questions, asked in turns.
    pub questions: Evaluation,
    /// When requests leave.
    pub plan: Plan,
    /// Whether answers are streamed.
    pub streaming: bool,
    /// The most tokens of an answer; `None` leaves it to the server.
    pub max_tokens: Option<u32>,
    /// How long an answer may take, from the moment at which its request left.
    pub timeout: Duration,
    /// How long connections are kept.
    pub reuse: Reuse,
    /// The most requests under way at a time. What is planned beyond is dropped and counted.
    pub max_in_flight: usize,
    /// Begins the `x-request-id` of each request, which ends in its number: a server that decides its faults
    /// by it treats the same load alike each time. Visible ASCII characters.
    pub id_prefix: String,
}

impl Load {
    /// A load that streams answers of at most 128 tokens, within 60 s, over connections that are kept, with
    /// at most 1000 requests under way.
    pub fn new(target: Target, model: &str, questions: Evaluation, plan: Plan) -> Self {
        Self {
            target,
            model: model.to_owned(),
            questions,
            plan,
            streaming: true,
            max_tokens: Some(128),
            timeout: Duration::from_secs(60),
            reuse: Reuse::KeepAlive,
            max_in_flight: 1000,
            id_prefix: "load".to_owned(),
        }
    }

    /// Waits until the server lists its models, for `within` at most. A load that named no model then names
    /// the first of them.
    pub async fn awaited(self, within: Duration) -> Self {
        let listed = async {
            let mut tries = interval(TRIES);
            tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tries.tick().await;
                // A client of its own: what its connections learned of the server is of no use later.
                if let Some(first) = self.client().models().await.ok().and_then(|it| it.into_iter().next()) {
                    return first;
                }
            }
        };
        match timeout(std_duration(within), listed).await {
            Ok(first) if self.model.is_empty() => Self { model: first, ..self },
            Ok(_) | Err(_) => self,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client {
            connections: Connections::new(self.target.clone(), self.reuse, self.timeout),
            model: if self.model.is_empty() { OnceLock::new() } else { self.model.clone().into() },
            questions: self.questions.clone(),
            streaming: self.streaming,
            max_tokens: self.max_tokens,
            timeout: self.timeout,
            id_prefix: self.id_prefix.chars().filter(char::is_ascii_graphic).collect(),
        }
    }
}

/// Sends requests as planned until the plan or `stop` ends, then waits for the answers that are due. Gives
/// what became of each request to `seen`, in the order in which that became known.
///
/// Requests leave with the precision of the timer, one millisecond. Dropping the future closes all
/// connections.
pub async fn generate(load: &Load, stop: impl Future<Output = ()>, seen: impl FnMut(Arrival)) {
    generate_since(Clock::start(), load, stop, seen).await;
}

async fn generate_since(
    clock: Clock,
    load: &Load,
    stop: impl Future<Output = ()>,
    mut seen: impl FnMut(Arrival),
) {
    let client = Arc::new(load.client());
    let mut under_way = JoinSet::new();
    let mut planned = (0..).zip(load.plan.times());
    let mut next = planned.next();
    let mut stop = pin!(stop);
    loop {
        let (request, at) = next.unwrap_or_default();
        tokio::select! {
            biased;
            () = &mut stop, if next.is_some() => next = None,
            () = sleep_until(clock.at(at)), if next.is_some() => {
                while let Some(ended) = under_way.try_join_next() {
                    seen(arrival(ended));
                }
                if under_way.len() < load.max_in_flight {
                    let client = Arc::clone(&client);
                    under_way.spawn(async move { client.ask(clock, request, at).await });
                } else {
                    seen(Arrival::Dropped { planned: at });
                }
                next = planned.next();
            }
            Some(ended) = under_way.join_next() => seen(arrival(ended)),
            else => break,
        }
    }
}

/// What became of a request that left. Nobody aborts these tasks: where one has no result, it has panicked.
fn arrival(ended: Result<Exchange, JoinError>) -> Arrival {
    let exchange = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    match exchange.outcome {
        Outcome::Failed(Failure::NoSocket) => Arrival::Dropped { planned: exchange.planned },
        Outcome::Failed(_) | Outcome::Truncated(_) | Outcome::Complete { .. } => Arrival::Exchanged(exchange),
    }
}

/// As [`generate`], and gives a [`Span`] to `seen` each time that `width` has passed, and one at the end:
/// what clients learned in that time. Requests slower than `slow` are counted as slow.
pub async fn generate_in_spans(
    load: &Load,
    width: Duration,
    slow: Option<Duration>,
    stop: impl Future<Output = ()>,
    mut seen: impl FnMut(Span),
) -> Report {
    let clock = Clock::start();
    let books = Mutex::new((Tally::new(load.plan, slow), Spans::new(slow)));
    let open = || books.lock().unwrap_or_else(PoisonError::into_inner);
    let mut run = pin!(generate_since(clock, load, stop, |arrival| {
        let (tally, spans) = &mut *open();
        tally.add(&arrival);
        spans.add(&arrival);
    }));
    let width = std_duration(width.max(Duration::from_millis(1)));
    let mut ticks = interval_at(Instant::now() + width, width);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            () = &mut run => break,
            _ = ticks.tick() => seen(open().1.cut(Time::ZERO + clock.now())),
        }
    }
    let (tally, spans) = &mut *open();
    seen(spans.cut(Time::ZERO + clock.now()));
    tally.report(clock.now())
}

//! One request for an answer, from its body to its response.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use behaviour::{Latency, Lognormal, Profile};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};
use units::Duration;

use super::account::Account;
use super::ask::Asked;
use super::reply::{self, Choice, Header, Usage};
use super::stream::{Live, Voice};
use super::{Endpoint, Failure, body};
use crate::answer::Quality;
use crate::clock::{rest, std_duration, until};
use crate::connection::{End, Link};
use crate::engine::Seat;
use crate::fault::{Facts, MalformedBody, UsageFault};
use crate::metrics::Finish;
use crate::script::{FOR_EVER, Pace, script};
use crate::treatment::{Terminal, Treatment};
use crate::{Plan, Server, fingerprint, with_hex};

mod content;
mod pace;

/// A request that was understood, and what becomes of it.
struct Exchange {
    server: Arc<Server>,
    endpoint: Endpoint,
    id: Arc<str>,
    link: Link,
    opened: Instant,
    asked: Asked,
    treatment: Treatment,
    account: Account,
    named: Vec<String>,
}

/// Answers a request on one of the model's routes. `id` is the client's `X-Request-Id`, or one of the server's.
pub(super) async fn answer(
    server: Arc<Server>,
    endpoint: Endpoint,
    id: Arc<str>,
    link: Link,
    request: hyper::Request<Incoming>,
) -> Response {
    let opened = Instant::now();
    let (head, content) = request.into_parts();
    if server.lifecycle.refuses_requests() {
        let failure = Failure::overloaded(503, "The server is shutting down.", Duration::from_secs(1));
        return Failure { closes: true, ..failure }.response(&server);
    }
    let asked = match understand(&server, endpoint, &head.headers, content).await {
        Ok(asked) => asked,
        Err(failure) => return failure.response(&server),
    };
    let mut exchange = Exchange::open(server, endpoint, id, link, opened, asked, &head.headers);
    let response = exchange.respond().await;
    exchange.finished(response)
}

async fn understand(
    server: &Server,
    endpoint: Endpoint,
    headers: &HeaderMap,
    content: Incoming,
) -> Result<Asked, Failure> {
    let bytes = body::read(server, server.settings.limits, headers, content).await?;
    let asked = Asked::read(endpoint, &bytes)?;
    asked.is_for(&server.identity)?;
    asked.fit(server.identity.max_sequence_length)?;
    Ok(asked)
}

impl Exchange {
    fn open(
        server: Arc<Server>,
        endpoint: Endpoint,
        id: Arc<str>,
        link: Link,
        opened: Instant,
        asked: Asked,
        headers: &HeaderMap,
    ) -> Self {
        let facts = Facts {
            request: &id,
            path: endpoint.path(),
            headers,
            text: endpoint != Endpoint::Embeddings,
            stream: asked.stream,
            prompt_tokens: asked.prompt_tokens(),
            user: &asked.user,
        };
        let mut account = Account::open(&server, endpoint, opened, facts.prompt_tokens);
        let treatment = server.treat(&facts);
        account.lie(&treatment);
        account.asked(asked.choices, asked.max_tokens);
        let named = treatment.performed.iter().map(|hit| hit.fault.definition.id.clone()).collect();
        Self { server, endpoint, id, link, opened, asked, treatment, account, named }
    }

    async fn respond(&mut self) -> Response {
        rest(self.treatment.delay).await;
        self.server.until_not_wedged().await;
        if let Some(terminal) = self.treatment.terminal.take() {
            return self.terminate(terminal).await;
        }
        if let Some(Err(failure)) = self.treatment.context_limit.map(|limit| self.asked.fit(limit)) {
            return self.fail(&failure);
        }
        let moment = self.server.moment();
        let (effective, base, load) = {
            let profile = self.profile();
            (profile.at(moment), profile.latency, profile.load)
        };
        let plan = Plan::of(&effective, self.server.chance, &self.id);
        if moment.age < load {
            sleep(std_duration(plan.duration)).await;
            let failure = Failure::overloaded(503, "The model is still loading.", Duration::from_secs(1));
            return self.fail(&failure);
        }
        let seat = match self.server.engine.seat(u64::from(self.asked.prompt_tokens())).await {
            Ok(seat) => seat,
            Err(_full) => return self.overloaded(),
        };
        self.account.seated();
        self.perform(plan, base, seat, effective.latency).await
    }

    /// The profile that is performed: the server's, or the one that a fault swaps in.
    fn profile(&self) -> Cow<'_, Profile> {
        let swapped = self.treatment.swapped_to.as_ref().and_then(|model| self.server.models.get(model));
        match swapped {
            Some(other) => Cow::Owned(Profile { load: self.server.load_time(), ..other.clone() }),
            None => self.server.profile_now(),
        }
    }

    async fn perform(&mut self, plan: Plan, base: Latency, seat: Seat, law: Lognormal) -> Response {
        let begun = Instant::now();
        let (fails, wrong, truncated) = self.profile_faults(plan);
        let choices = if fails { Vec::new() } else { self.choices(wrong) };
        let tokens: u64 = choices.iter().map(|choice| u64::from(choice.tokens())).max().unwrap_or(0);
        let pace = self.pace(plan, base, law, seat.factor, tokens);
        if fails {
            until(begun + std_duration(pace.total)).await;
            let failure = Failure::injected(500, "");
            return self.fail(&failure);
        }
        self.treatment.stream.cut_short |= truncated;
        if self.asked.stream && self.treatment.malformed.is_none() {
            return self.stream(choices, pace, seat, begun);
        }
        self.wait(pace, tokens, seat, begun).await;
        self.whole(choices)
    }

    /// What the profile itself does to the request, counted and named as faults are.
    fn profile_faults(&mut self, plan: Plan) -> (bool, bool, bool) {
        let text = self.endpoint != Endpoint::Embeddings;
        let hit = (plan.fails, plan.wrong, plan.truncated && text);
        for (kind, hit) in [("errors", hit.0), ("wrong", hit.1), ("truncated", hit.2)] {
            if hit {
                let u = self.server.chance.uniform(&self.id, kind);
                self.server.note_profile(kind, &self.id, u);
                self.named.push(format!("profile/{kind}"));
            }
        }
        hit
    }

    /// Waits for a whole answer; where the cache is bounded, token by token.
    async fn wait(&mut self, pace: Pace, tokens: u64, mut seat: Seat, mut begun: Instant) {
        self.account.first_token_after((begun - self.opened + std_duration(pace.first)).as_secs_f64());
        if self.server.settings.engine.kv_tokens.is_some() {
            for token in 0..tokens {
                let due = pace.first + pace.between * token;
                until(begun + std_duration(due)).await;
                if seat.grow(1).await {
                    sleep(std_duration(pace.first)).await;
                    begun = Instant::now() - std_duration(due).min(begun.elapsed());
                }
            }
        }
        until(begun + std_duration(pace.total)).await;
    }

    fn stream(&mut self, choices: Vec<Choice>, pace: Pace, seat: Seat, begun: Instant) -> Response {
        let faults = self.treatment.stream;
        let counts: Vec<_> = choices.iter().map(Choice::tokens).collect();
        let roles = self.endpoint == Endpoint::Chat;
        let steps = script(&counts, roles, self.asked.include_usage, pace, &faults);
        let voice = Voice {
            header: self.header(),
            choices,
            include_usage: self.asked.include_usage && faults.usage != Some(UsageFault::Missing),
            continuous_usage: self.asked.continuous_usage,
            prompt_tokens: u64::from(self.asked.prompt_tokens()),
            usage_fault: faults.usage,
            error: Failure::injected(500, "").body(self.server.settings.dialect).to_string(),
        };
        // The stream takes over the account; what is left here is closed and counts nothing.
        let account = std::mem::replace(&mut self.account, Account::closed(&self.server, self.endpoint));
        let live = Live {
            voice,
            account,
            seat: Some(seat),
            begun,
            pace,
            steps: steps.into_iter().peekable(),
            coalesce: faults.coalesce.unwrap_or(1),
            split: faults.split,
            sent: 0,
            rest: None,
        };
        live.response()
    }

    fn whole(&mut self, mut choices: Vec<Choice>) -> Response {
        let faults = self.treatment.stream;
        for choice in choices.iter_mut().filter(|_| faults.cut_short || faults.truncate.is_some()) {
            choice.keep(faults.truncate.unwrap_or(choice.tokens() / 2) as usize);
            choice.finish = Finish::Length;
        }
        let sent: u64 = choices.iter().map(|choice| u64::from(choice.tokens())).sum();
        let lie = if faults.usage == Some(UsageFault::Wrong) { 7 } else { 0 };
        let prompt = u64::from(self.asked.prompt_tokens());
        let completion = if self.endpoint == Endpoint::Embeddings { 0 } else { sent };
        let usage = Usage { prompt, completion: completion + lie };
        let usage = (faults.usage != Some(UsageFault::Missing)).then_some(usage);
        let header = self.header();
        let body = match self.endpoint {
            Endpoint::Chat | Endpoint::Completions => header.whole(&choices, usage),
            Endpoint::Embeddings => {
                let wrong = self.named.iter().any(|name| name == "profile/wrong")
                    || self.treatment.quality == Some(Quality::Wrong);
                let vectors: Vec<_> =
                    self.asked.prompts.iter().map(|p| self.vector(&p.text, wrong)).collect();
                reply::embeddings(&vectors, self.asked.base64, &header.model, usage)
            }
        };
        self.account.add_tokens(completion);
        let length = choices.iter().any(|choice| choice.finish == Finish::Length);
        self.account.close(if length { Finish::Length } else { Finish::Stop });
        json_response(body, self.treatment.malformed)
    }

    fn header(&self) -> Header {
        let server = &self.server;
        let (model, fingerprint) = match self.treatment.stale_version.as_deref() {
            None => (Arc::clone(&server.name), Arc::clone(&server.fingerprint)),
            Some(stale) => (stale.into(), fingerprint(stale, &server.identity.revision)),
        };
        let kind = match self.endpoint {
            Endpoint::Chat => "chatcmpl-",
            Endpoint::Completions => "cmpl-",
            Endpoint::Embeddings => "embd-",
        };
        Header {
            endpoint: self.endpoint,
            id: with_hex(kind, server.chance.bits(&self.id, "id")),
            created: server.clocks.unix_seconds() as u64,
            model,
            fingerprint,
        }
    }

    fn overloaded(&mut self) -> Response {
        self.server.meters.overload();
        let queue = self.server.settings.engine.queue;
        let failure = Failure::overloaded(queue.status, "The queue is full.", queue.retry_after);
        self.fail(&failure)
    }

    fn fail(&mut self, failure: &Failure) -> Response {
        self.account.close(Finish::Error);
        failure.response(&self.server)
    }

    async fn terminate(&mut self, terminal: Terminal) -> Response {
        match terminal {
            Terminal::Status { code, retry_after } => {
                let failure = Failure::injected(code, &self.asked.model).retry(retry_after);
                self.fail(&failure)
            }
            Terminal::RateLimited { requests, per } => {
                let wait = Duration::from_nanos(per.as_nanos() / u64::from(requests));
                let failure = Failure::injected(429, &self.asked.model).retry(Some(wait));
                self.fail(&Failure { limit: Some((requests, per)), ..failure })
            }
            Terminal::Reset => self.link.end(End::Reset).await,
            Terminal::Close => self.link.end(End::Close).await,
            Terminal::Hang { lasts } => {
                rest(lasts.unwrap_or(FOR_EVER)).await;
                self.link.end(End::Close).await
            }
        }
    }

    fn finished(self, mut response: Response) -> Response {
        if self.server.settings.name_faults
            && !self.named.is_empty()
            && let Ok(named) = HeaderValue::from_str(&self.named.join(","))
        {
            response.headers_mut().insert("x-fault", named);
        }
        response
    }
}

/// A whole answer, or what a fault makes of it.
fn json_response(mut body: String, malformed: Option<MalformedBody>) -> Response {
    let kind = match malformed {
        None => "application/json",
        Some(MalformedBody::Json) => {
            body.truncate(body.floor_char_boundary(body.len() / 2));
            "application/json"
        }
        Some(MalformedBody::Html) => {
            "<html><body><h1>200 OK</h1></body></html>".clone_into(&mut body);
            "text/html"
        }
        Some(MalformedBody::ContentType) => "text/plain",
    };
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::time::Instant;

use super::Endpoint;
use crate::Server;
use crate::metrics::{Finish, Observation};
use crate::treatment::Treatment;

/// The account of an accepted request. It is closed exactly once: by its answer, or by being dropped
/// when the client leaves.
#[derive(Debug)]
pub(crate) struct Account {
    server: Arc<Server>,
    opened: Instant,
    seen: Observation,
    observed_ttft: f64,
    observed_duration: f64,
    undercount: bool,
    closed: bool,
}

impl Account {
    pub(crate) fn open(
        server: &Arc<Server>,
        endpoint: Endpoint,
        opened: Instant,
        prompt_tokens: u32,
    ) -> Self {
        server.meters.accept(endpoint);
        server.under_way.fetch_add(1, Relaxed);
        Self::blank(server, endpoint, opened, prompt_tokens)
    }

    fn blank(server: &Arc<Server>, endpoint: Endpoint, opened: Instant, prompt_tokens: u32) -> Self {
        let seen = Observation {
            endpoint,
            finish: Finish::Abort,
            duration: 0.0,
            ttft: None,
            validation: opened.elapsed().as_secs_f64(),
            queue: 0.0,
            prefill: 0.0,
            decode: 0.0,
            prompt_tokens: u64::from(prompt_tokens),
            output_tokens: 0,
            max_tokens: None,
            choices: 1,
            error: false,
        };
        Self {
            server: Arc::clone(server),
            opened,
            seen,
            observed_ttft: 1.0,
            observed_duration: 1.0,
            undercount: false,
            closed: false,
        }
    }

    /// An account that counts nothing.
    pub(crate) fn closed(server: &Arc<Server>, endpoint: Endpoint) -> Self {
        let mut account = Self::blank(server, endpoint, Instant::now(), 0);
        account.closed = true;
        account
    }

    /// How the faults that hit the request change what is counted.
    pub(crate) fn lie(&mut self, treatment: &Treatment) {
        self.observed_ttft = treatment.observed_ttft;
        self.observed_duration = treatment.observed_duration;
        self.undercount = treatment.undercount;
    }

    pub(crate) fn asked(&mut self, choices: u32, max_tokens: Option<u32>) {
        self.seen.choices = u64::from(choices);
        self.seen.max_tokens = max_tokens.map(u64::from);
    }

    /// It has a place in the batch.
    pub(crate) fn seated(&mut self) {
        self.seen.queue = self.opened.elapsed().as_secs_f64();
    }

    /// Its first token came.
    pub(crate) fn first_token(&mut self) {
        self.first_token_after(self.opened.elapsed().as_secs_f64());
    }

    /// Its first token came this many seconds after the request.
    pub(crate) fn first_token_after(&mut self, seconds: f64) {
        if self.seen.ttft.is_none() {
            self.seen.prefill = (seconds - self.seen.queue).max(0.0);
            self.seen.ttft = Some(seconds * self.observed_ttft);
        }
    }

    pub(crate) fn add_tokens(&mut self, tokens: u64) {
        self.seen.output_tokens += tokens;
    }

    /// The answer is complete, or failed.
    pub(crate) fn close(&mut self, finish: Finish) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.server.under_way.fetch_sub(1, Relaxed);
        let elapsed = self.opened.elapsed().as_secs_f64();
        self.seen.decode = (elapsed - self.seen.queue - self.seen.prefill).max(0.0);
        self.seen.duration = elapsed * self.observed_duration;
        self.seen.finish = finish;
        self.seen.error = finish == Finish::Error && !self.undercount;
        self.server.meters.finish(&self.seen);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.close(Finish::Abort);
    }
}

//! What a server answers: the shapes of OpenAI's chat completions, whole and in chunks, read as leniently as
//! clients read them; and whether an answer is whole.

use serde::Deserialize;
use serde_json::Value;
use units::Duration;

use crate::exchange::{Cut, Failure, UsageReported};

/// An answer as far as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reply {
    pub(crate) text: String,
    /// The model that the body names.
    pub(crate) model: Option<String>,
    finish_reason: Option<String>,
    /// The tokens of the answer as the server counts them.
    completion_tokens: Option<u64>,
    /// Chunks that carried a part of the answer; 0 for an answer in one piece.
    chunks: u64,
    /// `[DONE]` came.
    pub(crate) done: bool,
    error: Option<String>,
    pub(crate) first_token: Option<Duration>,
    last_token: Duration,
    /// From each token to the next.
    pub(crate) gaps: Vec<Duration>,
}

/// A chat completion, or a chunk of one.
#[derive(Deserialize)]
struct Body {
    object: Option<String>,
    model: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<Value>,
    message: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<Content>,
    delta: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    content: Option<String>,
    reasoning: Option<Value>,
    reasoning_content: Option<Value>,
    tool_calls: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Usage {
    completion_tokens: Option<u64>,
}

impl Reply {
    /// Reads an answer in one piece.
    pub(crate) fn whole(body: &[u8]) -> Result<Self, Failure> {
        let mut reply = Self::default();
        let choices = reply.take(body)?;
        match choices.into_iter().next() {
            Some(Choice { message: Some(content), .. }) => {
                reply.text = content.content.unwrap_or_default();
                Ok(reply)
            }
            _ if reply.error.is_some() => Ok(reply),
            _ => Err(Failure::Malformed("the body has no choices[0].message".to_owned())),
        }
    }

    /// Takes the next event of a stream, which came at `at`.
    pub(crate) fn event(&mut self, data: &str, at: Duration) -> Result<(), Failure> {
        if data.trim_end() == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        for choice in self.take(data.as_bytes())? {
            let Some(delta) = choice.delta else { continue };
            let text = delta.content.unwrap_or_default();
            let thought =
                |part: Option<Value>| part.is_some_and(|it| it.as_str().is_some_and(|it| !it.is_empty()));
            let carries = !text.is_empty()
                || thought(delta.reasoning)
                || thought(delta.reasoning_content)
                || delta.tool_calls.is_some_and(|calls| !calls.is_empty());
            self.text.push_str(&text);
            if carries {
                self.token(at);
            }
        }
        Ok(())
    }

    fn token(&mut self, at: Duration) {
        match self.first_token {
            None => self.first_token = Some(at),
            Some(_) => self.gaps.push(at.saturating_sub(self.last_token)),
        }
        self.last_token = at;
        self.chunks += 1;
    }

    /// Takes what whole answers and chunks have in common.
    fn take(&mut self, json: &[u8]) -> Result<Vec<Choice>, Failure> {
        let body: Body =
            serde_json::from_slice(json).map_err(|error| Failure::Malformed(error.to_string()))?;
        if let Some(error) = body.error {
            self.error =
                Some(error.get("message").and_then(Value::as_str).unwrap_or("no message").to_owned());
        } else if body.object.as_deref() == Some("error") {
            // As vLLM before 0.10.1 writes it.
            self.error =
                Some(body.message.as_ref().and_then(Value::as_str).unwrap_or("no message").to_owned());
        }
        if self.model.is_none() {
            self.model = body.model;
        }
        if let Some(usage) = body.usage {
            self.completion_tokens = usage.completion_tokens;
        }
        if let Some(reason) = body.choices.iter().find_map(|choice| choice.finish_reason.as_ref()) {
            self.finish_reason = Some(reason.clone());
        }
        Ok(body.choices)
    }

    /// Whether all of the answer came, where `max_tokens` were asked for.
    pub(crate) fn completeness(&self, streamed: bool, max_tokens: Option<u32>) -> Result<(), Incomplete> {
        if let Some(error) = &self.error {
            return Err(Incomplete::Failed(Failure::ErrorAfterStatus(error.clone())));
        }
        match self.finish_reason.as_deref() {
            None => return Err(Incomplete::Cut(Cut::NoFinishReason)),
            Some("abort") => return Err(Incomplete::Cut(Cut::Aborted)),
            Some("error") => {
                let why = "the finish reason is `error`".to_owned();
                return Err(Incomplete::Failed(Failure::ErrorAfterStatus(why)));
            }
            Some("length") if !self.reached(max_tokens) => return Err(Incomplete::Cut(Cut::Short)),
            Some(_) => {}
        }
        if streamed && !self.done {
            return Err(Incomplete::Cut(Cut::NoDone));
        }
        Ok(())
    }

    /// Whether the answer is as long as was allowed, as far as that can be told.
    fn reached(&self, max_tokens: Option<u32>) -> bool {
        let made = self.completion_tokens.or((self.chunks > 0).then_some(self.chunks));
        match (max_tokens, made) {
            (Some(most), Some(made)) => made >= u64::from(most),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// What the server says of the answer's length, beside the chunks that came.
    pub(crate) fn usage(&self) -> UsageReported {
        match self.completion_tokens {
            None => UsageReported::Missing,
            Some(_) if self.chunks == 0 => UsageReported::Unchecked,
            Some(tokens) if tokens == self.chunks => UsageReported::Equal,
            Some(tokens) if tokens > self.chunks => UsageReported::More,
            Some(_) => UsageReported::Fewer,
        }
    }
}

/// Why an answer with status 200 is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incomplete {
    Cut(Cut),
    Failed(Failure),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn streamed(events: &[&str]) -> Reply {
        let mut reply = Reply::default();
        for (number, event) in (1..).zip(events) {
            reply.event(event, Duration::from_millis(10 * number)).unwrap();
        }
        reply
    }

    const ROLE: &str =
        r#"{"model":"m","choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
    const TOKEN: &str =
        r#"{"model":"m","choices":[{"delta":{"content":"a"},"finish_reason":null}],"usage":null}"#;
    const STOP: &str = r#"{"model":"m","choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    const LENGTH: &str = r#"{"model":"m","choices":[{"delta":{},"finish_reason":"length"}]}"#;
    const USAGE: &str = r#"{"model":"m","choices":[],"usage":{"completion_tokens":2}}"#;
    const ERROR: &str = r#"{"error":{"message":"out of memory","type":"server_error"}}"#;

    #[test]
    fn the_first_token_is_the_first_chunk_with_content() {
        let reply = streamed(&[ROLE, TOKEN, TOKEN, TOKEN, STOP, USAGE, "[DONE]"]);
        assert_eq!(reply.first_token, Some(Duration::from_millis(20)));
        assert_eq!(reply.gaps, [Duration::from_millis(10); 2]);
        assert_eq!(reply.text, "aaa");
        assert_eq!(reply.model.as_deref(), Some("m"));
    }

    #[test]
    fn a_stream_is_whole_with_its_reason_and_its_end_mark() {
        let cut = |cut| Err(Incomplete::Cut(cut));
        let failed = Failure::ErrorAfterStatus("out of memory".to_owned());
        let table: [(&[&str], _); 7] = [
            (&[ROLE, TOKEN, TOKEN, STOP, USAGE, "[DONE]"], Ok(())),
            (&[ROLE, TOKEN], cut(Cut::NoFinishReason)),
            (&[], cut(Cut::NoFinishReason)),
            (&[ROLE, TOKEN, STOP], cut(Cut::NoDone)),
            (&[ROLE, TOKEN, LENGTH, "[DONE]"], cut(Cut::Short)),
            (&[ROLE, TOKEN, TOKEN, LENGTH, "[DONE]"], Ok(())),
            (&[ROLE, TOKEN, ERROR, "[DONE]"], Err(Incomplete::Failed(failed))),
        ];
        for (events, expected) in table {
            assert_eq!(streamed(events).completeness(true, Some(2)), expected, "{events:?}");
        }
        let limited = streamed(&[ROLE, TOKEN, TOKEN, LENGTH, "[DONE]"]);
        assert_eq!(limited.completeness(true, None), cut(Cut::Short), "nobody asked for an end");
    }

    #[test]
    fn usage_is_held_against_the_chunks() {
        let table: [(&[&str], UsageReported); 4] = [
            (&[TOKEN, TOKEN, USAGE], UsageReported::Equal),
            (&[TOKEN, USAGE], UsageReported::More),
            (&[TOKEN, TOKEN, TOKEN, USAGE], UsageReported::Fewer),
            (&[TOKEN], UsageReported::Missing),
        ];
        for (events, expected) in table {
            assert_eq!(streamed(events).usage(), expected, "{events:?}");
        }
    }

    #[test]
    fn an_answer_in_one_piece_is_read_and_bodies_that_are_none_are_told() {
        let body = br#"{"model":"m","choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],
            "usage":{"completion_tokens":1}}"#;
        let reply = Reply::whole(body).unwrap();
        assert_eq!((reply.text.as_str(), reply.usage()), ("hi", UsageReported::Unchecked));
        assert_eq!(reply.completeness(false, Some(100)), Ok(()));
        for body in ["", "<html>", "{}", r#"{"choices":[]}"#, r#"{"choices":[{"message":7}]}"#] {
            assert!(matches!(Reply::whole(body.as_bytes()), Err(Failure::Malformed(_))), "{body}");
        }
        let old = br#"{"object":"error","message":"no such model","type":"NotFoundError","code":404}"#;
        let told = Reply::whole(old).unwrap().completeness(false, None);
        assert_eq!(told, Err(Incomplete::Failed(Failure::ErrorAfterStatus("no such model".to_owned()))));
    }

    proptest! {
        // No body makes the readers panic.
        #[test]
        fn any_body_is_read_or_refused(body: Vec<u8>, text in "[\\[\\]{}\",:a-z0-9]{0,40}") {
            let _ = Reply::whole(&body);
            let _ = Reply::default().event(&text, Duration::ZERO);
        }
    }
}

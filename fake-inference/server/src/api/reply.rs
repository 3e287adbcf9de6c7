//! The bodies of answers: whole ones, and the chunks of streams.

use std::sync::Arc;

use serde::Serialize;

use super::Endpoint;
use crate::answer::token_ends;
use crate::metrics::Finish;

/// What all parts of one answer have in common.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) endpoint: Endpoint,
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) model: Arc<str>,
    pub(crate) fingerprint: Arc<str>,
}

/// One choice, and where its tokens end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    text: String,
    ends: Vec<u32>,
    pub(crate) finish: Finish,
    /// The function that is called instead of a text.
    pub(crate) tool: Option<String>,
}

/// The tokens that are counted for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt: u64,
    pub(crate) completion: u64,
}

/// What a chunk says of the usage: nothing, `null`, or the count so far.
pub(crate) type RunningUsage = Option<Option<Usage>>;

/// A whole answer or a chunk of one.
#[derive(Serialize)]
struct Body<'a, C> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<C>,
    system_fingerprint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageBody>>,
}

#[derive(Serialize)]
struct UsageBody {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: Details,
}

#[derive(Serialize)]
struct Details {
    cached_tokens: u64,
}

/// A choice: exactly one of `message`, `delta` and `text`.
#[derive(Serialize)]
struct ChoiceBody<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Delta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    logprobs: (),
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
}

/// A call of a function; in a stream, all but the first chunk have only more of its arguments.
#[derive(Serialize)]
struct ToolCall<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl Usage {
    fn body(self) -> UsageBody {
        UsageBody {
            prompt_tokens: self.prompt,
            completion_tokens: self.completion,
            total_tokens: self.prompt + self.completion,
            prompt_tokens_details: Details { cached_tokens: 0 },
        }
    }
}

impl Choice {
    /// The first `most` tokens of a text, or all of it.
    pub(crate) fn new(text: String, most: usize, tool: Option<String>) -> Self {
        let ends: Vec<u32> = token_ends(&text).map(|end| end as u32).collect();
        let finish = if ends.len() > most { Finish::Length } else { Finish::Stop };
        let mut choice = Self { text, ends, finish, tool };
        choice.keep(most);
        choice
    }

    /// How many tokens it has.
    pub(crate) fn tokens(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Leaves out what comes after so many tokens.
    pub(crate) fn keep(&mut self, tokens: usize) {
        self.ends.truncate(tokens);
        self.text.truncate(self.ends.last().map_or(0, |end| *end as usize));
    }

    fn token(&self, number: u32) -> &str {
        let end = |index: usize| self.ends.get(index).map_or(self.text.len(), |end| *end as usize);
        let start = (number as usize).checked_sub(1).map_or(0, end);
        &self.text[start..end(number as usize)]
    }

    /// Why it ends, as clients read it.
    fn reason(&self) -> &'static str {
        match self.finish {
            Finish::Length => "length",
            Finish::Stop if self.tool.is_some() => "tool_calls",
            Finish::Stop => "stop",
            Finish::Abort => "abort",
            Finish::Error => "error",
        }
    }
}

impl<'a> ToolCall<'a> {
    fn first(id: &str, name: &'a str, arguments: &'a str) -> [Self; 1] {
        let function = Function { name: Some(name), arguments };
        [Self { index: 0, id: Some(format!("call_{id}")), kind: Some("function"), function }]
    }

    fn more(arguments: &'a str) -> [Self; 1] {
        [Self { index: 0, id: None, kind: None, function: Function { name: None, arguments } }]
    }
}

impl Header {
    /// A whole answer.
    pub(crate) fn whole(&self, choices: &[Choice], usage: Option<Usage>) -> String {
        let bodies = choices.iter().zip(0..).map(|(choice, index)| self.choice(index, choice));
        let object = if self.endpoint == Endpoint::Chat { "chat.completion" } else { "text_completion" };
        self.body(object, bodies.collect(), usage.map(Some))
    }

    fn choice<'a>(&self, index: u32, choice: &'a Choice) -> ChoiceBody<'a> {
        let text = choice.text.as_str();
        let mut body = bare(index, Some(choice.reason()));
        match (self.endpoint, choice.tool.as_deref()) {
            (Endpoint::Chat, None) => {
                body.message = Some(Message { role: "assistant", content: Some(text), tool_calls: None });
            }
            (Endpoint::Chat, Some(name)) => {
                let tool_calls = Some(ToolCall::first(&self.id, name, text));
                body.message = Some(Message { role: "assistant", content: None, tool_calls });
            }
            (Endpoint::Completions | Endpoint::Embeddings, _) => body.text = Some(text),
        }
        body
    }

    /// The chunk that opens a choice of a chat.
    pub(crate) fn role_chunk(&self, index: u32, usage: RunningUsage) -> String {
        let delta = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
        self.chunk(vec![ChoiceBody { delta: Some(delta), ..bare(index, None) }], usage)
    }

    /// A chunk with one token.
    pub(crate) fn token_chunk(&self, index: u32, choice: &Choice, token: u32, usage: RunningUsage) -> String {
        let text = choice.token(token);
        let mut body = bare(index, None);
        match (self.endpoint, choice.tool.as_deref()) {
            (Endpoint::Chat, None) => body.delta = Some(Delta { content: Some(text), ..Delta::default() }),
            (Endpoint::Chat, Some(name)) => {
                let call =
                    if token == 0 { ToolCall::first(&self.id, name, text) } else { ToolCall::more(text) };
                body.delta = Some(Delta { tool_calls: Some(call), ..Delta::default() });
            }
            (Endpoint::Completions | Endpoint::Embeddings, _) => body.text = Some(text),
        }
        self.chunk(vec![body], usage)
    }

    /// The chunk that says why a choice ends.
    pub(crate) fn finish_chunk(&self, index: u32, choice: &Choice, usage: RunningUsage) -> String {
        let mut body = bare(index, Some(choice.reason()));
        match self.endpoint {
            Endpoint::Chat => body.delta = Some(Delta::default()),
            Endpoint::Completions | Endpoint::Embeddings => body.text = Some(""),
        }
        self.chunk(vec![body], usage)
    }

    /// The chunk with the usage.
    pub(crate) fn usage_chunk(&self, usage: Usage) -> String {
        self.chunk(Vec::new(), Some(Some(usage)))
    }

    fn chunk(&self, choices: Vec<ChoiceBody<'_>>, usage: RunningUsage) -> String {
        let object =
            if self.endpoint == Endpoint::Chat { "chat.completion.chunk" } else { "text_completion" };
        self.body(object, choices, usage)
    }

    fn body(&self, object: &'static str, choices: Vec<ChoiceBody<'_>>, usage: RunningUsage) -> String {
        let usage = usage.map(|usage| usage.map(Usage::body));
        let (id, model, system_fingerprint) = (&self.id, &self.model, &self.fingerprint);
        written(&Body { id, object, created: self.created, model, choices, system_fingerprint, usage })
    }
}

fn bare<'a>(index: u32, finish_reason: Option<&'static str>) -> ChoiceBody<'a> {
    ChoiceBody { index, message: None, delta: None, text: None, logprobs: (), finish_reason }
}

/// As many bytes as most answers have, so that their text is not moved while it grows.
const USUAL_BYTES: usize = 512;

fn written(body: &impl Serialize) -> String {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, body).expect("texts and numbers can always be written as JSON");
    String::from_utf8(bytes).expect("JSON of texts is a text")
}

/// The answer to a request for embeddings.
#[derive(Serialize)]
struct Embeddings<'a> {
    object: &'static str,
    data: Vec<Embedding<'a>>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<EmbeddingUsage>,
}

#[derive(Serialize)]
struct Embedding<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

/// A vector as numbers or as text.
#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Numbers(&'a [f32]),
    Text(String),
}

#[derive(Serialize)]
struct EmbeddingUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// The body of an embedding request: a unit vector for each text.
pub(crate) fn embeddings(vectors: &[Vec<f32>], base64: bool, model: &str, usage: Option<Usage>) -> String {
    let embedding = |vector| if base64 { Vector::Text(encoded(vector)) } else { Vector::Numbers(vector) };
    let numbered = vectors.iter().enumerate();
    let data = numbered
        .map(|(index, v)| Embedding { object: "embedding", index, embedding: embedding(v) })
        .collect();
    let usage = usage.map(|usage| EmbeddingUsage {
        prompt_tokens: usage.prompt,
        total_tokens: usage.prompt + usage.completion,
    });
    written(&Embeddings { object: "list", data, model, usage })
}

/// Base64 (RFC 4648) of the vector as little-endian 32-bit floats.
fn encoded(vector: &[f32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().enumerate().fold(0_u32, |bits, (i, byte)| bits | u32::from(*byte) << (16 - 8 * i));
        for sextet in 0..4 {
            let index = (bits >> (18 - 6 * sextet)) as usize & 63;
            text.push(if sextet <= group.len() { ALPHABET[index] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_encoded_as_rfc_4648_says() {
        // 1.0 is 00 00 80 3f, 2.0 is 00 00 00 40.
        assert_eq!(encoded(&[1.0]), "AACAPw==");
        assert_eq!(encoded(&[1.0, 2.0]), "AACAPwAAAEA=");
        assert_eq!(encoded(&[1.0, 2.0, 1.0]), "AACAPwAAAEAAAIA/");
    }
}

//! The bodies of answers: whole ones, and the chunks of streams.

use serde_json::{Value, json};

use super::Endpoint;
use crate::metrics::Finish;

/// What all parts of one answer have in common.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) endpoint: Endpoint,
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) model: String,
    pub(crate) fingerprint: String,
}

/// One choice, cut into tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) tokens: Vec<Box<str>>,
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

impl Usage {
    fn json(self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": { "cached_tokens": 0 },
        })
    }
}

impl Choice {
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

    fn text(&self) -> String {
        self.tokens.concat()
    }

    fn tool_calls(&self, id: &str) -> Option<Value> {
        let name = self.tool.as_ref()?;
        Some(json!([{
            "index": 0, "id": format!("call_{id}"), "type": "function",
            "function": { "name": name, "arguments": self.text() },
        }]))
    }
}

impl Header {
    /// A whole answer.
    pub(crate) fn whole(&self, choices: &[Choice], usage: Option<Usage>) -> Value {
        let choices: Vec<_> =
            choices.iter().enumerate().map(|(index, choice)| self.choice(index, choice)).collect();
        let object = match self.endpoint {
            Endpoint::Chat => "chat.completion",
            Endpoint::Completions | Endpoint::Embeddings => "text_completion",
        };
        let mut body = json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices,
            "system_fingerprint": self.fingerprint,
        });
        if let (Some(usage), Some(map)) = (usage, body.as_object_mut()) {
            map.insert("usage".to_owned(), usage.json());
        }
        body
    }

    fn choice(&self, index: usize, choice: &Choice) -> Value {
        match self.endpoint {
            Endpoint::Chat => {
                let calls = choice.tool_calls(&self.id);
                let content = if calls.is_some() { Value::Null } else { Value::String(choice.text()) };
                let mut message = json!({ "role": "assistant", "content": content });
                if let (Some(calls), Some(map)) = (calls, message.as_object_mut()) {
                    map.insert("tool_calls".to_owned(), calls);
                }
                json!({ "index": index, "message": message, "logprobs": null, "finish_reason": choice.reason() })
            }
            Endpoint::Completions | Endpoint::Embeddings => json!({
                "index": index, "text": choice.text(), "logprobs": null, "finish_reason": choice.reason(),
            }),
        }
    }

    /// The chunk that opens a choice of a chat.
    pub(crate) fn role_chunk(&self, index: u32, usage: Option<Value>) -> Value {
        self.chunk(json!([delta(index, json!({ "role": "assistant", "content": "" }), None)]), usage)
    }

    /// A chunk with one token.
    pub(crate) fn token_chunk(&self, index: u32, choice: &Choice, token: u32, usage: Option<Value>) -> Value {
        let text = choice.tokens.get(token as usize).map_or("", |text| text);
        let choices = match (self.endpoint, &choice.tool) {
            (Endpoint::Chat, None) => json!([delta(index, json!({ "content": text }), None)]),
            (Endpoint::Chat, Some(name)) => {
                let mut call = json!({ "index": 0, "function": { "arguments": text } });
                if let (0, Some(map)) = (token, call.as_object_mut()) {
                    map.insert("id".to_owned(), json!(format!("call_{}", self.id)));
                    map.insert("type".to_owned(), json!("function"));
                    map.insert("function".to_owned(), json!({ "name": name, "arguments": text }));
                }
                json!([delta(index, json!({ "tool_calls": [call] }), None)])
            }
            (Endpoint::Completions | Endpoint::Embeddings, _) => {
                json!([{ "index": index, "text": text, "logprobs": null, "finish_reason": null }])
            }
        };
        self.chunk(choices, usage)
    }

    /// The chunk that says why a choice ends.
    pub(crate) fn finish_chunk(&self, index: u32, choice: &Choice, usage: Option<Value>) -> Value {
        let choices = match self.endpoint {
            Endpoint::Chat => json!([delta(index, json!({}), Some(choice.reason()))]),
            Endpoint::Completions | Endpoint::Embeddings => {
                json!([{ "index": index, "text": "", "logprobs": null, "finish_reason": choice.reason() }])
            }
        };
        self.chunk(choices, usage)
    }

    /// The chunk with the usage.
    pub(crate) fn usage_chunk(&self, usage: Usage) -> Value {
        self.chunk(json!([]), Some(usage.json()))
    }

    /// What `usage` is in a chunk before the last: null where the last will have it.
    pub(crate) fn running_usage(usage: Option<Usage>) -> Value {
        usage.map_or(Value::Null, Usage::json)
    }

    fn chunk(&self, choices: Value, usage: Option<Value>) -> Value {
        let object = match self.endpoint {
            Endpoint::Chat => "chat.completion.chunk",
            Endpoint::Completions | Endpoint::Embeddings => "text_completion",
        };
        let mut chunk = json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model,
            "system_fingerprint": self.fingerprint, "choices": choices,
        });
        if let (Some(usage), Some(map)) = (usage, chunk.as_object_mut()) {
            map.insert("usage".to_owned(), usage);
        }
        chunk
    }
}

fn delta(index: u32, delta: Value, reason: Option<&str>) -> Value {
    json!({ "index": index, "delta": delta, "logprobs": null, "finish_reason": reason })
}

/// The body of an embedding request: a unit vector for each text.
pub(crate) fn embeddings(vectors: &[Vec<f32>], base64: bool, model: &str, usage: Option<Usage>) -> Value {
    let data: Vec<_> = vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| {
            let embedding = if base64 { Value::String(encoded(vector)) } else { json!(vector) };
            json!({ "object": "embedding", "index": index, "embedding": embedding })
        })
        .collect();
    let mut body = json!({ "object": "list", "data": data, "model": model });
    if let (Some(usage), Some(map)) = (usage, body.as_object_mut()) {
        let usage = json!({ "prompt_tokens": usage.prompt, "total_tokens": usage.prompt + usage.completion });
        map.insert("usage".to_owned(), usage);
    }
    body
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

//! What clients ask for, read from JSON: unknown fields are ignored, wrong types are said.

use std::borrow::Cow;

use serde_json_borrow::{ObjectAsVec, Value};

use super::{Endpoint, Failure};
use crate::answer::count_tokens;
use crate::identity::Identity;

/// The most choices of a prompt, prompts, choices in all, and stop texts in one request.
const MAX_CHOICES: u64 = 16;
const MAX_PROMPTS: usize = 128;
const MAX_ALL_CHOICES: usize = 128;
const MAX_STOPS: usize = 4;
const MAX_DIMENSIONS: u64 = 4096;
const DEFAULT_DIMENSIONS: u64 = 256;

/// A request, understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) model: String,
    /// One for a chat; one or several otherwise.
    pub(crate) prompts: Vec<Prompt>,
    /// The system messages of a chat.
    pub(crate) system: String,
    pub(crate) choices: u32,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) continuous_usage: bool,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) temperature: Option<f64>,
    pub(crate) seed: Option<i64>,
    pub(crate) stop: Vec<String>,
    pub(crate) echo: bool,
    pub(crate) json: bool,
    /// The function that has to be called.
    pub(crate) tool: Option<String>,
    pub(crate) user: String,
    pub(crate) dimensions: usize,
    pub(crate) base64: bool,
}

/// A prompt and its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// Empty where it was given as token ids.
    pub(crate) text: String,
    pub(crate) tokens: u32,
}

impl Asked {
    /// Reads a request of this route.
    ///
    /// # Errors
    /// 400 with the field that is wrong.
    pub(crate) fn read(endpoint: Endpoint, body: &[u8]) -> Result<Self, Failure> {
        let value: Value<'_> = serde_json::from_slice(body)
            .map_err(|error| Failure::invalid(format!("The body is not valid JSON: {error}."), None))?;
        let Value::Object(map) = value else {
            return Err(Failure::invalid("The body must be a JSON object.", None));
        };
        let fields = Fields(&map);
        let mut asked = Self::common(&fields)?;
        match endpoint {
            Endpoint::Chat => asked.read_chat(&fields)?,
            Endpoint::Completions => {
                asked.prompts = prompts(&fields, "prompt")?;
                asked.echo = fields.flag("echo")?;
            }
            Endpoint::Embeddings => asked.read_embeddings(&fields)?,
        }
        if asked.prompts.len() * asked.choices as usize > MAX_ALL_CHOICES {
            let message = format!("Prompts times `n` may be at most {MAX_ALL_CHOICES}.");
            return Err(Failure::invalid(message, Some("n")));
        }
        Ok(asked)
    }

    fn common(fields: &Fields<'_>) -> Result<Self, Failure> {
        let stream = fields.flag("stream")?;
        let options = fields.object("stream_options")?;
        if options.is_some() && !stream {
            let message = "`stream_options` is only allowed when `stream` is true.";
            return Err(Failure::invalid(message, Some("stream_options")));
        }
        let option = |name: &str| options.map_or(Ok(false), |options| Fields(options).flag(name));
        let max_tokens = fields.whole("max_completion_tokens", 1..=u64::from(u32::MAX))?;
        let max_tokens = max_tokens.or(fields.whole("max_tokens", 1..=u64::from(u32::MAX))?);
        fields.number("top_p", 0.0..=1.0)?;
        fields.refuse_logprobs()?;
        Ok(Self {
            model: fields.text("model")?.ok_or_else(|| fields.missing("model"))?.to_owned(),
            prompts: Vec::new(),
            system: String::new(),
            choices: fields.whole("n", 1..=MAX_CHOICES)?.unwrap_or(1) as u32,
            stream,
            include_usage: option("include_usage")?,
            continuous_usage: option("continuous_usage_stats")?,
            max_tokens: max_tokens.map(|tokens| tokens as u32),
            temperature: fields.number("temperature", 0.0..=2.0)?,
            seed: fields.integer("seed")?,
            stop: stops(fields)?,
            echo: false,
            json: false,
            tool: None,
            user: fields.text("user")?.unwrap_or_default().to_owned(),
            dimensions: DEFAULT_DIMENSIONS as usize,
            base64: false,
        })
    }

    fn read_chat(&mut self, fields: &Fields<'_>) -> Result<(), Failure> {
        let messages = fields.list("messages")?.ok_or_else(|| fields.missing("messages"))?;
        if messages.is_empty() {
            return Err(Failure::invalid("`messages` must have at least one message.", Some("messages")));
        }
        let (mut tokens, mut question) = (0, Cow::Borrowed(""));
        for (index, message) in messages.iter().enumerate() {
            let (role, content) = read_message(message, index)?;
            tokens += count_tokens(&content);
            match role {
                "user" => question = content,
                "system" | "developer" => self.system.push_str(&content),
                _ => {}
            }
        }
        self.prompts = vec![Prompt { text: question.into_owned(), tokens: tokens as u32 }];
        self.json = wants_json(fields)?;
        self.tool = forced_tool(fields)?;
        Ok(())
    }

    fn read_embeddings(&mut self, fields: &Fields<'_>) -> Result<(), Failure> {
        self.prompts = prompts(fields, "input")?;
        self.stream = false;
        self.dimensions =
            fields.whole("dimensions", 1..=MAX_DIMENSIONS)?.unwrap_or(DEFAULT_DIMENSIONS) as usize;
        self.base64 = match fields.text("encoding_format")? {
            None | Some("float") => false,
            Some("base64") => true,
            Some(_) => {
                return Err(Failure::invalid(
                    "`encoding_format` must be `float` or `base64`.",
                    Some("encoding_format"),
                ));
            }
        };
        Ok(())
    }

    /// The tokens of all prompts.
    pub(crate) fn prompt_tokens(&self) -> u32 {
        self.prompts.iter().fold(0, |sum, prompt| sum.saturating_add(prompt.tokens))
    }

    /// Refuses what does not fit into the model's context, as real servers do.
    ///
    /// # Errors
    /// 400 with the lengths.
    pub(crate) fn fit(&self, limit: u32) -> Result<(), Failure> {
        for prompt in &self.prompts {
            let answer = self.max_tokens.unwrap_or(1);
            let total = prompt.tokens.saturating_add(answer);
            if total > limit {
                let message = format!(
                    "This model's maximum context length is {limit} tokens. However, you requested {total} tokens \
                     ({} in the messages, {answer} in the completion). Please reduce the length of the messages or \
                     completion.",
                    prompt.tokens
                );
                let failure = Failure::invalid(message, Some("messages"));
                return Err(Failure { code: Some("context_length_exceeded"), ..failure });
            }
        }
        Ok(())
    }

    /// Refuses a model that is not this one.
    ///
    /// # Errors
    /// 404 with its name.
    pub(crate) fn is_for(&self, identity: &Identity) -> Result<(), Failure> {
        if self.model == identity.name { Ok(()) } else { Err(Failure::unknown_model(&self.model)) }
    }
}

/// A message's role and its text.
fn read_message<'a>(message: &'a Value<'a>, index: usize) -> Result<(&'a str, Cow<'a, str>), Failure> {
    let wrong = |what: &str| {
        let place = format!("messages[{index}]");
        Failure::invalid(format!("`{place}` {what}."), Some(&place))
    };
    let object = message.as_object().ok_or_else(|| wrong("must be an object"))?;
    let role = object.get("role").and_then(Value::as_str).ok_or_else(|| wrong("must have a `role`"))?;
    if !["system", "developer", "user", "assistant", "tool", "function"].contains(&role) {
        return Err(wrong("has an unknown `role`"));
    }
    let content = match object.get("content") {
        Some(Value::Str(text)) => Cow::Borrowed(text.as_ref()),
        Some(Value::Array(parts)) => {
            let texts: Option<Vec<_>> = parts.iter().map(|part| part.get("text").as_str()).collect();
            texts.ok_or_else(|| wrong("has a part that is not text; only text is served"))?.join("\n").into()
        }
        None | Some(Value::Null) if role == "assistant" => Cow::Borrowed(""),
        _ => return Err(wrong("must have a `content` of text")),
    };
    Ok((role, content))
}

fn wants_json(fields: &Fields<'_>) -> Result<bool, Failure> {
    let Some(format) = fields.object("response_format")? else { return Ok(false) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(false),
        Some("json_object") => Ok(true),
        Some("json_schema") => Err(Failure::invalid(
            "`response_format` of type `json_schema` is not served by this server.",
            Some("response_format"),
        )),
        _ => Err(Failure::invalid("`response_format.type` is unknown.", Some("response_format"))),
    }
}

/// The function that `tool_choice` forces: a named one, or the first of `tools` where one is required.
fn forced_tool(fields: &Fields<'_>) -> Result<Option<String>, Failure> {
    let tools = fields.list("tools")?.unwrap_or_default();
    let name = |tool: &Value<'_>| tool.get("function").get("name").as_str().map(str::to_owned);
    let wrong = |what: &str| Failure::invalid(what, Some("tool_choice"));
    match fields.0.get("tool_choice") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Str(choice)) => match choice.as_ref() {
            "none" | "auto" => Ok(None),
            "required" => {
                tools.first().and_then(name).map(Some).ok_or_else(|| wrong("`tool_choice` needs `tools`."))
            }
            _ => Err(wrong("`tool_choice` must be `none`, `auto`, `required` or a function.")),
        },
        Some(choice) => {
            let wanted = name(choice).ok_or_else(|| wrong("`tool_choice` must name a function."))?;
            let known = tools.iter().any(|tool| name(tool).as_ref() == Some(&wanted));
            if known {
                Ok(Some(wanted))
            } else {
                Err(wrong("`tool_choice` names a function not in `tools`."))
            }
        }
    }
}

fn stops(fields: &Fields<'_>) -> Result<Vec<String>, Failure> {
    let wrong = || Failure::invalid(format!("`stop` must be text or up to {MAX_STOPS} texts."), Some("stop"));
    match fields.0.get("stop") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Str(stop)) => Ok(vec![stop.as_ref().to_owned()]),
        Some(Value::Array(stops)) if stops.len() <= MAX_STOPS => {
            stops.iter().map(|stop| stop.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// Text, a list of texts, a list of token ids, or a list of such lists.
fn prompts(fields: &Fields<'_>, name: &str) -> Result<Vec<Prompt>, Failure> {
    let wrong = |what: &str| Failure::invalid(format!("`{name}` {what}."), Some(name));
    let prompts = match fields.0.get(name) {
        None | Some(Value::Null) => return Err(fields.missing(name)),
        Some(Value::Str(text)) => vec![of_text(text)],
        Some(Value::Array(items)) => match items.first() {
            None => return Err(wrong("must not be empty")),
            Some(Value::Number(_)) => {
                vec![of_ids(items).ok_or_else(|| wrong("has an id that is no number"))?]
            }
            Some(_) if items.len() > MAX_PROMPTS => {
                return Err(wrong(&format!("may have at most {MAX_PROMPTS} elements")));
            }
            Some(_) => items
                .iter()
                .map(|item| match item {
                    Value::Str(text) => Some(of_text(text)),
                    Value::Array(ids) => of_ids(ids),
                    _ => None,
                })
                .collect::<Option<_>>()
                .ok_or_else(|| wrong("must be text, token ids, or a list of either"))?,
        },
        Some(_) => return Err(wrong("must be text, token ids, or a list of either")),
    };
    if prompts.iter().any(|prompt| prompt.tokens == 0) {
        return Err(wrong("must not be empty, nor any of its elements"));
    }
    Ok(prompts)
}

fn of_text(text: &str) -> Prompt {
    Prompt { text: text.to_owned(), tokens: count_tokens(text) as u32 }
}

fn of_ids(ids: &[Value<'_>]) -> Option<Prompt> {
    let all = ids.iter().all(|id| id.as_u64().is_some());
    all.then(|| Prompt { text: String::new(), tokens: ids.len() as u32 })
}

/// The fields of an object, by type; null is as good as absent.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a ObjectAsVec<'a>);

impl<'a> Fields<'a> {
    fn get(self, name: &str) -> Option<&'a Value<'a>> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn missing(self, name: &str) -> Failure {
        Failure::invalid(format!("`{name}` is missing."), Some(name))
    }

    fn typed<T>(
        self,
        name: &str,
        what: &str,
        read: impl Fn(&'a Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        self.described(name, || what.to_owned(), read)
    }

    /// As [`Fields::typed`]; what it must be is only worked out where it is not.
    fn described<T>(
        self,
        name: &str,
        what: impl Fn() -> String,
        read: impl Fn(&'a Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let wrong = || Failure::invalid(format!("`{name}` must be {}.", what()), Some(name));
        read(value).map(Some).ok_or_else(wrong)
    }

    fn text(self, name: &str) -> Result<Option<&'a str>, Failure> {
        self.typed(name, "text", Value::as_str)
    }

    fn flag(self, name: &str) -> Result<bool, Failure> {
        Ok(self.typed(name, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    fn object(self, name: &str) -> Result<Option<&'a ObjectAsVec<'a>>, Failure> {
        self.typed(name, "an object", Value::as_object)
    }

    fn list(self, name: &str) -> Result<Option<&'a [Value<'a>]>, Failure> {
        self.typed(name, "a list", Value::as_array)
    }

    fn integer(self, name: &str) -> Result<Option<i64>, Failure> {
        self.typed(name, "a whole number", Value::as_i64)
    }

    fn whole(self, name: &str, allowed: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Failure> {
        let what = || format!("a whole number from {} to {}", allowed.start(), allowed.end());
        self.described(name, what, |value| value.as_u64().filter(|number| allowed.contains(number)))
    }

    fn number(self, name: &str, allowed: std::ops::RangeInclusive<f64>) -> Result<Option<f64>, Failure> {
        let what = || format!("a number from {} to {}", allowed.start(), allowed.end());
        self.described(name, what, |value| value.as_f64().filter(|number| allowed.contains(number)))
    }

    fn refuse_logprobs(self) -> Result<(), Failure> {
        match self.get("logprobs") {
            None | Some(Value::Bool(false)) => Ok(()),
            Some(Value::Bool(true) | Value::Number(_)) => {
                Err(Failure::invalid("`logprobs` are not served by this server.", Some("logprobs")))
            }
            Some(_) => Err(Failure::invalid("`logprobs` must be true or false.", Some("logprobs"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chat(body: &str) -> Result<Asked, Failure> {
        Asked::read(Endpoint::Chat, body.as_bytes())
    }

    #[test]
    fn what_is_wrong_is_said_with_its_field() {
        let hello = r#""model":"m","messages":[{"role":"user","content":"hi"}]"#;
        let table = [
            ("{", None, "not valid JSON"),
            ("[]", None, "must be a JSON object"),
            (r#"{"messages":[]}"#, Some("model"), "missing"),
            (r#"{"model":"m"}"#, Some("messages"), "missing"),
            (r#"{"model":3,"messages":[]}"#, Some("model"), "must be text"),
            (r#"{"model":"m","messages":[]}"#, Some("messages"), "at least one"),
            (r#"{"model":"m","messages":[3]}"#, Some("messages[0]"), "an object"),
            (
                r#"{"model":"m","messages":[{"role":"cook","content":""}]}"#,
                Some("messages[0]"),
                "unknown `role`",
            ),
            (r#"{"model":"m","messages":[{"role":"user","content":3}]}"#, Some("messages[0]"), "content"),
        ];
        for (body, param, message) in table {
            let failure = chat(body).unwrap_err();
            assert_eq!((failure.status, failure.param.as_deref()), (400, param), "{body}");
            assert!(failure.message.contains(message), "{body}: {}", failure.message);
        }
        let fields = [
            (r#""stream":"yes""#, "stream"),
            (r#""stream_options":{"include_usage":true}"#, "stream_options"),
            (r#""n":0"#, "n"),
            (r#""n":17"#, "n"),
            (r#""max_tokens":0"#, "max_tokens"),
            (r#""max_completion_tokens":-1"#, "max_completion_tokens"),
            (r#""temperature":2.5"#, "temperature"),
            (r#""top_p":"x""#, "top_p"),
            (r#""seed":1.5"#, "seed"),
            (r#""stop":["a","b","c","d","e"]"#, "stop"),
            (r#""logprobs":true"#, "logprobs"),
            (r#""response_format":{"type":"json_schema"}"#, "response_format"),
            (r#""tool_choice":"required""#, "tool_choice"),
            (r#""tools":3"#, "tools"),
        ];
        for (field, param) in fields {
            let failure = chat(&format!("{{{hello},{field}}}")).unwrap_err();
            assert_eq!(failure.param.as_deref(), Some(param), "{field}");
        }
        assert!(chat(&format!("{{{hello},\"unknown\":[1],\"stop\":null}}")).is_ok());
    }

    #[test]
    fn prompts_have_four_forms() {
        let lengths = |prompt: &str| {
            let body = format!(r#"{{"model":"m","prompt":{prompt}}}"#);
            let asked = Asked::read(Endpoint::Completions, body.as_bytes());
            asked.map(|asked| asked.prompts.iter().map(|prompt| prompt.tokens).collect::<Vec<_>>())
        };
        assert_eq!(lengths(r#""a b c""#).unwrap(), [3]);
        assert_eq!(lengths(r#"["a b", "c"]"#).unwrap(), [2, 1]);
        assert_eq!(lengths("[1, 2, 3]").unwrap(), [3]);
        assert_eq!(lengths("[[1, 2], [3]]").unwrap(), [2, 1]);
        let many = vec!["a"; 9];
        let body = serde_json::json!({ "model": "m", "prompt": many, "n": 16 }).to_string();
        let failure = Asked::read(Endpoint::Completions, body.as_bytes()).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some("n"));
        for wrong in ["[]", r#"[""]"#, "[[]]", r#"[1, "a"]"#, "{}", "3", "null"] {
            assert_eq!(lengths(wrong).unwrap_err().param.as_deref(), Some("prompt"), "{wrong}");
        }
    }

    proptest! {
        // No bytes make the reader panic, on any route.
        #[test]
        fn any_body_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
            for endpoint in Endpoint::ALL {
                let _ = Asked::read(endpoint, &bytes);
                let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":{text:?}}}],"prompt":{text},"input":[{text}],"n":{text}}}"#);
                let _ = Asked::read(endpoint, body.as_bytes());
            }
        }
    }
}

use behaviour::{Clock, Schedule, Timing, Window};
use serde::Deserialize;
use units::{Duration, Ratio};
use yaml::{Map, Node, Problem, Value};

use super::{Acts, Effect, KINDS, Scope};

/// A fault as a person wrote it, checked.
///
/// ```
/// use fake_inference::Definition;
/// let text = "{ id: cut, truncate: { after: 40 }, share: 2.5%, where: { stream: true }, until: 11m }";
/// let node = yaml::parse_one("faults.yaml", text.as_bytes()).unwrap();
/// assert_eq!(Definition::read(&node, None).unwrap().effect.kind(), "truncate");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Its name: the purpose of its chance, and what the journal and the response header say.
    pub id: String,
    /// What it does.
    pub effect: Effect,
    /// Whom it hits.
    pub scope: Scope,
    /// The share of these requests that it hits; a ramp grows towards it.
    pub share: Ratio,
    /// When it acts.
    pub schedule: Schedule,
    /// It passes over this many requests of its scope first.
    pub after: u64,
    /// It looks only at this many requests of its scope (those it passed over not counted).
    pub first: Option<u64>,
    /// It ends after this many hits.
    pub max: Option<u64>,
    /// Where several faults would each decide the response, the highest does; then the first by id.
    pub priority: i32,
    /// How long it is in force from the moment it was added.
    pub ttl: Option<Duration>,
    /// The definition as it was written.
    pub written: serde_json::Value,
}

/// Everything in a definition but the effect.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
struct Frame {
    id: Option<String>,
    share: Ratio,
    #[serde(rename = "where")]
    scope: Scope,
    clock: Clock,
    from: Duration,
    until: Option<Duration>,
    window: Option<Window>,
    ramp: Duration,
    pods: Option<Ratio>,
    after: u64,
    first: Option<u64>,
    max: Option<u64>,
    priority: i32,
    ttl: Option<Duration>,
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            id: None,
            share: Ratio::ONE,
            scope: Scope::default(),
            clock: Clock::Pod,
            from: Duration::ZERO,
            until: None,
            window: None,
            ramp: Duration::ZERO,
            pods: None,
            after: 0,
            first: None,
            max: None,
            priority: 0,
            ttl: None,
        }
    }
}

impl Definition {
    /// The longest id.
    pub const MAX_ID: usize = 64;

    /// Reads a definition: the keys of the frame and exactly one key that names what the fault does.
    /// `id` is the fault's name where it is said elsewhere, as in the path of a request.
    ///
    /// # Errors
    /// What is wrong, at its place.
    pub fn read(node: &Node, id: Option<&str>) -> Result<Self, Problem> {
        let Some(map) = node.as_map() else {
            return Err(node.problem(format!("a fault is a mapping, found {}", node.kind())));
        };
        let (kinds, frame): (Map, Map) = map
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .partition(|(key, _)| KINDS.contains(&key.as_str()));
        let frame: Frame = yaml::decode(&Node::new(Value::Map(frame), node.place.clone()))
            .map_err(|problem| suggest_kind(problem, map))?;
        let effect = effect(node, kinds)?;
        let id = chosen_id(node, id, frame.id.clone(), &effect)?;
        let definition = Self::assemble(id, effect, frame, node.to_json());
        let definition = definition.map_err(|message| node.problem(message))?;
        definition.check().map_err(|message| node.problem(message))?;
        Ok(definition)
    }

    fn assemble(
        id: String,
        effect: Effect,
        frame: Frame,
        written: serde_json::Value,
    ) -> Result<Self, String> {
        let Frame { share, scope, clock, from, until, window, ramp, pods, after, first, max, .. } = frame;
        let timing = Timing { clock, from, until, window, ramp, pods };
        let schedule = Schedule::try_from(timing).map_err(|error| error.to_string())?;
        let (priority, ttl) = (frame.priority, frame.ttl);
        Ok(Self { id, effect, scope, share, schedule, after, first, max, priority, ttl, written })
    }

    fn check(&self) -> Result<(), String> {
        self.effect.check()?;
        self.scope.check()?;
        if self.share == Ratio::ZERO {
            return Err("`share` is 0%: the fault hits nothing".to_owned());
        }
        if self.first == Some(0) || self.max == Some(0) || self.ttl == Some(Duration::ZERO) {
            return Err("`first`, `max` and `ttl` must be above zero: the fault would hit nothing".to_owned());
        }
        match self.effect.acts() {
            Acts::OnRequests | Acts::OnTexts | Acts::OnStreams => Ok(()),
            Acts::OnServer | Acts::OnMetrics | Acts::OnStart => self.check_for_server(),
        }
    }

    /// A fault of the server as a whole cannot select requests.
    fn check_for_server(&self) -> Result<(), String> {
        let kind = self.effect.kind();
        let counted_after = self.after > 0 && !matches!(self.effect, Effect::Exit(_));
        let found = match self.scope.request_selector() {
            Some(selector) => format!("where.{selector}"),
            None if self.share < Ratio::ONE => "share".to_owned(),
            None if self.first.is_some() => "first".to_owned(),
            None if self.max.is_some() => "max".to_owned(),
            None if counted_after => "after".to_owned(),
            None => return Ok(()),
        };
        Err(format!(
            "`{kind}` concerns the server as a whole; `{found}` selects requests and does not go with it"
        ))
    }
}

fn effect(node: &Node, kinds: Map) -> Result<Effect, Problem> {
    match kinds.len() {
        1 => yaml::decode(&Node::new(Value::Map(kinds), node.place.clone())),
        0 => Err(node
            .problem("the fault does not say what it does")
            .with_help(format!("give one of {}", KINDS.join(", ")))),
        _ => {
            let names: Vec<_> = kinds.keys().map(String::as_str).collect();
            Err(node.problem(format!("a fault does one thing; this one does {}", names.join(" and "))))
        }
    }
}

/// An unknown key is more often a kind misspelt than a key of the frame.
fn suggest_kind(problem: Problem, map: &Map) -> Problem {
    let unknown = map.keys().find(|key| problem.message.contains(&format!("unknown key `{key}`")));
    let meant = unknown.and_then(|key| yaml::did_you_mean(key, KINDS.iter().copied()));
    match meant {
        Some(kind) if !problem.help.as_deref().is_some_and(|help| help.starts_with("did you mean")) => {
            problem.with_help(format!("did you mean `{kind}`?"))
        }
        _ => problem,
    }
}

fn chosen_id(
    node: &Node,
    outer: Option<&str>,
    inner: Option<String>,
    effect: &Effect,
) -> Result<String, Problem> {
    let id = match (outer, inner) {
        (Some(outer), Some(inner)) if outer != inner => {
            return Err(node.problem(format!("the fault is called `{outer}` in the path and `{inner}` here")));
        }
        (Some(outer), _) => outer.to_owned(),
        (None, Some(inner)) => inner,
        (None, None) => effect.kind().to_owned(),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if id.is_empty() || id.len() > Definition::MAX_ID || !id.chars().all(fits) {
        return Err(node.problem(format!(
            "`{}` is not a fault's id: 1 to {} letters, digits, `.`, `_` or `-`",
            id.chars().take(80).collect::<String>().escape_debug(),
            Definition::MAX_ID
        )));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Definition, String> {
        let node = yaml::parse_one("faults", text.as_bytes()).map_err(|problem| problem.to_string())?;
        Definition::read(&node, None).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_definition_has_one_effect_and_a_frame() {
        let fault =
            read("{ status: { code: 503 }, share: 5%, where: { path: /v1/models }, ttl: 5m }").unwrap();
        assert_eq!((fault.id.as_str(), fault.effect.kind()), ("status", "status"));
        assert_eq!((fault.share.as_f64(), fault.ttl), (0.05, Some(Duration::from_mins(5))));
    }

    #[test]
    fn what_is_wrong_with_a_definition_is_said() {
        let table = [
            ("{}", "does not say what it does"),
            ("[]", "a fault is a mapping"),
            ("{ reset: {}, close: {} }", "reset and close"),
            ("{ trunkate: { after: 3 } }", "did you mean `truncate`"),
            ("{ truncate: { afters: 3 } }", "did you mean `after`"),
            ("{ truncate: {} }", "`after` is missing"),
            ("{ status: { code: 200 } }", "from 400 to 599"),
            ("{ status: { code: 503 }, share: 0% }", "hits nothing"),
            ("{ status: { code: 503 }, share: 5 }", "percentage"),
            ("{ status: { code: 503 }, from: 5m, until: 4m }", "put `until` after `from`"),
            ("{ status: { code: 503 }, ttl: 0s }", "above zero"),
            ("{ delay: { uniform: { from: 2s, to: 1s } } }", "swap the two"),
            ("{ slow: { factor: -1 } }", "number from 0"),
            ("{ flap: { every: 1m, for: 1m } }", "below `every`"),
            ("{ never_ready: {}, where: { stream: true } }", "`where.stream` selects requests"),
            ("{ frozen: {}, share: 5% }", "`share` selects requests"),
            ("{ wedge: {}, first: 3 }", "`first` selects requests"),
            ("{ reset: {}, where: { path: v1 } }", "begins with /"),
            ("{ reset: {}, where: { header: { 'a b': c } } }", "not a header's name"),
            ("{ reset: {}, where: { headers: {} } }", "did you mean `header`"),
            ("{ reset: {}, id: 'a/b' }", "not a fault's id"),
            ("{ bucket_change: { bounds: [2, 1] } }", "bound 1"),
            ("{ rename: { metric: a, to: 'b c' } }", "not a metric's name"),
        ];
        for (text, message) in table {
            let error = read(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
            assert!(error.contains("faults:1:") || error.contains("faults"), "{text}: {error}");
        }
    }

    #[test]
    fn every_kind_is_read_under_its_own_name() {
        for kind in KINDS {
            let error = read(&format!("{{ {kind}: 3 }}")).unwrap_err();
            assert!(error.contains("expected"), "{kind}: {error}");
        }
    }

    proptest! {
        // No text makes the reader panic.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}", kind in prop::sample::select(KINDS)) {
            let _ = read(&text);
            let _ = read(&format!("{{ {kind}: {text} }}"));
            let _ = read(&format!("{{ {kind}: {{ {text} }}, {text} }}"));
        }
    }
}

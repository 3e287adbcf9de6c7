use serde::de::DeserializeOwned;
use units::Ratio;
use yaml::{Map, Node, Problem, Value, decode};

use super::anchor::{self, Names};
use super::check;
use super::state::{self, Subject};
use crate::raw::expectation::CLAIM_KEYS;
use crate::raw::{FromNode, Mapping, Requests, RequestsExpectation, Temporal};
use crate::{AlertWord, Anchor, Claim, Expectation, Limit, RequestFilter, RequestKind, RolloutWord, State};

/// Which claims an option goes with; those that are not listed go with all.
const OPTIONS: [(&str, &[&str]); 4] = [
    ("within", &["becomes", "stays"]),
    ("because", &["becomes"]),
    ("for", &["stays"]),
    ("before", &["becomes", "always", "never"]),
];

pub(super) fn read(node: &Node, names: &Names<'_>) -> Result<Expectation, Problem> {
    let subjects =
        [Subject::Rollout, Subject::Application, Subject::Resource, Subject::Alert, Subject::Requests];
    let subject = Subject::of(node, "an expectation", &subjects)?;
    let mut rest = state::without(node, subject.key());
    let (claim, in_seeds) = match subject {
        Subject::Rollout => {
            let name = state::rollout(node)?;
            temporal(&rest, names, |written, at| {
                Ok(State::Rollout(name.clone(), state::rollout_state(written, at)?))
            })?
        }
        Subject::Application => {
            let name = state::application(node)?;
            temporal(&rest, names, |written, at| {
                Ok(State::Application(name.clone(), state::application_state(written, at, names)?))
            })?
        }
        Subject::Resource => {
            let resource = state::resource(node)?;
            spell_out_becomes(&mut rest)?;
            temporal(&rest, names, |_: FromNode<Mapping>, at| {
                Ok(State::Resource(resource.clone(), state::resource_claim(at)?))
            })?
        }
        Subject::Alert => {
            let alert = state::alert(node)?;
            let rest = state::without(&rest, "labels");
            temporal(&rest, names, |word: AlertWord, _| Ok(State::Alert(alert.clone(), word)))?
        }
        Subject::Requests => requests(node, names)?,
    };
    Ok(Expectation { text: claim.to_string(), claim, in_seeds, place: node.place.clone() })
}

/// `match:` and `exists:` beside `resource:` are short for `becomes: { match: … }`.
fn spell_out_becomes(rest: &mut Node) -> Result<(), Problem> {
    let Some(map) = rest.as_map_mut() else { return Ok(()) };
    let state: Map = ["match", "exists"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), map.shift_remove(key)?)))
        .collect();
    let Some((key, first)) = state.first() else { return Ok(()) };
    if let Some(claim) = CLAIM_KEYS.into_iter().find(|claim| map.contains_key(*claim)) {
        let problem = first.problem(format!("`{key}` beside `{claim}`"));
        return Err(problem.with_help(format!("write `{claim}: {{ {key}: … }}`")));
    }
    let place = first.place.clone();
    map.insert("becomes".to_owned(), Node::new(Value::Map(state), place));
    Ok(())
}

fn temporal<S: DeserializeOwned>(
    rest: &Node,
    names: &Names<'_>,
    read_state: impl FnOnce(S, &Node) -> Result<State, Problem>,
) -> Result<(Claim, Option<Ratio>), Problem> {
    let raw: Temporal<S> = decode(rest)?;
    let at = |key: &str| rest.get(key).unwrap_or(rest);
    let of = anchor::read_optional(rest.get("of"), names)?.unwrap_or(Anchor::FirstAction);
    let before = anchor::read_optional(rest.get("before"), names)?;
    for (key, span) in [("within", raw.within), ("for", raw.hold)] {
        if let Some(span) = span {
            check::span(span, at(key))?;
        }
    }
    let key = only_claim(rest)?;
    options_fit(rest, key)?;
    let state = |written| read_state(written, at(key));
    let claim = match (raw.becomes, raw.always, raw.never, raw.stays) {
        (Some(written), ..) => {
            let state = state(written)?;
            let because = raw.because.map(|text| text.0);
            if because.is_some() && !is_abort(&state) {
                return Err(at("because")
                    .problem("`because` names the metric that aborted a Rollout")
                    .with_help("it goes with `rollout: …` and `becomes: aborted`"));
            }
            if let Some(metric) = &because {
                check::not_empty("because", metric, at("because"))?;
            }
            Claim::Becomes { state, within: raw.within, of, because, before }
        }
        (_, Some(written), ..) => Claim::Always { state: state(written)?, of, before },
        (_, _, Some(written), _) => Claim::Never { state: state(written)?, of, before },
        (.., Some(written)) => {
            Claim::Stays { state: state(written)?, within: raw.within, of, hold: raw.hold }
        }
        (None, None, None, None) => return Err(without_claim(rest)),
    };
    Ok((claim, raw.in_seeds.map(|share| share.0)))
}

fn only_claim(rest: &Node) -> Result<&'static str, Problem> {
    let mut given = CLAIM_KEYS.into_iter().filter(|key| rest.get(key).is_some());
    match (given.next(), given.next()) {
        (Some(key), None) => Ok(key),
        (Some(one), Some(other)) => Err(rest
            .problem(format!("an expectation makes one claim; this one has `{one}` and `{other}`"))
            .with_help("write an expectation for each")),
        (None, _) => Err(without_claim(rest)),
    }
}

fn without_claim(rest: &Node) -> Problem {
    rest.problem("an expectation does not say what is claimed").with_help(
        "write one of `becomes`, `always`, `never`, `stays`; a resource can also have `match` or `exists`",
    )
}

fn options_fit(rest: &Node, claim: &str) -> Result<(), Problem> {
    for (option, claims) in OPTIONS {
        if let (Some(node), false) = (rest.get(option), claims.contains(&claim)) {
            let listed = claims.iter().map(|claim| format!("`{claim}`")).collect::<Vec<_>>().join(", ");
            let problem = node.problem(format!("`{option}` says nothing beside `{claim}`"));
            return Err(problem.with_help(format!("it goes with {listed}")));
        }
    }
    Ok(())
}

fn is_abort(state: &State) -> bool {
    matches!(state, State::Rollout(_, state) if state.is == Some(RolloutWord::Aborted))
}

fn requests(node: &Node, names: &Names<'_>) -> Result<(Claim, Option<Ratio>), Problem> {
    let RequestsExpectation { requests: raw, in_seeds } = decode(node)?;
    let node = node.get("requests").unwrap_or(node);
    let Requests { total, failed, slow, wrong, truncated, hurt, model, role, step, .. } = raw;
    let bounds = [
        (RequestKind::Total, total),
        (RequestKind::Failed, failed),
        (RequestKind::Slow, slow),
        (RequestKind::Wrong, wrong),
        (RequestKind::Truncated, truncated),
        (RequestKind::Hurt, hurt),
    ];
    let bounds: Vec<_> = bounds.into_iter().filter_map(|(kind, bound)| Some((kind, bound?))).collect();
    if bounds.is_empty() {
        return Err(node
            .problem("nothing is asked of the requests")
            .with_help("bound at least one of `total`, `failed`, `slow`, `wrong`, `truncated`, `hurt`"));
    }
    if let Some(Limit::Share(_)) = total.map(|bound| bound.limit) {
        return Err(node
            .get("total")
            .unwrap_or(node)
            .problem("`total` is always all of the requests, so a share of them says nothing")
            .with_help("give a number or a rate"));
    }
    if let Some(version) = &model {
        check::model_version(&version.0, node.get("model").unwrap_or(node))?;
    }
    let which = RequestFilter {
        model: model.map(|text| text.0),
        role,
        step,
        after: anchor::read_optional(node.get("after"), names)?,
        before: anchor::read_optional(node.get("before"), names)?,
    };
    Ok((Claim::Requests { which, bounds }, in_seeds.map(|share| share.0)))
}

//! What `docs/scenario-language.md` shows is legal, and it leaves no key out.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use scenario::Scenario;
use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/scenario-language.md");

/// What a fragment is completed with; a key of the fragment replaces the key here.
const REST: &str = "
name: fragment
repository: ../fixtures/ai-deployments
events:
  - { id: release, at: 2m, merge: { delete: [a.yaml] } }
  - { after: { rollout: model-serving, is: aborted }, revert: last }
expect:
  - { rollout: model-serving, becomes: promoted }
";

fn yaml_blocks() -> Vec<&'static str> {
    PAGE.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

fn completed(block: &str) -> String {
    let mut whole = yaml::parse_one("rest", REST.as_bytes()).unwrap();
    let fragment = yaml::parse_one("block", block.as_bytes()).unwrap();
    whole.as_map_mut().unwrap().extend(fragment.as_map().unwrap().clone());
    whole.to_yaml()
}

#[test]
fn every_example_is_a_scenario_or_completes_to_one() {
    let validator = jsonschema::draft7::new(&scenario::schema()).unwrap();
    let (complete, fragments): (Vec<_>, Vec<_>) =
        yaml_blocks().into_iter().partition(|b| b.contains("\nname: "));
    assert_eq!((complete.len(), fragments.len()), (2, 11));
    let texts = complete
        .iter()
        .map(|block| (*block).to_owned())
        .chain(fragments.iter().map(|block| completed(block)));
    for text in texts {
        if let Err(problems) = Scenario::read("example.yaml", text.as_bytes()) {
            panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
        let json = yaml::parse_one("example.yaml", text.as_bytes()).unwrap().to_json();
        assert!(validator.is_valid(&json), "the schema rejects:\n{text}");
    }
}

fn keys_and_words(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            let properties = map.get("properties").and_then(Value::as_object);
            found.extend(properties.into_iter().flat_map(|properties| properties.keys().cloned()));
            let words =
                map.get("enum").and_then(Value::as_array).into_iter().flatten().chain(map.get("const"));
            found.extend(words.filter_map(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| keys_and_words(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| keys_and_words(item, found)),
        _ => {}
    }
}

#[test]
fn every_key_and_every_word_of_the_language_is_on_the_page() {
    let mut known = BTreeSet::new();
    keys_and_words(&scenario::schema(), &mut known);
    let on_page: BTreeSet<&str> =
        PAGE.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).collect();
    let missing: Vec<_> = known.iter().filter(|word| !on_page.contains(word.as_str())).collect();
    assert!(known.len() > 80, "{}", known.len());
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}

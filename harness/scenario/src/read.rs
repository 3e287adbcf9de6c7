//! From the nodes of a file to scenarios.
//!
//! Entries of `answers`, `events`, `expect` and `models` are read one by one, so that one mistake does not hide
//! the next; within an entry the first mistake is told.

use std::sync::Arc;

use indexmap::IndexMap;
use units::{Duration, Rate};
use yaml::{Node, Problem, Value, decode};

use crate::matrix::{self, Case};
use crate::{Answer, Cluster, Scenario, Traffic, raw};

mod anchor;
mod answer;
mod check;
mod event;
mod expectation;
mod model;
mod order;
mod state;

use anchor::Names;

const MAX_PROBLEMS: usize = 50;
const MAX_ENTRIES: usize = 1_000;
const SETTLE: Duration = Duration::from_mins(5);

impl Scenario {
    /// Reads a file: one scenario, or one for each case of its `matrix:`. `name` is the file's name as
    /// it is shown in problems and reports.
    ///
    /// ```
    /// let yaml = "{ name: idle, repository: ., expect: [{ requests: { failed: == 0 } }] }";
    /// let scenarios = scenario::Scenario::read("idle.yaml", yaml.as_bytes()).unwrap();
    /// assert_eq!(scenarios[0].expect[0].text, "requests: failed == 0");
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong, at most some fifty problems: one for each entry, in the order of the file.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Vec<Self>, Vec<Problem>> {
        let document = yaml::parse_one(name, bytes).map_err(|problem| vec![with_quoting_help(problem)])?;
        if document.as_map().is_none() {
            return Err(vec![
                document.problem(format!("a scenario is a mapping; this is {}", document.kind())),
            ]);
        }
        let empty = check::keys_without_value(&document);
        if !empty.is_empty() {
            return Err(limited(empty));
        }
        read_cases(&matrix::expand(&document).map_err(|problem| vec![problem])?)
    }
}

/// An entry of `answers`.
pub(crate) fn answer(node: &Node) -> Result<Answer, Problem> {
    let empty = check::keys_without_value(node);
    empty.into_iter().next().map_or_else(|| answer::read(node), Err)
}

fn read_cases(cases: &[Case]) -> Result<Vec<Scenario>, Vec<Problem>> {
    let mut scenarios = Vec::with_capacity(cases.len());
    let mut problems = Vec::new();
    let mut found = 0;
    for (index, case) in cases.iter().enumerate() {
        match read_case(case) {
            Ok(scenario) => scenarios.push(scenario),
            Err(of_case) => {
                found += of_case.len();
                problems.push((case.text.as_str(), of_case));
            }
        }
        if found > MAX_PROBLEMS {
            return Err(limited(of_all_cases(problems, index + 1)));
        }
    }
    if problems.is_empty() { Ok(scenarios) } else { Err(limited(of_all_cases(problems, cases.len()))) }
}

/// A plain `>= 1` is the beginning of a block of text to YAML, which its parser's complaint does not
/// reveal.
fn with_quoting_help(problem: Problem) -> Problem {
    let line = problem.place.as_ref().and_then(|place| place.line_text()).unwrap_or_default();
    let Some((_, rest)) = line.split_once(": >").filter(|_| problem.help.is_none()) else { return problem };
    let value = rest.trim_end_matches([' ', '}', ',']);
    let help = format!("YAML takes a plain `>` for the start of a text block; quote it: \">{value}\"");
    problem.with_help(help)
}

/// What is wrong in every case is told once; what is wrong in some is told with the first of them.
fn of_all_cases(problems: Vec<(&str, Vec<Problem>)>, cases: usize) -> Vec<Problem> {
    let mut counted: Vec<(Problem, &str, usize)> = Vec::new();
    for (case, problem) in
        problems.into_iter().flat_map(|(case, list)| list.into_iter().map(move |p| (case, p)))
    {
        match counted.iter().position(|(known, ..)| *known == problem) {
            Some(index) => counted[index].2 += 1,
            None if counted.len() > MAX_PROBLEMS => {}
            None => counted.push((problem, case, 1)),
        }
    }
    let named = |(mut problem, case, count): (Problem, &str, usize)| {
        if count < cases {
            problem.message.push_str(&format!(" (in the case {case})"));
        }
        problem
    };
    counted.into_iter().map(named).collect()
}

fn limited(mut problems: Vec<Problem>) -> Vec<Problem> {
    if problems.len() > MAX_PROBLEMS {
        problems.truncate(MAX_PROBLEMS);
        problems.push(Problem::new("there are more problems; these are the first"));
    }
    problems
}

fn read_case(case: &Case) -> Result<Scenario, Vec<Problem>> {
    let mut frame = case.document.clone();
    let models = take(&mut frame, "models", |value| matches!(value, Value::Map(_)));
    let answers = take(&mut frame, "answers", |value| matches!(value, Value::Seq(_)));
    let events = take(&mut frame, "events", |value| matches!(value, Value::Seq(_)));
    let expect = take(&mut frame, "expect", |value| matches!(value, Value::Seq(_)));

    let mut problems = Problems::default();
    let names = Names::of(events.as_ref().and_then(Node::as_seq).unwrap_or_default());
    let file = problems.note(decode::<raw::File>(&frame));
    let file = file.and_then(|file| problems.note(read_frame(file, &frame)));
    let mut models_read = IndexMap::new();
    for (version, node) in models.iter().filter_map(Node::as_map).flatten() {
        models_read.extend(problems.note(model::read(version, node)).map(|model| (version.clone(), model)));
    }
    let server = problems.note(model::common_server(&models_read)).flatten();
    let answers_read = problems.entries(answers.as_ref(), answer::read);
    for answer in &answers_read {
        problems.0.extend(answer::unknown_model(answer, models.as_ref()));
    }
    let events_read = problems.entries(events.as_ref(), |node| event::read(node, &names));
    let expect_read = problems.entries(expect.as_ref(), |node| expectation::read(node, &names));
    if let Some(empty) = expect.as_ref().filter(|node| node.as_seq().is_some_and(<[Node]>::is_empty)) {
        problems.0.push(
            empty
                .problem("nothing is expected")
                .with_help("add at least one claim, or the run proves nothing"),
        );
    }
    let nodes = events.as_ref().and_then(Node::as_seq).unwrap_or_default();
    problems.0.extend(anchor::contradictory_ids(nodes));
    let duration = file.as_ref().and_then(|scenario| scenario.duration);
    problems.0.extend(order::contradictions(&events_read, nodes.len() == events_read.len(), duration));
    match file {
        Some(scenario) if problems.0.is_empty() => Ok(Scenario {
            case: case.text.clone(),
            models: models_read.into_iter().map(|(version, model)| (version, model.profile)).collect(),
            server,
            answers: answers_read,
            events: events_read,
            expect: expect_read,
            document: Arc::new(case.document.clone()),
            ..scenario
        }),
        Some(_) | None => Err(problems.in_order()),
    }
}

/// Takes a list or mapping out of the document, leaving an empty one, so that its entries can be read
/// by themselves. A value of another kind stays for the decoder to complain about.
fn take(frame: &mut Node, key: &str, of_kind: fn(&Value) -> bool) -> Option<Node> {
    let node = frame.as_map_mut()?.get_mut(key).filter(|node| of_kind(&node.value))?;
    let empty = match node.value {
        Value::Map(_) => Value::Map(yaml::Map::new()),
        Value::Seq(_) | Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {
            Value::Seq(Vec::new())
        }
    };
    let value = std::mem::replace(&mut node.value, empty);
    Some(Node::new(value, node.place.clone()))
}

/// What is wrong with a file, collected.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn note<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    fn entries<T>(&mut self, list: Option<&Node>, read: impl Fn(&Node) -> Result<T, Problem>) -> Vec<T> {
        let items = list.and_then(Node::as_seq).unwrap_or_default();
        if let Some(item) = items.get(MAX_ENTRIES) {
            self.0.push(item.problem(format!("a list here has at most {MAX_ENTRIES} entries")));
        }
        let mut entries = Vec::with_capacity(items.len().min(MAX_ENTRIES));
        for item in items.iter().take(MAX_ENTRIES) {
            entries.extend(self.note(read(item)));
            if self.0.len() > MAX_PROBLEMS {
                break;
            }
        }
        entries
    }

    fn in_order(mut self) -> Vec<Problem> {
        self.0.sort_by_key(|problem| problem.place.as_ref().map(|place| (place.line, place.column)));
        self.0
    }
}

/// The file without its models, answers, events and expectations, which are filled in later.
fn read_frame(file: raw::File, node: &Node) -> Result<Scenario, Problem> {
    let at = |path: &[&str]| node.at(path).unwrap_or(node);
    check::name("a scenario's name", &file.name.0, at(&["name"]))?;
    if file.repository.0.is_empty() {
        return Err(at(&["repository"])
            .problem("`repository` is empty")
            .with_help("name a folder, relative to this file"));
    }
    for (path, item) in file.apply.iter().zip(at(&["apply"]).as_seq().unwrap_or_default()) {
        check::path(&path.0, item)?;
    }
    if let Some(duration) = file.duration {
        check::span(duration, at(&["duration"]))?;
    }
    let settle = file.settle.unwrap_or(SETTLE);
    check::span(settle, at(&["settle"]))?;
    Ok(Scenario {
        name: file.name.0,
        case: String::new(),
        story: file.story.map(|text| text.0).unwrap_or_default(),
        repository: file.repository.0,
        apply: file.apply.into_iter().map(|path| path.0).collect(),
        models: IndexMap::new(),
        server: None,
        traffic: read_traffic(file.traffic, at(&["traffic"]))?,
        cluster: read_cluster(&file.cluster, at(&["cluster"]))?,
        answers: Vec::new(),
        events: Vec::new(),
        expect: Vec::new(),
        duration: file.duration,
        settle,
        source: Arc::clone(&node.place.source),
        document: Arc::new(node.clone()),
    })
}

fn read_traffic(traffic: Option<raw::Traffic>, node: &Node) -> Result<Traffic, Problem> {
    let Some(traffic) = traffic else { return Ok(Traffic { rate: Rate::ZERO, service: None, slow: None }) };
    let at = |key: &str| node.get(key).unwrap_or(node);
    check::rate(traffic.rate, at("rate"))?;
    if let Some(service) = &traffic.service {
        check::resource_name("a Service", &service.0, at("service"))?;
    }
    if let Some(slow) = traffic.slow {
        check::span(slow, at("slow"))?;
    }
    Ok(Traffic { rate: traffic.rate, service: traffic.service.map(|text| text.0), slow: traffic.slow })
}

fn read_cluster(cluster: &raw::Cluster, node: &Node) -> Result<Cluster, Problem> {
    let at = |key: &str| node.get(key).unwrap_or(node);
    let default = Cluster::default();
    let read = Cluster {
        nodes: cluster.nodes.unwrap_or(default.nodes),
        gpus_per_node: cluster.gpus_per_node.unwrap_or(default.gpus_per_node),
        pod_start: cluster.pod_start.unwrap_or(default.pod_start),
        scrape_interval: cluster.scrape_interval.unwrap_or(default.scrape_interval),
        webhook: cluster.webhook.unwrap_or(default.webhook),
    };
    check::count("nodes", read.nodes, 1..=10_000, at("nodes"))?;
    check::count("gpus_per_node", read.gpus_per_node, 0..=1_000, at("gpus_per_node"))?;
    check::time(read.pod_start, at("pod_start"))?;
    check::span(read.scrape_interval, at("scrape_interval"))?;
    Ok(read)
}

//! From a tree to a text (go text/template/exec.go).

use std::rc::Rc;

use promql::Labels;

use super::Data;
use super::error::ExpandError;
use super::format;
use super::functions::{Count, Function};
use super::parse::Parsed;
use super::tree::{Base, Branch, Command, Node, Operand, Pipeline};
use super::value::Value;

/// How deep templates may call each other.
const MAX_DEPTH: usize = 100;
/// The longest text that a template may give, in bytes.
const MAX_OUTPUT: usize = 1 << 20;
/// How many nodes an expansion may walk.
const MAX_STEPS: usize = 1_000_000;

/// One expansion.
pub(super) struct Expansion<'a> {
    template: &'a Parsed,
    data: &'a Data<'a>,
    output: String,
    variables: Vec<(String, Value)>,
    depth: usize,
    steps: usize,
}

/// How a list ended.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Goes,
    Breaks,
    Continues,
}

type Result<T> = std::result::Result<T, ExpandError>;

impl<'a> Expansion<'a> {
    /// The text of a template.
    pub(super) fn run(template: &'a Parsed, data: &'a Data<'a>) -> Result<String> {
        let labels = |labels: &Labels| Value::Labels(labels.clone());
        let variables = [
            ("$", Value::Root),
            ("$labels", labels(data.labels)),
            ("$externalLabels", labels(data.external_labels)),
            ("$externalURL", Value::Text(data.external_url.to_owned())),
            ("$value", Value::Float(data.value)),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        let mut expansion = Self { template, data, output: String::new(), variables, depth: 0, steps: 0 };
        expansion.list(&Value::Root, &template.list)?;
        Ok(expansion.output)
    }

    fn list(&mut self, dot: &Value, list: &'a [Node]) -> Result<Flow> {
        for node in list {
            match self.node(dot, node)? {
                Flow::Goes => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Goes)
    }

    fn node(&mut self, dot: &Value, node: &'a Node) -> Result<Flow> {
        self.steps += 1;
        if self.steps > MAX_STEPS || self.output.len() > MAX_OUTPUT {
            return Err(ExpandError::NotSimulated(format!(
                "a template of more than {MAX_STEPS} steps or {MAX_OUTPUT} bytes"
            )));
        }
        match node {
            Node::Text(text) => self.output.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(dot, pipeline)?;
                if pipeline.variables.is_empty() {
                    self.output.push_str(&format::show(&value)?);
                }
            }
            Node::If(branch) => return self.branch(dot, branch, false),
            Node::With(branch) => return self.branch(dot, branch, true),
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template { name, data } => self.template(dot, name, data.as_ref())?,
            Node::Break => return Ok(Flow::Breaks),
            Node::Continue => return Ok(Flow::Continues),
        }
        Ok(Flow::Goes)
    }

    fn branch(&mut self, dot: &Value, branch: &'a Branch, sets_dot: bool) -> Result<Flow> {
        let known = self.variables.len();
        let value = self.pipeline(dot, &branch.pipeline)?;
        let flow = match value.is_true() {
            true if sets_dot => self.list(&value, &branch.list),
            true => self.list(dot, &branch.list),
            false => self.list(dot, &branch.otherwise),
        };
        self.variables.truncate(known);
        flow
    }

    fn range(&mut self, dot: &Value, branch: &'a Branch) -> Result<Flow> {
        let known = self.variables.len();
        let value = self.pipeline(dot, &branch.pipeline)?;
        let names = &branch.pipeline.variables;
        let elements = elements(&value)?;
        if matches!(value, Value::Int(_)) && names.len() > 1 {
            return Err(ExpandError::failed("can't use it to iterate over more than one variable"));
        }
        if elements.is_empty() {
            let flow = self.list(dot, &branch.otherwise);
            self.variables.truncate(known);
            return flow;
        }
        let inside = self.variables.len();
        for (index, element) in elements {
            let targets: Vec<Value> = match names.len() {
                0 => Vec::new(),
                1 => vec![element.clone()],
                _ => vec![index, element.clone()],
            };
            for (at, (name, target)) in names.iter().zip(targets).enumerate() {
                match branch.pipeline.assigns {
                    true => self.assign(name, target),
                    false => self.variables[inside - names.len() + at].1 = target,
                }
            }
            let flow = self.list(&element, &branch.list)?;
            self.variables.truncate(inside);
            if flow == Flow::Breaks {
                break;
            }
        }
        self.variables.truncate(known);
        Ok(Flow::Goes)
    }

    /// A template by its name, which knows no variables but `$`.
    fn template(&mut self, dot: &Value, name: &str, data: Option<&'a Pipeline>) -> Result<()> {
        let template = self.template;
        let Some(list) = template.defined.get(name) else {
            return Err(ExpandError::failed(format!("template {name:?} not defined")));
        };
        if self.depth == MAX_DEPTH {
            return Err(ExpandError::NotSimulated(format!(
                "templates that call each other {MAX_DEPTH} deep"
            )));
        }
        let dot = data.map_or(Ok(Value::Nil), |pipeline| self.pipeline(dot, pipeline))?;
        let outside = std::mem::replace(&mut self.variables, vec![("$".to_owned(), dot.clone())]);
        self.depth += 1;
        self.list(&dot, list)?;
        self.depth -= 1;
        self.variables = outside;
        Ok(())
    }

    fn assign(&mut self, name: &str, value: Value) {
        if let Some((_, known)) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            *known = value;
        }
    }

    fn pipeline(&mut self, dot: &Value, pipeline: &'a Pipeline) -> Result<Value> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(dot, command, value)?);
        }
        let value = value.unwrap_or(Value::Nil);
        for name in &pipeline.variables {
            match pipeline.assigns {
                true => self.assign(name, value.clone()),
                false => self.variables.push((name.clone(), value.clone())),
            }
        }
        Ok(value)
    }

    /// A command with the result of the one before, which is its last argument.
    fn command(&mut self, dot: &Value, command: &'a Command, last: Option<Value>) -> Result<Value> {
        if let Operand::Function(name) = &command.first {
            return self.call(dot, name, &command.arguments, last);
        }
        if !command.arguments.is_empty() || last.is_some() {
            return Err(ExpandError::failed("can't give argument to non-function"));
        }
        match &command.first {
            Operand::Nil => Err(ExpandError::failed("nil is not a command")),
            operand => self.operand(dot, operand),
        }
    }

    fn operand(&mut self, dot: &Value, operand: &'a Operand) -> Result<Value> {
        Ok(match operand {
            Operand::Nil => Value::Nil,
            Operand::Bool(value) => Value::Bool(*value),
            Operand::Int(value) => Value::Int(*value),
            Operand::Float(value) => Value::Float(*value),
            Operand::Text(text) => Value::Text(text.clone()),
            Operand::Function(name) => self.call(dot, name, &[], None)?,
            Operand::Path(base, fields) => {
                let base = match base {
                    Base::Dot => dot.clone(),
                    Base::Variable(name) => self.variable(name),
                    Base::Function(name) => self.call(dot, name, &[], None)?,
                    Base::Pipeline(pipeline) => self.pipeline(dot, pipeline)?,
                };
                fields.iter().try_fold(base, |value, field| self.field(&value, field))?
            }
        })
    }

    fn variable(&self, name: &str) -> Value {
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        found.map_or(Value::Nil, |(_, value)| value.clone())
    }

    fn field(&self, value: &Value, name: &str) -> Result<Value> {
        Ok(match (value, name) {
            (Value::Nil, _) => Value::Nil,
            (Value::Labels(labels), name) => Value::Text(labels.get(name).unwrap_or_default().to_owned()),
            (Value::Arguments(arguments), name) => arguments.get(name).cloned().unwrap_or(Value::Nil),
            (Value::Sample(sample), "Labels") => Value::Labels(sample.labels.clone()),
            (Value::Sample(sample), "Value") => Value::Float(sample.value),
            (Value::Root, "Labels") => Value::Labels(self.data.labels.clone()),
            (Value::Root, "ExternalLabels") => Value::Labels(self.data.external_labels.clone()),
            (Value::Root, "ExternalURL") => Value::Text(self.data.external_url.to_owned()),
            (Value::Root, "Value") => Value::Float(self.data.value),
            (other, name) => {
                let type_name = other.type_name();
                return Err(ExpandError::failed(format!("can't evaluate field {name} in type {type_name}")));
            }
        })
    }

    fn call(
        &mut self,
        dot: &Value,
        name: &str,
        operands: &'a [Operand],
        last: Option<Value>,
    ) -> Result<Value> {
        let function = Function::named(name);
        if let Some(Function::And | Function::Or) = function {
            return self.logic(dot, name == "or", operands, last);
        }
        let mut arguments =
            operands.iter().map(|operand| self.operand(dot, operand)).collect::<Result<Vec<_>>>()?;
        arguments.extend(last);
        let got = arguments.len();
        let expect = |want: usize| match got == want {
            true => Ok(()),
            false => {
                Err(ExpandError::failed(format!("wrong number of args for {name}: want {want} got {got}")))
            }
        };
        let in_call = |error: ExpandError| match error {
            ExpandError::Failed(why) => ExpandError::Failed(format!("error calling {name}: {why}")),
            other => other,
        };
        match function {
            Some(Function::Plain(call, count)) => {
                match count {
                    Count::Exactly(want) => expect(want)?,
                    Count::AtLeast(want) if got < want => {
                        return Err(ExpandError::failed(format!(
                            "wrong number of args for {name}: want at least {want} got {got}"
                        )));
                    }
                    Count::AtLeast(_) => {}
                }
                call(&arguments).map_err(in_call)
            }
            Some(Function::Now) => {
                expect(0)?;
                Ok(Value::Float(self.data.at_ms as f64 / 1000.0))
            }
            Some(Function::Query) => {
                expect(1)?;
                let Value::Text(query) = &arguments[0] else {
                    return Err(ExpandError::failed("wrong type for value; expected string"));
                };
                Ok(Value::Samples(Rc::new((self.data.query)(query).map_err(in_call)?)))
            }
            Some(Function::And | Function::Or | Function::NotSimulated) | None => {
                Err(ExpandError::NotSimulated(format!("the template function `{name}`")))
            }
        }
    }

    /// `and` and `or` give the first argument that decides, or the last one.
    fn logic(
        &mut self,
        dot: &Value,
        is_or: bool,
        operands: &'a [Operand],
        last: Option<Value>,
    ) -> Result<Value> {
        let mut value = None;
        for operand in operands {
            let found = self.operand(dot, operand)?;
            if found.is_true() == is_or {
                return Ok(found);
            }
            value = Some(found);
        }
        last.or(value).ok_or_else(|| {
            let name = if is_or { "or" } else { "and" };
            ExpandError::failed(format!("wrong number of args for {name}: want at least 1 got 0"))
        })
    }
}

/// What a range goes through, with keys or positions.
fn elements(value: &Value) -> Result<Vec<(Value, Value)>> {
    let text = |text: &str| Value::Text(text.to_owned());
    Ok(match value {
        Value::Nil => Vec::new(),
        Value::Labels(labels) => labels.iter().map(|label| (text(&label.name), text(&label.value))).collect(),
        Value::Arguments(arguments) => {
            arguments.iter().map(|(name, value)| (text(name), value.clone())).collect()
        }
        Value::Samples(samples) => samples
            .iter()
            .enumerate()
            .map(|(at, sample)| (Value::Int(at as i64), Value::Sample(Rc::new(sample.clone()))))
            .collect(),
        Value::Int(count) if *count > MAX_STEPS as i64 => {
            return Err(ExpandError::NotSimulated(format!("a range over more than {MAX_STEPS} numbers")));
        }
        Value::Int(count) => (0..*count).map(|at| (Value::Nil, Value::Int(at))).collect(),
        other => {
            return Err(ExpandError::failed(format!(
                "range can't iterate over a value of type {}",
                other.type_name()
            )));
        }
    })
}

//! What a template says.

/// Parts of a template, in order.
pub(super) type List = Vec<Node>;

/// One part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Action(Pipeline),
    If(Branch),
    Range(Branch),
    With(Branch),
    /// `{{ template "name" pipeline }}`
    Template {
        name: String,
        data: Option<Pipeline>,
    },
    Break,
    Continue,
}

/// A pipeline that decides which list is taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub(super) pipeline: Pipeline,
    pub(super) list: List,
    pub(super) otherwise: List,
}

/// Commands, each given the result of the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipeline {
    /// The variables that the result goes into.
    pub(super) variables: Vec<String>,
    /// Whether they exist already (`=`) or are made here (`:=`).
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// An operand, and its arguments if it is a function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    pub(super) first: Operand,
    pub(super) arguments: Vec<Operand>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Function(String),
    /// A base and the fields that follow it.
    Path(Base, Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Base {
    Dot,
    Variable(String),
    Function(String),
    Pipeline(Box<Pipeline>),
}

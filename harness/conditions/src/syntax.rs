//! The syntax tree.

use crate::error::Location;

/// One node. `id` names the node in the table of natures; `depth` and `size` bound recursion.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: u32,
    pub(crate) at: Location,
    pub(crate) depth: u32,
    pub(crate) size: u32,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Identifier(String),
    Unary(UnaryOp, Box<Node>),
    Binary(BinaryOp, Box<Node>, Box<Node>),
    /// Everything between the first `?.` and the end of its member path.
    Chain(Box<Node>),
    Member {
        object: Box<Node>,
        property: Box<Node>,
        optional: bool,
        method: bool,
    },
    Slice {
        object: Box<Node>,
        from: Option<Box<Node>>,
        to: Option<Box<Node>>,
    },
    Call {
        callee: Box<Node>,
        arguments: Vec<Node>,
    },
    Builtin {
        function: Function,
        arguments: Vec<Node>,
        /// Applied to each element kept by `filter` or found by `find` (only after optimization).
        mapped: Option<Box<Node>>,
        /// `find` fails when nothing is found (only after optimization).
        throws: bool,
    },
    Predicate(Box<Node>),
    Pointer(Pointer),
    Let {
        name: String,
        value: Box<Node>,
        body: Box<Node>,
    },
    Sequence(Vec<Node>),
    Conditional {
        condition: Box<Node>,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
    Array(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// `#`, `#index`, `#acc` and, until the type check refuses it, any other name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pointer {
    Element,
    Index,
    Accumulator,
    Other(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Bang,
    Not,
    Minus,
    Plus,
}

impl UnaryOp {
    pub(crate) fn from_text(text: &str) -> Option<UnaryOp> {
        match text {
            "!" => Some(UnaryOp::Bang),
            "not" => Some(UnaryOp::Not),
            "-" => Some(UnaryOp::Minus),
            "+" => Some(UnaryOp::Plus),
            _ => None,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            UnaryOp::Bang => "!",
            UnaryOp::Not => "not",
            UnaryOp::Minus => "-",
            UnaryOp::Plus => "+",
        }
    }

    pub(crate) fn precedence(self) -> u32 {
        match self {
            UnaryOp::Bang | UnaryOp::Not => 50,
            UnaryOp::Minus | UnaryOp::Plus => 90,
        }
    }

    pub(crate) fn is_negation(self) -> bool {
        matches!(self, UnaryOp::Bang | UnaryOp::Not)
    }
}

macro_rules! binary_operators {
    ($($name:ident $text:literal $precedence:literal,)*) => {
        /// Binary operators with the precedences of expr `parser/operator/operator.go`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum BinaryOp { $($name,)* }

        impl BinaryOp {
            pub(crate) fn from_text(text: &str) -> Option<BinaryOp> {
                match text { $($text => Some(BinaryOp::$name),)* _ => None }
            }

            pub(crate) fn text(self) -> &'static str {
                match self { $(BinaryOp::$name => $text,)* }
            }

            pub(crate) fn precedence(self) -> u32 {
                match self { $(BinaryOp::$name => $precedence,)* }
            }
        }
    };
}

binary_operators! {
    Pipe "|" 0,
    OrWord "or" 10,
    Or "||" 10,
    AndWord "and" 15,
    And "&&" 15,
    Equal "==" 20,
    NotEqual "!=" 20,
    Less "<" 20,
    More ">" 20,
    MoreOrEqual ">=" 20,
    LessOrEqual "<=" 20,
    In "in" 20,
    Matches "matches" 20,
    Contains "contains" 20,
    StartsWith "startsWith" 20,
    EndsWith "endsWith" 20,
    Range ".." 25,
    Add "+" 30,
    Subtract "-" 30,
    Multiply "*" 60,
    Divide "/" 60,
    Modulo "%" 60,
    Power "**" 100,
    Caret "^" 100,
    Coalesce "??" 500,
}

impl BinaryOp {
    pub(crate) fn is_right_associative(self) -> bool {
        matches!(self, BinaryOp::Power | BinaryOp::Caret)
    }

    pub(crate) fn is_comparison(self) -> bool {
        matches!(self, BinaryOp::Less | BinaryOp::More | BinaryOp::MoreOrEqual | BinaryOp::LessOrEqual)
    }

    pub(crate) fn is_and(self) -> bool {
        matches!(self, BinaryOp::And | BinaryOp::AndWord)
    }

    pub(crate) fn is_or(self) -> bool {
        matches!(self, BinaryOp::Or | BinaryOp::OrWord)
    }

    /// May follow `not`, as in `not in`.
    pub(crate) fn is_negatable(self) -> bool {
        matches!(
            self,
            BinaryOp::In | BinaryOp::Matches | BinaryOp::Contains | BinaryOp::StartsWith | BinaryOp::EndsWith
        )
    }
}

macro_rules! functions {
    ($($name:ident $text:literal,)*) => {
        /// The functions of expr that are evaluated here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Function { $($name,)* }

        impl Function {
            pub(crate) fn from_text(text: &str) -> Option<Function> {
                match text { $($text => Some(Function::$name),)* _ => None }
            }

            pub(crate) fn text(self) -> &'static str {
                match self { $(Function::$name => $text,)* }
            }
        }
    };
}

functions! {
    All "all",
    None "none",
    Any "any",
    One "one",
    Filter "filter",
    Map "map",
    Count "count",
    Sum "sum",
    Find "find",
    FindIndex "findIndex",
    FindLast "findLast",
    FindLastIndex "findLastIndex",
    GroupBy "groupBy",
    Reduce "reduce",
    Len "len",
    Type "type",
    Abs "abs",
    Ceil "ceil",
    Floor "floor",
    Round "round",
    Int "int",
    Float "float",
    String "string",
    Trim "trim",
    TrimPrefix "trimPrefix",
    TrimSuffix "trimSuffix",
    Upper "upper",
    Lower "lower",
    Split "split",
    Replace "replace",
    Join "join",
    IndexOf "indexOf",
    LastIndexOf "lastIndexOf",
    HasPrefix "hasPrefix",
    HasSuffix "hasSuffix",
    Max "max",
    Min "min",
    Mean "mean",
    Median "median",
    First "first",
    Last "last",
    Get "get",
    Take "take",
    Keys "keys",
    Values "values",
    Reverse "reverse",
    Uniq "uniq",
    Concat "concat",
    Flatten "flatten",
    Sort "sort",
}

/// Functions of expr that are refused by name.
pub(crate) const FUNCTIONS_NOT_SIMULATED: &[&str] = &[
    "sortBy",
    "splitAfter",
    "repeat",
    "toJSON",
    "fromJSON",
    "toBase64",
    "fromBase64",
    "now",
    "duration",
    "date",
    "timezone",
    "toPairs",
    "fromPairs",
    "bitand",
    "bitor",
    "bitxor",
    "bitnand",
    "bitshl",
    "bitshr",
    "bitushr",
    "bitnot",
];

/// What the second and third argument of a predicate function may be (expr `parser.go: predicates`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    Expression,
    Predicate,
    OptionalPredicate,
    OptionalExpression,
}

impl Function {
    /// The parameters of a function that takes a predicate; `None` for ordinary functions.
    pub(crate) fn predicate_parameters(self) -> Option<&'static [Argument]> {
        match self {
            Function::All
            | Function::None
            | Function::Any
            | Function::One
            | Function::Filter
            | Function::Map
            | Function::Find
            | Function::FindIndex
            | Function::FindLast
            | Function::FindLastIndex
            | Function::GroupBy => Some(&[Argument::Expression, Argument::Predicate]),
            Function::Count | Function::Sum => Some(&[Argument::Expression, Argument::OptionalPredicate]),
            Function::Reduce => {
                Some(&[Argument::Expression, Argument::Predicate, Argument::OptionalExpression])
            }
            Function::Len
            | Function::Type
            | Function::Abs
            | Function::Ceil
            | Function::Floor
            | Function::Round
            | Function::Int
            | Function::Float
            | Function::String
            | Function::Trim
            | Function::TrimPrefix
            | Function::TrimSuffix
            | Function::Upper
            | Function::Lower
            | Function::Split
            | Function::Replace
            | Function::Join
            | Function::IndexOf
            | Function::LastIndexOf
            | Function::HasPrefix
            | Function::HasSuffix
            | Function::Max
            | Function::Min
            | Function::Mean
            | Function::Median
            | Function::First
            | Function::Last
            | Function::Get
            | Function::Take
            | Function::Keys
            | Function::Values
            | Function::Reverse
            | Function::Uniq
            | Function::Concat
            | Function::Flatten
            | Function::Sort => None,
        }
    }
}

impl Node {
    /// The direct children, in the order of evaluation as written.
    pub(crate) fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Nil
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Float(_)
            | Kind::Str(_)
            | Kind::Identifier(_)
            | Kind::Pointer(_) => Vec::new(),
            Kind::Unary(_, inner) | Kind::Chain(inner) | Kind::Predicate(inner) => vec![inner],
            Kind::Binary(_, left, right) => vec![left, right],
            Kind::Member { object, property, .. } => vec![object, property],
            Kind::Slice { object, from, to } => {
                std::iter::once(&**object).chain(from.as_deref()).chain(to.as_deref()).collect()
            }
            Kind::Call { callee, arguments } => std::iter::once(&**callee).chain(arguments).collect(),
            Kind::Builtin { arguments, mapped, .. } => arguments.iter().chain(mapped.as_deref()).collect(),
            Kind::Let { value, body, .. } => vec![value, body],
            Kind::Sequence(nodes) | Kind::Array(nodes) => nodes.iter().collect(),
            Kind::Conditional { condition, then, otherwise } => vec![condition, then, otherwise],
            Kind::Map(pairs) => pairs.iter().flat_map(|(key, value)| [key, value]).collect(),
        }
    }

    /// Whether the node is the identifier of this name.
    pub(crate) fn is_identifier(&self, name: &str) -> bool {
        matches!(&self.kind, Kind::Identifier(text) if text == name)
    }
}

//! Static types: Go's types as far as a condition can meet them, and expr's natures
//! (expr `checker/nature`).

use std::fmt;

use crate::condition::Dialect;
use crate::value::Value;

/// The functions that Argo Rollouts adds to the language (evaluate.go: EvalCondition).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostFunction {
    AsInt,
    AsFloat,
    IsNan,
    IsInf,
    IsNil,
    Default,
}

impl HostFunction {
    pub(crate) fn from_text(text: &str) -> Option<HostFunction> {
        match text {
            "asInt" => Some(HostFunction::AsInt),
            "asFloat" => Some(HostFunction::AsFloat),
            "isNaN" => Some(HostFunction::IsNan),
            "isInf" => Some(HostFunction::IsInf),
            "isNil" => Some(HostFunction::IsNil),
            "default" => Some(HostFunction::Default),
            _ => None,
        }
    }

    pub(crate) fn parameters(self) -> &'static [GoType] {
        match self {
            HostFunction::AsInt | HostFunction::AsFloat | HostFunction::IsNil => &[GoType::Any],
            HostFunction::IsNan | HostFunction::IsInf => &[GoType::Float],
            HostFunction::Default => &[GoType::Any, GoType::Any],
        }
    }

    pub(crate) fn output(self) -> GoType {
        match self {
            HostFunction::AsInt => GoType::Int64,
            HostFunction::AsFloat => GoType::Float,
            HostFunction::IsNan | HostFunction::IsInf | HostFunction::IsNil => GoType::Bool,
            HostFunction::Default => GoType::Any,
        }
    }
}

/// A Go type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum GoType {
    Any,
    Bool,
    Int,
    Int64,
    Float,
    String,
    Slice(Box<GoType>),
    Map(Box<GoType>, Box<GoType>),
    Function(HostFunction),
}

impl GoType {
    pub(crate) fn slice_of(element: GoType) -> GoType {
        GoType::Slice(Box::new(element))
    }

    pub(crate) fn anys() -> GoType {
        GoType::slice_of(GoType::Any)
    }

    pub(crate) fn map_of(key: GoType, value: GoType) -> GoType {
        GoType::Map(Box::new(key), Box::new(value))
    }

    /// Same `reflect.Kind`.
    pub(crate) fn same_kind(&self, other: &GoType) -> bool {
        match (self, other) {
            (GoType::Slice(_), GoType::Slice(_))
            | (GoType::Map(..), GoType::Map(..))
            | (GoType::Function(_), GoType::Function(_)) => true,
            _ => self == other,
        }
    }

    pub(crate) fn is_integer(&self) -> bool {
        matches!(self, GoType::Int | GoType::Int64)
    }

    pub(crate) fn is_number(&self) -> bool {
        self.is_integer() || *self == GoType::Float
    }
}

impl fmt::Display for GoType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GoType::Any => f.write_str("interface {}"),
            GoType::Bool => f.write_str("bool"),
            GoType::Int => f.write_str("int"),
            GoType::Int64 => f.write_str("int64"),
            GoType::Float => f.write_str("float64"),
            GoType::String => f.write_str("string"),
            GoType::Slice(element) => write!(f, "[]{element}"),
            GoType::Map(key, value) => write!(f, "map[{key}]{value}"),
            GoType::Function(function) => {
                let parameters: Vec<String> = function.parameters().iter().map(GoType::to_string).collect();
                write!(f, "func({}) {}", parameters.join(", "), function.output())
            }
        }
    }
}

/// What the checker knows about an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Nature {
    /// Nothing. Expr 1.15 has `interface {}` in its place.
    Unknown,
    /// The literal `nil`, or a nil result.
    Nil,
    /// A type, and for arrays what is known about the elements beyond the type.
    Known(GoType, Option<Box<Nature>>),
}

impl From<GoType> for Nature {
    fn from(go: GoType) -> Self {
        Nature::Known(go, None)
    }
}

impl Nature {
    /// An array of Go type `[]interface {}` whose elements have this nature (1.17 `MakeArrayOf`); in 1.15
    /// an array of exactly that Go type (`reflect.SliceOf`).
    pub(crate) fn array_of(element: Nature, dialect: Dialect) -> Nature {
        match (dialect, &element) {
            (Dialect::Expr1_15, Nature::Known(go, _)) => GoType::slice_of(go.clone()).into(),
            (Dialect::Expr1_15, Nature::Unknown | Nature::Nil) => GoType::anys().into(),
            (Dialect::Expr1_17, _) => Nature::Known(GoType::anys(), Some(Box::new(element))),
        }
    }

    pub(crate) fn go(&self) -> Option<&GoType> {
        match self {
            Nature::Known(go, _) => Some(go),
            Nature::Unknown | Nature::Nil => None,
        }
    }

    pub(crate) fn is(&self, go: &GoType) -> bool {
        self.go() == Some(go)
    }

    pub(crate) fn is_nil(&self) -> bool {
        *self == Nature::Nil
    }

    pub(crate) fn is_unknown(&self) -> bool {
        match self {
            Nature::Unknown | Nature::Known(GoType::Any, _) => true,
            Nature::Nil | Nature::Known(..) => false,
        }
    }

    pub(crate) fn is_bool(&self) -> bool {
        self.is(&GoType::Bool)
    }

    pub(crate) fn is_string(&self) -> bool {
        self.is(&GoType::String)
    }

    pub(crate) fn is_integer(&self) -> bool {
        self.go().is_some_and(GoType::is_integer)
    }

    pub(crate) fn is_number(&self) -> bool {
        self.go().is_some_and(GoType::is_number)
    }

    pub(crate) fn is_array(&self) -> bool {
        matches!(self.go(), Some(GoType::Slice(_)))
    }

    /// The nature of the elements of an array or map.
    pub(crate) fn element(&self) -> Nature {
        match self {
            Nature::Known(GoType::Slice(_), Some(element)) => (**element).clone(),
            Nature::Known(GoType::Slice(go) | GoType::Map(_, go), _) => (**go).clone().into(),
            Nature::Known(..) | Nature::Unknown | Nature::Nil => Nature::Unknown,
        }
    }

    /// Go's assignability between the types that occur here.
    pub(crate) fn assignable_to(&self, target: &Nature) -> bool {
        match (self, target) {
            (Nature::Nil, Nature::Known(go, _)) => {
                matches!(go, GoType::Any | GoType::Map(..) | GoType::Slice(_) | GoType::Function(_))
            }
            (Nature::Known(go, _), Nature::Known(target, _)) => *target == GoType::Any || go == target,
            _ => false,
        }
    }

    /// Whether `==` is allowed (1.17 `ComparableTo`, 1.15 `isComparable`).
    pub(crate) fn comparable_to(&self, other: &Nature, dialect: Dialect) -> bool {
        let always = self.is_unknown()
            || other.is_unknown()
            || self.is_nil()
            || other.is_nil()
            || self.is_number() && other.is_number();
        always
            || match (dialect, self.go(), other.go()) {
                (Dialect::Expr1_15, Some(a), Some(b)) => a.same_kind(b),
                (Dialect::Expr1_15, _, _) => false,
                (Dialect::Expr1_17, _, _) => self.is_array() && other.is_array() || self.assignable_to(other),
            }
    }

    /// The name in messages.
    pub(crate) fn name(&self, dialect: Dialect) -> String {
        match (self, dialect) {
            (Nature::Known(go, _), _) => go.to_string(),
            (Nature::Unknown, Dialect::Expr1_15) => GoType::Any.to_string(),
            (Nature::Unknown | Nature::Nil, Dialect::Expr1_17) => "unknown".to_string(),
            (Nature::Nil, Dialect::Expr1_15) => "<nil>".to_string(),
        }
    }

    /// The static type of a measured value.
    pub(crate) fn of(value: &Value) -> Nature {
        use serde_json::Value as Json;
        match value {
            Value::Float(_) | Value::Json(Json::Number(_)) => GoType::Float.into(),
            Value::Floats(_) => GoType::slice_of(GoType::Float).into(),
            Value::Nil | Value::Json(Json::Null) => Nature::Nil,
            Value::Text(_) | Value::Json(Json::String(_)) => GoType::String.into(),
            Value::Bool(_) | Value::Json(Json::Bool(_)) => GoType::Bool.into(),
            Value::Json(Json::Array(_)) => GoType::anys().into(),
            Value::Json(Json::Object(_)) => GoType::map_of(GoType::String, GoType::Any).into(),
        }
    }
}

//! What a query does, resolved: functions and operators as enums, times in milliseconds, labels as
//! [`LabelRule`]s. The evaluator walks these trees and nothing else.

use crate::calendar::DatePart;
use crate::labels::{Labels, METADATA, METRIC_NAME};
use crate::matcher::{Matcher, Pattern};

/// A compiled query.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) root: Root,
    pub(crate) selectors: Vec<Selector>,
    pub(crate) rules: Vec<LabelRule>,
    /// How many functions of classic histograms there are; each keeps its own memory of bucket bounds.
    pub(crate) histograms: usize,
}

/// The type of a query's result.
#[derive(Debug)]
pub(crate) enum Root {
    Scalar(ScalarNode),
    Vector { node: VectorNode, ordered: bool },
    Matrix(Range),
    Text(String),
}

/// A selector of a query: which series it looks at, and when.
#[derive(Debug, Clone)]
pub struct Selector {
    /// The conditions; a metric name is one of them, on the label `__name__`.
    pub matchers: Vec<Matcher>,
    /// The window of a range selector, in milliseconds; none for an instant selector.
    pub range_ms: Option<i64>,
    /// The time that `offset` moves the selector into the past, in milliseconds.
    pub offset_ms: i64,
    /// The time that `@` fixes.
    pub at: Option<At>,
    /// The ranges of the subqueries around this selector, added up, in milliseconds.
    pub subquery_ms: i64,
}

impl Selector {
    /// The metric name, if exactly one is demanded.
    pub fn metric_name(&self) -> Option<&str> {
        Matcher::metric_name(&self.matchers)
    }
}

/// The time that the modifier `@` fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// `@ start()`: the start of a range query, or the time of an instant query.
    Start,
    /// `@ end()`: the end of a range query, or the time of an instant query.
    End,
    /// A time in milliseconds.
    Ms(i64),
}

/// The modifiers `@` and `offset`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shift {
    pub(crate) at: Option<At>,
    pub(crate) offset_ms: i64,
}

/// Index into [`Plan::selectors`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct SelectorRef(pub(crate) usize);

/// Index into [`Plan::rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleRef(pub(crate) usize);

/// Samples over a window that ends at the evaluation time.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) source: RangeSource,
    pub(crate) range_ms: i64,
    pub(crate) shift: Shift,
}

#[derive(Debug)]
pub(crate) enum RangeSource {
    Selector(SelectorRef),
    Subquery { node: Box<VectorNode>, step_ms: Option<i64> },
}

#[derive(Debug)]
pub(crate) enum ScalarNode {
    Number(f64),
    Time,
    Of(Box<VectorNode>),
    Negate(Box<ScalarNode>),
    Binary { op: BinaryOp, lhs: Box<ScalarNode>, rhs: Box<ScalarNode> },
}

#[derive(Debug)]
pub(crate) enum VectorNode {
    Selector {
        selector: SelectorRef,
        shift: Shift,
    },
    Of(ScalarNode),
    Negate {
        operand: Box<VectorNode>,
        rule: RuleRef,
    },
    Map {
        function: MapFunction,
        operand: Box<VectorNode>,
        rule: RuleRef,
    },
    /// `timestamp` of a selector gives the samples' times, of anything else the evaluation time.
    Timestamp {
        operand: Box<VectorNode>,
        rule: RuleRef,
    },
    Sort {
        descending: bool,
        operand: Box<VectorNode>,
    },
    Absent {
        operand: Box<VectorNode>,
        labels: Labels,
    },
    Relabel {
        operand: Box<VectorNode>,
        rule: RuleRef,
    },
    Histogram(Box<Histogram>),
    OverTime {
        function: RangeFunction,
        range: Range,
        rule: Option<RuleRef>,
    },
    AbsentOverTime {
        range: Range,
        labels: Labels,
    },
    Aggregate {
        op: AggregateOp,
        operand: Box<VectorNode>,
        rule: RuleRef,
    },
    CountValues {
        label: String,
        grouping: LabelRule,
        operand: Box<VectorNode>,
    },
    VectorScalar(Box<VectorScalar>),
    VectorVector(Box<VectorVector>),
    Set(Box<SetOperation>),
}

#[derive(Debug)]
pub(crate) struct Histogram {
    pub(crate) function: HistogramFunction,
    pub(crate) operand: VectorNode,
    /// Which buckets belong to one histogram.
    pub(crate) group: RuleRef,
    /// The labels of the result.
    pub(crate) result: RuleRef,
    /// Number of this function among those of the query.
    pub(crate) index: usize,
}

/// What is asked of a classic histogram.
#[derive(Debug)]
pub(crate) enum HistogramFunction {
    Quantile(ScalarNode),
    /// The share of observations between two values.
    Fraction(ScalarNode, ScalarNode),
}

#[derive(Debug)]
pub(crate) struct VectorScalar {
    pub(crate) op: BinaryOp,
    pub(crate) vector: VectorNode,
    pub(crate) scalar: ScalarNode,
    /// The scalar is on the left.
    pub(crate) swapped: bool,
    pub(crate) return_bool: bool,
    pub(crate) rule: Option<RuleRef>,
}

#[derive(Debug)]
pub(crate) struct VectorVector {
    pub(crate) op: BinaryOp,
    pub(crate) lhs: VectorNode,
    pub(crate) rhs: VectorNode,
    pub(crate) return_bool: bool,
    pub(crate) signature: RuleRef,
    pub(crate) result: RuleRef,
    pub(crate) cardinality: Cardinality,
}

/// Which side of a binary operator may have several elements a match group.
#[derive(Debug)]
pub(crate) enum Cardinality {
    OneToOne,
    /// `group_left`, with the labels copied from the right.
    ManyToOne(Vec<String>),
    /// `group_right`, with the labels copied from the left.
    OneToMany(Vec<String>),
}

#[derive(Debug)]
pub(crate) struct SetOperation {
    pub(crate) op: SetOp,
    pub(crate) lhs: VectorNode,
    pub(crate) rhs: VectorNode,
    pub(crate) signature: RuleRef,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOp {
    And,
    Or,
    Unless,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Compare(Comparison),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A function of each element of an instant vector.
#[derive(Debug)]
pub(crate) enum MapFunction {
    Abs,
    Ceil,
    Floor,
    Exp,
    Ln,
    Log2,
    Log10,
    Sqrt,
    Sgn,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Cos,
    Cosh,
    Sin,
    Sinh,
    Tan,
    Tanh,
    Deg,
    Rad,
    Date(DatePart),
    Round(ScalarNode),
    Clamp(ScalarNode, ScalarNode),
    ClampMin(ScalarNode),
    ClampMax(ScalarNode),
}

/// A function of the samples of each series in a window.
#[derive(Debug)]
pub(crate) enum RangeFunction {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Deriv,
    Changes,
    Resets,
    Avg,
    Min,
    Max,
    Sum,
    Count,
    Last,
    Stddev,
    Stdvar,
    Present,
    Quantile(ScalarNode),
    /// With how many seconds from the evaluation time on.
    PredictLinear(ScalarNode),
}

#[derive(Debug)]
pub(crate) enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Quantile(ScalarNode),
    TopK(ScalarNode),
    BottomK(ScalarNode),
}

/// A change of labels that depends on nothing but the labels.
#[derive(Debug, Clone)]
pub(crate) enum LabelRule {
    Keep(Vec<String>),
    Without(Vec<String>),
    /// `label_replace`
    Replace {
        target: String,
        replacement: String,
        source: String,
        pattern: Pattern,
    },
    /// `label_join`
    Join {
        target: String,
        separator: String,
        sources: Vec<String>,
    },
}

impl LabelRule {
    /// What functions and arithmetic do to the metric's name.
    pub(crate) fn drop_metadata() -> Self {
        Self::Without(METADATA.map(str::to_owned).to_vec())
    }

    /// `without (names)` and `ignoring (names)`: the metric's name goes too.
    pub(crate) fn without_and_name(mut names: Vec<String>) -> Self {
        names.push(METRIC_NAME.to_owned());
        Self::Without(names)
    }

    /// Whether the metric's name never is among the labels that it makes.
    pub(crate) fn drops_name(&self) -> bool {
        let is_name = |name: &String| name == METRIC_NAME;
        match self {
            Self::Keep(names) => !names.iter().any(is_name),
            Self::Without(names) => names.iter().any(is_name),
            Self::Replace { .. } | Self::Join { .. } => false,
        }
    }

    pub(crate) fn apply(&self, labels: &Labels) -> Labels {
        match self {
            Self::Keep(names) => labels.keep(names),
            Self::Without(names) => labels.without(names),
            Self::Replace { target, replacement, source, pattern } => {
                let value = labels.get(source).unwrap_or_default();
                let Some(captures) = pattern.regex().captures(value) else { return labels.clone() };
                let mut replaced = String::new();
                captures.expand(replacement, &mut replaced);
                labels.with(target, &replaced)
            }
            Self::Join { target, separator, sources } => {
                let values: Vec<&str> =
                    sources.iter().map(|source| labels.get(source).unwrap_or_default()).collect();
                labels.with(target, &values.join(separator))
            }
        }
    }
}

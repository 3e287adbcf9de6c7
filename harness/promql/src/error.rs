//! [`EvalError`]: why an evaluation has no result.

/// How many steps a range query may have (prometheus web/api/v1: queryRange).
pub const MAX_STEPS: i64 = 11_000;

/// How many steps all subqueries of one evaluation may take together.
pub const MAX_SUBQUERY_STEPS: i64 = 10_000_000;

/// Why an evaluation has no result. The texts of the first six are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// Two elements of a result would have the same labels.
    #[error("vector cannot contain metrics with the same labelset")]
    SameLabels,
    /// The side of a binary operation that must be unique is not.
    #[error(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
         [{one}, {other}];many-to-many matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany {
        /// The labels that both elements match by.
        group: String,
        /// `left` or `right`.
        side: &'static str,
        /// One of the elements.
        one: String,
        /// Another one.
        other: String,
    },
    /// Several elements on the left match one on the right without `group_left` or `group_right`.
    #[error("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")]
    ManyToOneNotExplicit,
    /// With `group_left` or `group_right`, two results have the same labels.
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    GroupingNotUnique,
    /// `topk` or `bottomk` of NaN.
    #[error("Parameter value is NaN")]
    NotANumber,
    /// `topk` or `bottomk` of a number that is too large for an integer.
    #[error("Scalar value {0} overflows int64")]
    TooLarge(String),
    /// Only scalars and instant vectors have a range evaluation.
    #[error("a range query needs an expression of type scalar or instant vector, not {0}")]
    NotForRanges(&'static str),
    /// A step that never ends.
    #[error("the step of a range query must be positive, not {0} ms")]
    StepNotPositive(i64),
    /// More steps than are evaluated.
    #[error(
        "{steps} steps are too many; at most {MAX_STEPS} are evaluated: use a longer step or a shorter range"
    )]
    TooManySteps {
        /// The number of steps asked for.
        steps: i64,
    },
    /// Subqueries, nested or long, that take too many steps.
    #[error(
        "the subqueries take more than {MAX_SUBQUERY_STEPS} steps: use longer steps, shorter ranges or less nesting"
    )]
    TooManySubquerySteps,
    /// More samples than one evaluation may read.
    #[error("the query reads more than {limit} samples")]
    TooManySamples {
        /// [`crate::Options::max_samples`].
        limit: u64,
    },
}

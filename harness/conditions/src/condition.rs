//! A parsed condition.

use std::sync::Arc;

use crate::error::{ConditionError, ErrorKind, Fault};
use crate::references::ResultUse;
use crate::syntax::Node;
use crate::threshold::Threshold;
use crate::value::Value;
use crate::{check, optimize, parser, references, run, threshold};

/// Which version of expr evaluates a condition; it depends on the Argo Rollouts release.
///
/// Outcomes and messages are those of the version; places are counted as 1.17 counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// expr-lang/expr 1.17, in Argo Rollouts v1.10 and later.
    #[default]
    Expr1_17,
    /// antonmedv/expr 1.15, in Argo Rollouts up to v1.9.
    Expr1_15,
}

/// A condition that is syntactically valid.
///
/// Types are checked only by [`Condition::evaluate`], against the concrete value, because upstream
/// compiles the condition anew for each measurement.
#[derive(Debug, Clone)]
pub struct Condition {
    text: Arc<str>,
    dialect: Dialect,
    tree: Arc<Node>,
    /// Upstream optimizes after the type check, so a fault found here is reported only then.
    optimized: Arc<Result<Node, Fault>>,
}

impl Condition {
    /// Parses a condition.
    ///
    /// # Errors
    /// [`ErrorKind::Syntax`] with upstream's message and a place; [`ErrorKind::NotSimulated`] for a part
    /// of the language that is not evaluated here; [`ErrorKind::Limit`] for a text that is too long,
    /// too deep or has too many nodes.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Condition, ConditionError> {
        let tree = parser::parse(text, dialect).map_err(|fault| fault.bind(text))?;
        let optimized = optimize::optimize(&tree, dialect);
        Ok(Condition { text: text.into(), dialect, tree: Arc::new(tree), optimized: Arc::new(optimized) })
    }

    /// The text as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The version of expr that this condition is written for.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Checks the types against the value, then evaluates (evaluate.go: EvalCondition).
    ///
    /// # Errors
    /// Type errors, run-time errors and a result that is not a boolean, with upstream's messages.
    pub fn evaluate(&self, result: &Value) -> Result<bool, ConditionError> {
        let bind = |fault: Fault| fault.bind(&self.text);
        let natures = check::check(&self.tree, result, self.dialect).map_err(bind)?;
        let optimized = self.optimized.as_ref().as_ref().map_err(|fault| bind(fault.clone()))?;
        let output = run::run(optimized, &natures, result, self.dialect).map_err(bind)?;
        output.as_bool().ok_or_else(|| {
            ConditionError::whole(
                ErrorKind::NotBool,
                format!("expected bool, but got {}", output.type_name()),
            )
        })
    }

    /// How the condition uses `result`, for lints such as "`result` is a vector here; write
    /// `result[0]`".
    pub fn references_result_as(&self) -> ResultUse {
        references::result_use(&self.tree)
    }

    /// The bound under which the condition is true, if it compares `result` (or one element of it) with
    /// a constant, possibly between guards such as `len(result) == 0 ||` or `!isNaN(result[0]) &&`.
    pub fn threshold(&self) -> Option<Threshold> {
        threshold::threshold(&self.tree)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.dialect == other.dialect
    }
}

impl Eq for Condition {}

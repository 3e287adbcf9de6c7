//! Functions of each element of an instant vector.

use std::f64::consts::PI;

use crate::evaluate::{Element, Evaluated, Evaluator};
use crate::plan::{MapFunction, RuleRef};

impl Evaluator<'_> {
    pub(crate) fn map_function(
        &mut self,
        function: &MapFunction,
        elements: Vec<Element>,
        rule: RuleRef,
        at_ms: i64,
    ) -> Evaluated<Vec<Element>> {
        let rule = Some(rule);
        match function {
            MapFunction::Abs => self.map(elements, rule, f64::abs),
            MapFunction::Ceil => self.map(elements, rule, f64::ceil),
            MapFunction::Floor => self.map(elements, rule, f64::floor),
            MapFunction::Exp => self.map(elements, rule, libm::exp),
            MapFunction::Ln => self.map(elements, rule, libm::log),
            MapFunction::Log2 => self.map(elements, rule, libm::log2),
            MapFunction::Log10 => self.map(elements, rule, libm::log10),
            MapFunction::Sqrt => self.map(elements, rule, f64::sqrt),
            MapFunction::Sgn => self.map(elements, rule, |value| {
                if value < 0.0 {
                    -1.0
                } else if value > 0.0 {
                    1.0
                } else {
                    value
                }
            }),
            MapFunction::Acos => self.map(elements, rule, libm::acos),
            MapFunction::Acosh => self.map(elements, rule, libm::acosh),
            MapFunction::Asin => self.map(elements, rule, libm::asin),
            MapFunction::Asinh => self.map(elements, rule, libm::asinh),
            MapFunction::Atan => self.map(elements, rule, libm::atan),
            MapFunction::Atanh => self.map(elements, rule, libm::atanh),
            MapFunction::Cos => self.map(elements, rule, libm::cos),
            MapFunction::Cosh => self.map(elements, rule, libm::cosh),
            MapFunction::Sin => self.map(elements, rule, libm::sin),
            MapFunction::Sinh => self.map(elements, rule, libm::sinh),
            MapFunction::Tan => self.map(elements, rule, libm::tan),
            MapFunction::Tanh => self.map(elements, rule, libm::tanh),
            MapFunction::Deg => self.map(elements, rule, |radians| radians * 180.0 / PI),
            MapFunction::Rad => self.map(elements, rule, |degrees| degrees * PI / 180.0),
            MapFunction::Date(part) => self.map(elements, rule, |seconds| part.of(seconds)),
            MapFunction::Round(nearest) => {
                // Upstream's way to round: ties go up, and the inverse is exact for decimal fractions.
                let inverse = 1.0 / self.scalar(nearest, at_ms)?;
                self.map(elements, rule, |value| (value * inverse + 0.5).floor() / inverse)
            }
            MapFunction::Clamp(min, max) => {
                let (min, max) = (self.scalar(min, at_ms)?, self.scalar(max, at_ms)?);
                self.clamp(elements, rule, min, max)
            }
            MapFunction::ClampMin(min) => {
                let min = self.scalar(min, at_ms)?;
                self.clamp(elements, rule, min, f64::INFINITY)
            }
            MapFunction::ClampMax(max) => {
                let max = self.scalar(max, at_ms)?;
                self.clamp(elements, rule, f64::NEG_INFINITY, max)
            }
        }
    }

    fn clamp(
        &mut self,
        elements: Vec<Element>,
        rule: Option<RuleRef>,
        min: f64,
        max: f64,
    ) -> Evaluated<Vec<Element>> {
        if max < min {
            return Ok(Vec::new());
        }
        self.map(elements, rule, |value| larger(min, smaller(max, value)))
    }
}

/// Go's math.Min: NaN wins, but for negative infinity.
fn smaller(one: f64, other: f64) -> f64 {
    match one == f64::NEG_INFINITY || other == f64::NEG_INFINITY {
        true => f64::NEG_INFINITY,
        false if one.is_nan() || other.is_nan() => f64::NAN,
        false => one.min(other),
    }
}

/// Go's math.Max: NaN wins, but for infinity.
fn larger(one: f64, other: f64) -> f64 {
    -smaller(-one, -other)
}

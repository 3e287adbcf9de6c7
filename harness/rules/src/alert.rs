//! Alerts and their states (prometheus rules/alerting.go: Eval).

use std::collections::{BTreeMap, BTreeSet};

use planted::Bug;
use promql::{Labels, METRIC_NAME, Sample};

use crate::evaluate::{RuleError, Settings, milliseconds};
use crate::group::Alerting;
use crate::template::{Data, ExpandError, Template};

/// The label with an alert's name.
const ALERT_NAME: &str = "alertname";
/// How long an alert is remembered after it has ended, in milliseconds.
const RESOLVED_RETENTION_MS: i64 = 15 * 60_000;

/// An element that an alerting rule found.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its state.
    pub state: AlertState,
    /// The element's labels and the rule's.
    pub labels: Labels,
    /// What it tells, by name.
    pub annotations: BTreeMap<String, String>,
    /// The element's value when it was last there.
    pub value: f64,
    /// Since when the element is there, in milliseconds.
    pub active_at_ms: i64,
    /// Since when the element is gone while the alert fires on.
    keep_firing_since_ms: Option<i64>,
    /// Since when the alert is over.
    resolved_at_ms: Option<i64>,
}

/// The states of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertState {
    /// It is over.
    Inactive,
    /// Its element is there, not yet for as long as the rule demands.
    Pending,
    /// It fires.
    Firing,
}

impl Alert {
    /// Whether it fires.
    pub fn is_firing(&self) -> bool {
        self.state == AlertState::Firing && self.resolved_at_ms.is_none()
    }

    /// Its value as a template shows `$value`.
    pub fn value_text(&self) -> String {
        strconv::shortest(self.value)
    }

    /// Whether it fires on although its element is gone.
    fn is_kept(&mut self, at_ms: i64, keep_firing_for_ms: i64) -> bool {
        let is_asked_for = keep_firing_for_ms > 0 && !planted::is(Bug::KeepFiringForForgotten);
        if self.state != AlertState::Firing || !is_asked_for {
            return false;
        }
        let since_ms = *self.keep_firing_since_ms.get_or_insert(at_ms);
        at_ms - since_ms < keep_firing_for_ms
    }
}

/// One evaluation of an alerting rule.
pub(crate) struct Context<'a> {
    pub(crate) rule: &'a Alerting,
    pub(crate) settings: &'a Settings,
    pub(crate) at_ms: i64,
    pub(crate) limit: Option<usize>,
    pub(crate) query: &'a dyn Fn(&str) -> Result<Vec<Sample>, ExpandError>,
}

impl Context<'_> {
    /// Brings the alerts of the rule up to date with the elements that are there, and gives the series
    /// `ALERTS` and `ALERTS_FOR_STATE` of those that are active.
    pub(crate) fn update(
        &self,
        active: &mut BTreeMap<Labels, Alert>,
        found: &[Sample],
    ) -> Result<Vec<Sample>, RuleError> {
        let mut present = BTreeSet::new();
        let mut alerts = Vec::with_capacity(found.len());
        for element in found {
            let alert = self.alert(element)?;
            if !present.insert(alert.labels.clone()) {
                return Err(RuleError::SameLabels("alert"));
            }
            alerts.push(alert);
        }
        for alert in alerts {
            match active.get_mut(&alert.labels).filter(|known| known.state != AlertState::Inactive) {
                Some(known) => (known.value, known.annotations) = (alert.value, alert.annotations),
                None => drop(active.insert(alert.labels.clone(), alert)),
            }
        }
        let mut samples = Vec::new();
        active.retain(|labels, alert| {
            let is_remembered = self.advance(alert, present.contains(labels));
            if alert.state != AlertState::Inactive && is_remembered {
                samples.extend(self.samples(alert));
            }
            is_remembered
        });
        let count = samples.len() / 2;
        match self.limit {
            Some(limit) if count > limit => {
                active.clear();
                Err(RuleError::Limit { limit, count, what: "alerts" })
            }
            Some(_) | None => Ok(samples),
        }
    }

    /// A new alert for an element.
    fn alert(&self, element: &Sample) -> Result<Alert, RuleError> {
        let own = element.labels.without(&[METRIC_NAME]);
        let mut labels = own;
        for (name, template) in &self.rule.labels {
            labels = labels.with(name, &self.expand(template, element)?);
        }
        let annotations = self.rule.annotations.iter();
        let annotations =
            annotations.map(|(name, template)| Ok((name.clone(), self.expand(template, element)?)));
        Ok(Alert {
            state: AlertState::Pending,
            labels: labels.with(ALERT_NAME, &self.rule.alert),
            annotations: annotations.collect::<Result<_, RuleError>>()?,
            value: element.value,
            active_at_ms: self.at_ms,
            keep_firing_since_ms: None,
            resolved_at_ms: None,
        })
    }

    /// A template's text; where upstream fails, its message stands in the text's place.
    fn expand(&self, template: &Template, element: &Sample) -> Result<String, RuleError> {
        let data = Data {
            labels: &element.labels,
            external_labels: &self.settings.external_labels,
            external_url: &self.settings.external_url,
            value: element.value,
            at_ms: self.at_ms,
            query: self.query,
        };
        match template.expand(&data) {
            Ok(text) => Ok(text),
            Err(ExpandError::Failed(why)) => Ok(format!(
                "<error expanding template: error executing template __alert_{}: {why}>",
                self.rule.alert
            )),
            Err(ExpandError::NotSimulated(what)) => Err(RuleError::NotSimulated(what)),
        }
    }

    /// Moves an alert on, and says whether it is still remembered.
    fn advance(&self, alert: &mut Alert, is_present: bool) -> bool {
        if is_present {
            alert.keep_firing_since_ms = None;
        } else {
            let is_kept = alert.is_kept(self.at_ms, milliseconds(self.rule.keep_firing_for));
            let is_forgotten = alert.state == AlertState::Pending
                || alert.resolved_at_ms.is_some_and(|since| self.at_ms - since > RESOLVED_RETENTION_MS);
            if !is_kept {
                if alert.state != AlertState::Inactive {
                    alert.state = AlertState::Inactive;
                    alert.resolved_at_ms = Some(self.at_ms);
                }
                return !is_forgotten;
            }
        }
        let exceeded = i64::from(planted::is(Bug::ForMustBeExceeded));
        let held_ms = self.at_ms - alert.active_at_ms - exceeded;
        if alert.state == AlertState::Pending && held_ms >= milliseconds(self.rule.hold) {
            alert.state = AlertState::Firing;
        }
        true
    }

    /// The series that tell of an active alert. A label of the rule whose text is empty for this alert
    /// shows as the template itself, as upstream.
    fn samples(&self, alert: &Alert) -> [Sample; 2] {
        let rule = self.rule.labels.iter().map(|(name, template)| (name.as_str(), template.text()));
        let own = alert.labels.iter().map(|label| (&*label.name, &*label.value));
        let labels = Labels::new(rule.chain(own));
        let state = if alert.state == AlertState::Firing { "firing" } else { "pending" };
        let seconds = alert.active_at_ms.div_euclid(1000);
        [
            Sample { labels: labels.with("alertstate", state).with(METRIC_NAME, "ALERTS"), value: 1.0 },
            Sample { labels: labels.with(METRIC_NAME, "ALERTS_FOR_STATE"), value: seconds as f64 },
        ]
    }
}

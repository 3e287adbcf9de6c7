//! Which fields of which kinds are durations. Where a duration is missing and its default matters, the
//! default is named too, since upstream's does not scale by itself.
//!
//! The kinds and fields are those of argo-rollouts v1.10, argo-cd v3.2, prometheus-operator v0.85,
//! external-secrets v1 and Kubernetes v1.34.

use super::{Shrinks, Span, Time};
use crate::duration::Form;
use crate::fields::{Rule, Subject};
use crate::floor::{ANALYSIS_INTERVAL, Floor, PAUSE, RECONCILIATION, RULE_INTERVAL, SCRAPE_INTERVAL};

const ARGO: &str = "argoproj.io";
const OPERATOR: &str = "monitoring.coreos.com";

/// The rules for an object.
pub(crate) fn rules(subject: &Subject) -> Vec<Rule<Time>> {
    let mut table = Table::default();
    match subject.kind.as_str() {
        "Rollout" if subject.is(ARGO, "Rollout") => table.rollout(),
        "AnalysisTemplate" | "ClusterAnalysisTemplate" | "AnalysisRun" if subject.is(ARGO, &subject.kind) => {
            table.analysis("spec");
        }
        "Experiment" if subject.is(ARGO, "Experiment") => table.experiment(),
        "Application" if subject.is(ARGO, "Application") => table.application("spec"),
        "ApplicationSet" if subject.is(ARGO, "ApplicationSet") => table.application_set(),
        "AppProject" if subject.is(ARGO, "AppProject") => {
            table.not_scaled("spec", "syncWindows", "sync windows follow the calendar");
        }
        "ConfigMap" if subject.is("", "ConfigMap") && subject.name.as_deref() == Some("argocd-cm") => {
            table.argocd_settings();
        }
        "ServiceMonitor" => table.scrape("spec/endpoints/[]", "interval", "scrapeTimeout"),
        "PodMonitor" => table.scrape("spec/podMetricsEndpoints/[]", "interval", "scrapeTimeout"),
        "Probe" if subject.is(OPERATOR, "Probe") => table.scrape("spec", "interval", "scrapeTimeout"),
        "ScrapeConfig" => table.scrape("spec", "scrapeInterval", "scrapeTimeout"),
        "PrometheusRule" => table.prometheus_rule(),
        "ExternalSecret" => table.add("spec", "refreshInterval", Form::Go).default = Some(3_600),
        "Kustomization" => table.push("replacements/[]/targets", "[]", Time::Replacement),
        "SecretStore" | "ClusterSecretStore" => {
            table.add("spec", "refreshInterval", Form::Seconds);
        }
        _ => table.kubernetes(subject),
    }
    table.rules
}

#[derive(Default)]
struct Table {
    rules: Vec<Rule<Time>>,
}

impl Table {
    fn push(&mut self, under: &str, field: &'static str, what: Time) {
        self.rules.push(Rule { under: under.to_owned(), field, what });
    }

    /// A duration; what is returned can be given a floor and a default.
    fn add(&mut self, under: &str, field: &'static str, form: Form) -> &mut Span {
        self.push(
            under,
            field,
            Time::Span(Span { form, floor: None, default: None, shrinks: Shrinks::Wholly }),
        );
        match self.rules.last_mut().map(|rule| &mut rule.what) {
            Some(Time::Span(span)) => span,
            _ => unreachable!("a span was just pushed"),
        }
    }

    fn with_floor(&mut self, under: &str, field: &'static str, form: Form, floor: Floor) -> &mut Span {
        let span = self.add(under, field, form);
        span.floor = Some(floor);
        span
    }

    fn not_scaled(&mut self, under: &str, field: &'static str, why: &'static str) {
        self.push(under, field, Time::NotScaled(why));
    }

    fn rollout(&mut self) {
        self.workload("spec");
        self.pod("spec/template/spec");
        let canary = "spec/strategy/canary";
        self.with_floor(&format!("{canary}/steps/[]/pause"), "duration", Form::Pause, PAUSE);
        self.add(&format!("{canary}/steps/[]/experiment"), "duration", Form::Go);
        self.not_scaled(
            &format!("{canary}/steps/[]/plugin"),
            "config",
            "only the plugin knows what it means",
        );
        for analyses in [
            "spec/strategy/canary/analysis",
            "spec/strategy/canary/steps/[]/analysis",
            "spec/strategy/canary/steps/[]/experiment/analyses/[]",
            "spec/strategy/blueGreen/prePromotionAnalysis",
            "spec/strategy/blueGreen/postPromotionAnalysis",
        ] {
            self.push(&format!("{analyses}/args"), "[]", Time::Argument);
        }
        self.add(canary, "scaleDownDelaySeconds", Form::Seconds);
        self.add(canary, "abortScaleDownDelaySeconds", Form::Seconds);
        let blue_green = "spec/strategy/blueGreen";
        self.add(blue_green, "autoPromotionSeconds", Form::Seconds);
        for delay in ["scaleDownDelaySeconds", "abortScaleDownDelaySeconds"] {
            self.add(blue_green, delay, Form::Seconds).default = Some(30);
        }
    }

    /// What Rollouts and Deployments have alike.
    fn workload(&mut self, spec: &str) {
        self.add(spec, "minReadySeconds", Form::Seconds);
        self.progress_deadline(spec);
    }

    /// It has to bear the start of pods, which takes as long at any speed.
    fn progress_deadline(&mut self, spec: &str) {
        let span = self.add(spec, "progressDeadlineSeconds", Form::Seconds);
        (span.default, span.shrinks) = (Some(600), Shrinks::AsDeadline);
    }

    fn analysis(&mut self, spec: &str) {
        let metric = format!("{spec}/metrics/[]");
        for field in ["interval", "initialDelay"] {
            self.with_floor(&metric, field, Form::Go, ANALYSIS_INTERVAL);
        }
        self.push(&metric, "provider/prometheus/query", Time::Query);
        let range = format!("{metric}/provider/prometheus/rangeQuery");
        self.push(&range, "start", Time::RangeBound);
        self.push(&range, "end", Time::RangeBound);
        self.add(&range, "step", Form::Go);
        self.job(&format!("{metric}/provider/job/spec"));
        for other in [
            "datadog",
            "newRelic",
            "cloudWatch",
            "graphite",
            "influxdb",
            "wavefront",
            "skywalking",
            "kayenta",
        ] {
            self.not_scaled(&format!("{metric}/provider"), other, "only Prometheus queries are rewritten");
        }
        self.push(&format!("{spec}/args"), "[]", Time::Argument);
        for field in ["secondsAfterCompletion", "secondsAfterSuccess", "secondsAfterFailure"] {
            self.add(&format!("{spec}/ttlStrategy"), field, Form::Seconds);
        }
    }

    fn experiment(&mut self) {
        self.add("spec", "duration", Form::Go);
        self.progress_deadline("spec");
        self.add("spec", "scaleDownDelaySeconds", Form::Seconds);
        self.add("spec/templates/[]", "minReadySeconds", Form::Seconds);
        self.pod("spec/templates/[]/template/spec");
        self.push("spec/analyses/[]/args", "[]", Time::Argument);
    }

    /// argo-cd `RetryStrategy.NextRetryAt` has the defaults.
    fn application(&mut self, spec: &str) {
        let retry = format!("{spec}/syncPolicy/retry");
        self.add(&retry, "backoff/duration", Form::Argo).default = Some(5);
        self.add(&retry, "backoff/maxDuration", Form::Argo).default = Some(180);
    }

    fn application_set(&mut self) {
        self.application("spec/template/spec");
        for generator in ["git", "scmProvider", "pullRequest", "clusterDecisionResource", "plugin"] {
            for nesting in ["", "matrix/generators/[]/", "merge/generators/[]/"] {
                let under = format!("spec/generators/[]/{nesting}{generator}");
                self.add(&under, "requeueAfterSeconds", Form::Seconds);
            }
        }
    }

    /// The controller falls back to 120 s, and the jitter to 60 s
    /// (argo-cd `cmd/argocd-application-controller`).
    fn argocd_settings(&mut self) {
        self.with_floor("", "data/timeout.reconciliation", Form::Go, RECONCILIATION).default = Some(120);
        self.add("", "data/timeout.reconciliation.jitter", Form::Go).default = Some(60);
        self.add("", "data/timeout.hard.reconciliation", Form::Go);
    }

    fn scrape(&mut self, under: &str, interval: &'static str, timeout: &'static str) {
        self.with_floor(under, interval, Form::Prometheus, SCRAPE_INTERVAL);
        self.add(under, timeout, Form::Prometheus);
    }

    fn prometheus_rule(&mut self) {
        self.with_floor("spec/groups/[]", "interval", Form::Prometheus, RULE_INTERVAL);
        self.add("spec/groups/[]", "query_offset", Form::Prometheus);
        for field in ["for", "keep_firing_for"] {
            self.add("spec/groups/[]/rules/[]", field, Form::Prometheus);
        }
        self.push("spec/groups/[]/rules/[]", "expr", Time::Query);
    }

    fn kubernetes(&mut self, subject: &Subject) {
        let is = |group: &str, kinds: &[&str]| kinds.iter().any(|kind| subject.is(group, kind));
        if is("apps", &["Deployment"]) {
            self.workload("spec");
            self.pod("spec/template/spec");
        } else if is("apps", &["StatefulSet", "DaemonSet", "ReplicaSet"]) {
            self.add("spec", "minReadySeconds", Form::Seconds);
            self.pod("spec/template/spec");
        } else if is("", &["Pod"]) {
            self.pod("spec");
        } else if is("batch", &["Job"]) {
            self.job("spec");
        } else if is("batch", &["CronJob"]) {
            self.job("spec/jobTemplate/spec");
            self.add("spec", "startingDeadlineSeconds", Form::Seconds);
            self.not_scaled("spec", "schedule", "it follows the calendar");
        } else if is("autoscaling", &["HorizontalPodAutoscaler"]) {
            self.autoscaler();
        }
    }

    fn job(&mut self, spec: &str) {
        self.add(spec, "activeDeadlineSeconds", Form::Seconds);
        self.add(spec, "ttlSecondsAfterFinished", Form::Seconds);
        self.pod(&format!("{spec}/template/spec"));
    }

    /// The controller looks every 15 s at any speed.
    fn autoscaler(&mut self) {
        let why = "the autoscaler looks every 15 s and remembers 5 m at any speed";
        self.not_scaled("spec", "metrics", why);
        for direction in ["scaleUp", "scaleDown"] {
            let under = format!("spec/behavior/{direction}");
            self.add(&under, "stabilizationWindowSeconds", Form::Seconds);
            self.add(&format!("{under}/policies/[]"), "periodSeconds", Form::Seconds);
        }
    }

    /// A pod's times. `timeoutSeconds` of probes stays: it bounds the latency of an answer, which does
    /// not scale.
    fn pod(&mut self, spec: &str) {
        let graceful = "answers under way and the news that a pod goes take as long at any speed";
        self.not_scaled(spec, "terminationGracePeriodSeconds", graceful);
        self.add(spec, "activeDeadlineSeconds", Form::Seconds);
        self.add(&format!("{spec}/tolerations/[]"), "tolerationSeconds", Form::Seconds);
        for containers in ["containers", "initContainers"] {
            let container = format!("{spec}/{containers}/[]");
            self.not_scaled(&container, "lifecycle/preStop/sleep/seconds", graceful);
            for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                let probe = format!("{container}/{probe}");
                self.add(&probe, "periodSeconds", Form::Seconds).default = Some(10);
                self.add(&probe, "initialDelaySeconds", Form::Seconds);
                self.not_scaled(&probe, "terminationGracePeriodSeconds", graceful);
            }
        }
    }
}

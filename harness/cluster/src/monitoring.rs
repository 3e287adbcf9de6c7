//! A run's Prometheus in the cluster: what it is given, and what it says of its rules.

use std::collections::BTreeSet;

use scenario::AlertRef;
use timeline::{AlertStatus, Event, Recorded, ResourceName};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::Instant;
use transform::{Names, Needs};
use units::{Duration, Time};

use crate::Failure;
use crate::alerts::{Answer, Reading, Rules};
use crate::api::Server;
use crate::observe::Change;
use crate::prometheus::{self, Address};
use crate::watch::News;

mod operator;

use operator::{Noticed, Operator};

/// The kind of objects that rules are written in.
const RULES: &str = "PrometheusRule";

/// The Prometheus of a run, or several where its analyses ask several.
pub(crate) struct Monitoring<'a> {
    server: &'a Server,
    names: &'a Names,
    addresses: Vec<Address>,
    operator: Operator,
    rules: Rules,
    /// The alerts that the scenario speaks of.
    followed: Vec<AlertRef>,
}

impl<'a> Monitoring<'a> {
    /// Where analyses look for Prometheus, and where rules are evaluated if none does.
    pub(crate) fn new(
        server: &'a Server,
        names: &'a Names,
        needs: &Needs,
        speed: f64,
        followed: Vec<AlertRef>,
    ) -> Self {
        let asked = needs.prometheus.iter().filter_map(|it| {
            let namespace = it.namespace.clone()?;
            Some(Address { namespace, service: it.service.clone(), port: it.port })
        });
        let mut addresses: BTreeSet<Address> = asked.collect();
        if addresses.is_empty() && has_rules(needs) {
            let Address { namespace, service, port } = Address::default();
            addresses.insert(Address { namespace: names.namespace(&namespace), service, port });
        }
        let addresses = addresses.into_iter().collect();
        let (operator, rules) = (Operator::at_speed(speed), Rules::default());
        Self { server, names, addresses, operator, rules, followed }
    }

    /// Where Prometheus is.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Asks for rules and alerts from now on, where there are any; `interval` is the time between evaluations. All
    /// Prometheus of a run have the same rules, so that one is asked.
    pub(crate) fn follow(
        &self,
        needs: &Needs,
        interval: Duration,
        news: &UnboundedSender<(Instant, News)>,
        tasks: &mut JoinSet<()>,
    ) {
        if let Some(address) = self.addresses.first().filter(|_| has_rules(needs)) {
            let (server, address, news) = (self.server.clone(), address.clone(), news.clone());
            tasks.spawn(prometheus::follow_rules(server, address, interval, news));
        }
    }

    /// Notes what Prometheus is to be given because of a change; what the operator says of it.
    pub(crate) fn notice(&mut self, change: &Change, at: Instant) -> Option<Event> {
        let Noticed { file, rejection } = self.operator.notice(change, at)?;
        let text = |path: &str| change.object.pointer(path).and_then(serde_json::Value::as_str);
        let object = ResourceName {
            kind: text("/kind").unwrap_or_default().to_owned(),
            namespace: self.names.original_namespace(text("/metadata/namespace").unwrap_or_default()),
            name: text("/metadata/name").unwrap_or_default().to_owned(),
        };
        self.rules.know(prometheus::path(&file), object.clone());
        let message = rejection?;
        let reason = rules::REJECTED.to_owned();
        Some(Event::Recorded(Recorded { resource: object, warning: true, reason, message }))
    }

    /// When Prometheus is next to be given something.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.operator.next_due()
    }

    /// Gives Prometheus what is due.
    ///
    /// # Errors
    /// A Prometheus that does not take it.
    pub(crate) async fn deliver(&mut self) -> Result<(), Failure> {
        for (file, configuration) in self.operator.take_due(Instant::now()) {
            for address in &self.addresses {
                prometheus::configure(self.server, address, &file, configuration.as_ref()).await?;
            }
        }
        Ok(())
    }

    /// What an answer shows that came at this time of a run, which began at a time in seconds since 1970.
    pub(crate) fn see(&mut self, answer: &Answer, now: Time, begun_at: f64) -> Vec<(Time, Event)> {
        self.rules.see(answer, &Reading { begun_at, now, names: self.names })
    }

    /// Whether the scenario speaks of an alert.
    pub(crate) fn follows(&self, alert: &AlertStatus) -> bool {
        self.followed.iter().any(|wanted| wanted.refers_to(&alert.alert, &alert.labels))
    }

    /// Whether every alert that the scenario speaks of fires or is inactive: one that is pending has not decided yet.
    pub(crate) fn is_settled(&self) -> bool {
        !self.rules.pending().any(|alert| self.follows(alert))
    }
}

fn has_rules(needs: &Needs) -> bool {
    needs.kinds.iter().any(|(_, kind)| kind == RULES)
}

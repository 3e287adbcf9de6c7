//! The clients: a load generator in a pod, whose log is what they saw.

use futures::TryStreamExt as _;
use futures::io::AsyncBufReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, LogParams};
use serde::Deserialize;
use serde_json::{Value, json};
use timeline::{Event, Requests, Role};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::Instant;
use units::{Duration, Rate, Time};

use crate::Failure;
use crate::act::is_of_harness;
use crate::api::{Server, Writer, as_json, refused};
use crate::observe::Onlooker;
use crate::watch::News;

/// Requests on one connection, so that a Service spreads them over its pods.
const REQUESTS_PER_CONNECTION: u32 = 4;

/// Where clients send their requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    /// The Service.
    pub(crate) service: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its port.
    pub(crate) port: u16,
}

/// The Service that leads to a pod: the one with the `wanted` name, or the first that selects it.
///
/// # Errors
/// A cluster that fails.
pub(crate) async fn called(
    server: &Server,
    namespaces: &[String],
    wanted: Option<&str>,
    pod: &Value,
) -> Result<Option<Called>, Failure> {
    let labels = &pod["metadata"]["labels"];
    for namespace in namespaces {
        let services = server.objects("v1", "Service", Some(namespace)).await?;
        let listed = services.list(&ListParams::default()).await;
        for service in listed.map_err(|error| refused("listed Services", &error))?.items {
            let service = as_json(&service);
            let name = service["metadata"]["name"].as_str().unwrap_or_default();
            let selector = service["spec"]["selector"].as_object().filter(|it| !it.is_empty());
            if is_of_harness(&service) {
                continue;
            }
            let selects = selector.is_some_and(|it| it.iter().all(|(key, value)| labels[key] == *value));
            if selects && wanted.is_none_or(|wanted| wanted == name) {
                let port = service["spec"]["ports"][0]["port"].as_u64().unwrap_or(80);
                let port = u16::try_from(port).unwrap_or(80);
                return Ok(Some(Called { service: name.to_owned(), namespace: namespace.clone(), port }));
            }
        }
    }
    Ok(None)
}

/// The longest time from a ready pod to a Service that leads to it, before clients begin all the same.
const ENDPOINTS_LAG: Duration = Duration::from_secs(15);

/// Without a request, whoever else computes goes first, and waiting clients would count answers as slow.
const SHARE_OF_CPU: &str = "100m";

/// What is known of requests before the first of them is counted.
const NOTHING_YET: Requests = Requests {
    service: String::new(),
    owner: String::new(),
    role: Role::Other,
    model: String::new(),
    step: None,
    since: Time::ZERO,
    total: 0.0,
    failed: 0.0,
    slow: 0.0,
    wrong: 0.0,
    truncated: 0.0,
    hurt: 0.0,
};

/// The clients of a run.
pub(crate) struct Clients {
    called: Option<Called>,
    image: String,
    slow: Option<Duration>,
    seed: u64,
    labels: Value,
    /// How often they were started, which gives each generation of them a name of its own.
    generation: u32,
}

/// A line of the clients' log: what they saw in a span of time.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Seen {
    /// When the load began, in seconds since 1970.
    started: f64,
    #[serde(flatten)]
    span: load::Span,
}

impl Clients {
    /// Clients that send nothing yet.
    pub(crate) fn new(image: String, slow: Option<Duration>, seed: u64, labels: Value) -> Self {
        Self { called: None, image, slow, seed, labels, generation: 0 }
    }

    /// Says where they send their requests.
    pub(crate) fn call(&mut self, called: Called) {
        self.called = Some(called);
    }

    /// Makes them send at this rate from now on.
    ///
    /// # Errors
    /// A pod that does not start.
    pub(crate) async fn set_rate(
        &mut self,
        server: &Server,
        rate: Rate,
        news: &UnboundedSender<(Instant, News)>,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), Failure> {
        self.stop(server).await?;
        let Some(called) = self.called.clone().filter(|_| rate > Rate::ZERO) else { return Ok(()) };
        self.generation += 1;
        let (name, namespace) = (self.pod(), called.namespace.clone());
        server.apply(Writer::Harness, &self.manifest(&called, &name, rate), &namespace).await?;
        let pods = server.objects("v1", "Pod", Some(&namespace)).await?;
        let running = |pod: &Value| pod["status"]["phase"] == "Running" || pod["status"]["phase"] == "Failed";
        server.wait_for(pods, &name, &format!("pod {namespace}/{name}"), running).await?;
        follow(server, &namespace, &name, news.clone(), tasks).await
    }

    /// Ends them.
    ///
    /// # Errors
    /// A cluster that fails.
    pub(crate) async fn stop(&mut self, server: &Server) -> Result<(), Failure> {
        let Some(called) = self.called.as_ref().filter(|_| self.generation > 0) else { return Ok(()) };
        let pods = server.objects("v1", "Pod", Some(&called.namespace)).await?;
        server.delete(&pods, &self.pod()).await
    }

    /// What clients saw in a span, as entries of the timeline: one for each role and model version.
    /// `begun` is the start of the run in seconds since 1970.
    pub(crate) fn told(&self, seen: &Seen, begun: f64, onlooker: &Onlooker) -> Vec<Event> {
        let service = self.called.as_ref().map(|called| called.service.clone()).unwrap_or_default();
        let since = Time::ZERO
            + Duration::from_secs_f64((seen.started - begun + seen.span.since.as_secs_f64()).max(0.0));
        let mut told: Vec<Requests> = Vec::new();
        for answered in &seen.span.answered {
            // Only fake-inference says which pod answered.
            let known = match answered.pod.as_str() {
                "" => onlooker.answered_as(&answered.version),
                pod => onlooker.answered(pod),
            };
            let (role, owner, step) = known.unwrap_or((Role::Other, String::new(), None));
            let same =
                |it: &&mut Requests| it.role == role && it.model == answered.version && it.owner == owner;
            let counts = answered.counts;
            let entry = match told.iter_mut().find(same) {
                Some(entry) => entry,
                None => {
                    let model = answered.version.clone();
                    let service = service.clone();
                    told.push(Requests { service, owner, role, model, step, since, ..NOTHING_YET });
                    told.last_mut().expect("an entry was just pushed")
                }
            };
            let add = |to: &mut f64, count: u64| *to += count as f64;
            add(&mut entry.total, counts.sent);
            add(&mut entry.failed, counts.failed);
            add(&mut entry.slow, counts.slow);
            add(&mut entry.wrong, counts.wrong);
            add(&mut entry.truncated, counts.truncated);
            add(&mut entry.hurt, counts.hurt);
        }
        told.into_iter().map(Event::Requests).collect()
    }

    fn pod(&self) -> String {
        format!("rehearse-clients-{}", self.generation)
    }

    fn manifest(&self, called: &Called, name: &str, rate: Rate) -> Value {
        let Called { service, namespace, port } = called;
        let mut arguments = vec![
            "load".to_owned(),
            format!("--url=http://{service}.{namespace}.svc:{port}"),
            format!("--rate={rate}"),
            "--arrivals=poisson".to_owned(),
            format!("--seed={}", self.seed),
            "--spans".to_owned(),
            format!("--wait={ENDPOINTS_LAG}"),
            "--whole".to_owned(),
            format!("--requests-per-connection={REQUESTS_PER_CONNECTION}"),
        ];
        arguments.extend(self.slow.map(|slow| format!("--slow={slow}")));
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": self.labels},
            "spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "enableServiceLinks": false,
                "containers": [{
                    "name": "clients", "image": self.image, "imagePullPolicy": "IfNotPresent", "args": arguments,
                    "resources": {"requests": {"cpu": SHARE_OF_CPU}},
                }],
            },
        })
    }
}

/// Hands on every span that the clients write to their log.
async fn follow(
    server: &Server,
    namespace: &str,
    name: &str,
    news: UnboundedSender<(Instant, News)>,
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let pods: Api<Pod> = Api::namespaced(server.client(), namespace);
    let how = LogParams { follow: true, ..LogParams::default() };
    let log = pods.log_stream(name, &how).await;
    let mut lines = log.map_err(|error| refused(&format!("followed the log of {name}"), &error))?.lines();
    tasks.spawn(async move {
        while let Ok(Some(line)) = lines.try_next().await {
            // Anything else that the clients say is for people who look at the pod.
            if let Ok(seen) = serde_json::from_str(&line)
                && news.send((Instant::now(), News::Requests(seen))).is_err()
            {
                return;
            }
        }
    });
    Ok(())
}

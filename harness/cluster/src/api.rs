//! The API server of a cluster: objects of any kind, commands inside pods.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex};

use kube::api::{
    Api, ApiResource, AttachParams, DeleteParams, DynamicObject, Patch, PatchParams, PropagationPolicy,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use kube::runtime::wait::await_condition;
use kube::{Client, Config, ResourceExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, timeout};

use crate::Failure;

/// Who writes an object, by whom the API server keeps apart the fields that each of them states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// The harness, for what the cluster needs.
    Harness,
    /// The people of the scenario.
    Person,
}

impl Writer {
    fn name(self) -> &'static str {
        match self {
            Self::Harness => "rehearse",
            Self::Person => "kubectl",
        }
    }
}

/// How long an object may take to become what is waited for.
const PATIENCE: Duration = Duration::from_secs(180);

/// A cluster's API server. Cloning is cheap.
#[derive(Clone)]
pub struct Server {
    client: Client,
    kinds: Arc<Mutex<BTreeMap<(String, String), Kind>>>,
}

/// A kind as the server serves it.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    resource: ApiResource,
    namespaced: bool,
}

impl Server {
    /// Connects to the cluster of a kubeconfig.
    ///
    /// # Errors
    /// A file that is no kubeconfig.
    pub async fn connect(kubeconfig: &Path) -> Result<Self, Failure> {
        let failed = |error: &dyn Display| {
            let what = format!("the cluster of {} cannot be reached", kubeconfig.display());
            Failure::environment(what, error, "rehearse doctor")
        };
        let read = Kubeconfig::read_from(kubeconfig).map_err(|error| failed(&error))?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(read, &options).await.map_err(|error| failed(&error))?;
        let client = Client::try_from(config).map_err(|error| failed(&error))?;
        Ok(Self { client, kinds: Arc::default() })
    }

    /// The objects of a kind, in a namespace or, without one, in all of them.
    ///
    /// # Errors
    /// A kind that the server does not serve.
    pub(crate) async fn objects(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<Api<DynamicObject>, Failure> {
        let kind = self.kind(api_version, kind).await?;
        Ok(self.of_kind(&kind, namespace))
    }

    fn of_kind(&self, kind: &Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace.filter(|_| kind.namespaced) {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind.resource),
            None => Api::all_with(self.client.clone(), &kind.resource),
        }
    }

    /// A kind by its apiVersion and name.
    async fn kind(&self, api_version: &str, kind: &str) -> Result<Kind, Failure> {
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(known) = self.known(&key) {
            return Ok(known);
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let found = discovery::pinned_kind(&self.client, &gvk).await;
        let (resource, capabilities) =
            found.map_err(|error| refused(&format!("asked for the kind {kind} of {api_version}"), &error))?;
        let kind = Kind { resource, namespaced: capabilities.scope == Scope::Namespaced };
        if let Ok(mut kinds) = self.kinds.lock() {
            kinds.insert(key, kind.clone());
        }
        Ok(kind)
    }

    fn known(&self, key: &(String, String)) -> Option<Kind> {
        self.kinds.lock().ok()?.get(key).cloned()
    }

    /// The apiVersion that the server prefers for a kind; `None` for a kind that it does not serve.
    ///
    /// # Errors
    /// A server that does not answer.
    pub(crate) async fn api_version_of(&self, kind: &str) -> Result<Option<String>, Failure> {
        let served = discovery::Discovery::new(self.client.clone()).run_aggregated().await;
        let served = served.map_err(|error| refused("asked for the kinds that it serves", &error))?;
        let resources = served.groups().flat_map(|group| group.recommended_resources());
        let found = resources.into_iter().find(|(resource, _)| resource.kind == kind);
        Ok(found.map(|(resource, _)| resource.api_version))
    }

    /// Writes an object as `kubectl apply --server-side --force-conflicts` does. An object of a
    /// namespaced kind that names no namespace goes into `namespace`.
    ///
    /// # Errors
    /// What the server refuses.
    pub(crate) async fn apply(
        &self,
        writer: Writer,
        object: &Value,
        namespace: &str,
    ) -> Result<DynamicObject, Failure> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let known = self.kind(api_version, kind).await?;
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or(namespace);
        let api = self.of_kind(&known, Some(namespace));
        let written =
            api.patch(name, &PatchParams::apply(writer.name()).force(), &Patch::Apply(object)).await;
        written.map_err(|error| refused(&format!("applied {kind} {namespace}/{name}"), &error))
    }

    /// Deletes an object and what it owns; one that is gone already is as good.
    ///
    /// # Errors
    /// What the server refuses.
    pub(crate) async fn delete(&self, api: &Api<DynamicObject>, name: &str) -> Result<(), Failure> {
        let how = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        match api.delete(name, &how).await {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(refused(&format!("deleted {name}"), &error)),
        }
    }

    /// Waits until an object is as `wanted` says, by watching it.
    ///
    /// # Errors
    /// An object that is not so in time; `what` names it for people.
    pub(crate) async fn wait_for(
        &self,
        api: Api<DynamicObject>,
        name: &str,
        what: &str,
        wanted: fn(&Value) -> bool,
    ) -> Result<(), Failure> {
        let reached = |object: Option<&DynamicObject>| object.is_some_and(|object| wanted(&as_json(object)));
        match timeout(PATIENCE, await_condition(api, name, reached)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refused(&format!("watched {what}"), &error)),
            Err(_) => Err(Failure::environment(
                format!("{what} is not ready after {} s", PATIENCE.as_secs()),
                "",
                "look at it with `kubectl describe`; run with --keep to leave the cluster standing",
            )),
        }
    }

    /// The name of a ready pod that a label selects.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn ready_pod(&self, namespace: &str, selector: &str) -> Result<String, Failure> {
        let pods = self.objects("v1", "Pod", Some(namespace)).await?;
        let found = pods.list(&kube::api::ListParams::default().labels(selector)).await;
        let found = found.map_err(|error| refused("listed pods", &error))?;
        let ready = found.items.iter().find(|pod| is_ready(&as_json(pod)));
        ready
            .map(|pod| pod.name_any())
            .ok_or_else(|| Failure::environment(format!("no pod {selector} is ready in {namespace}"), "", ""))
    }

    /// Runs a command in a pod; what it prints.
    ///
    /// # Errors
    /// A command that ends with another code than 0.
    pub(crate) async fn exec(
        &self,
        namespace: &str,
        pod: &str,
        command: &[&str],
        input: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(self.client.clone(), namespace);
        let how = AttachParams::default().stdin(!input.is_empty()).stdout(true).stderr(true);
        let said = format!("ran `{}` in {namespace}/{pod}", command.join(" "));
        let mut process =
            pods.exec(pod, command.iter().copied(), &how).await.map_err(|error| refused(&said, &error))?;
        let (mut output, mut complaint) = (Vec::new(), Vec::new());
        let (stdin, stdout, stderr) = (process.stdin(), process.stdout(), process.stderr());
        let status = process.take_status();
        let send = async {
            if let Some(mut stdin) = stdin {
                stdin.write_all(input).await?;
                stdin.shutdown().await?;
            }
            Ok::<_, std::io::Error>(())
        };
        let read_output = async {
            match stdout {
                Some(mut stdout) => stdout.read_to_end(&mut output).await.map(|_| ()),
                None => Ok(()),
            }
        };
        let read_complaint = async {
            match stderr {
                Some(mut stderr) => stderr.read_to_end(&mut complaint).await.map(|_| ()),
                None => Ok(()),
            }
        };
        let (sent, read, _) = tokio::join!(send, read_output, read_complaint);
        let ended = match status {
            Some(status) => status.await,
            None => None,
        };
        let succeeded = ended.as_ref().and_then(|status| status.status.as_deref()) == Some("Success");
        if sent.is_err() || read.is_err() || !succeeded {
            let why = ended.and_then(|status| status.message).unwrap_or_default();
            let why = format!("{}{why}", String::from_utf8_lossy(&complaint));
            return Err(Failure::environment(format!("the cluster failed when rehearse {said}"), why, ""));
        }
        Ok(output)
    }

    /// Sends a request to a port of a Service through the API server; the answer's body.
    ///
    /// # Errors
    /// No answer, or one that is no success.
    pub(crate) async fn ask(
        &self,
        method: &str,
        namespace: &str,
        service: &str,
        path: &str,
    ) -> Result<String, Failure> {
        let uri = format!("/api/v1/namespaces/{namespace}/services/{service}/proxy{path}");
        let request = http::Request::builder().method(method).uri(uri).body(Vec::new());
        let request = request.map_err(|error| refused("built a request", &error))?;
        let answer = self.client.request_text(request).await;
        answer.map_err(|error| refused(&format!("asked {namespace}/{service} for {path}"), &error))
    }

    /// The client, for what is not offered here.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }
}

/// An object as JSON, with the type that lists leave out.
pub(crate) fn as_json(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_else(|_| json!({}))
}

/// What is said where the API server fails or refuses.
pub(crate) fn refused(did: &str, error: &dyn Display) -> Failure {
    Failure::environment(format!("the cluster failed when rehearse {did}"), error, "")
}

/// Whether a request failed because the object is not there.
pub(crate) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether a pod says that it is ready.
pub(crate) fn is_ready(pod: &Value) -> bool {
    has_condition(pod, "Ready")
}

/// Whether a condition of an object's status is true.
pub(crate) fn has_condition(object: &Value, condition: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|it| it["type"] == condition && it["status"] == "True")
}

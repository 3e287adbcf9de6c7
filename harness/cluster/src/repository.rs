//! The Git server inside the cluster.

use std::path::Path;

use git::{Commit, fast_import};
use serde_json::{Value, json};

use crate::Failure;
use crate::api::Server;
use crate::install::{Workload, apply_all, namespace, wait_until_available};

/// The namespace and the name of the server.
const PLACE: &str = "rehearse-git";

/// The port that the server listens on.
const PORT: u16 = 8080;

/// The branch that pull requests are merged into.
pub(crate) const BRANCH: &str = "main";

/// A repository on the Git server inside the cluster.
pub struct Repository {
    name: String,
    pod: String,
}

impl Repository {
    /// The URL that Argo CD reads a repository of this name from.
    pub fn url(name: &str) -> String {
        format!("http://{PLACE}.{PLACE}.svc.cluster.local/{name}.git")
    }

    /// Makes an empty repository.
    ///
    /// # Errors
    /// A server that does not answer.
    pub(crate) async fn create(server: &Server, name: &str) -> Result<Self, Failure> {
        let repository = Self::find(server, name).await?;
        let folder = repository.folder();
        let branch = format!("--initial-branch={BRANCH}");
        let init = ["git", "init", "--quiet", "--bare", &branch, &folder];
        server.exec(PLACE, &repository.pod, &init, b"").await?;
        Ok(repository)
    }

    /// Puts a commit on the branch, whose newest commit is its parent.
    ///
    /// # Errors
    /// A server that does not answer, or that gives the commit another id.
    pub(crate) async fn push(&self, server: &Server, commit: &Commit) -> Result<(), Failure> {
        let (folder, stream) = (format!("--git-dir={}", self.folder()), fast_import(commit, BRANCH));
        let import = ["git", &folder, "fast-import", "--quiet", "--done"];
        server.exec(PLACE, &self.pod, &import, &stream).await?;
        let head = server.exec(PLACE, &self.pod, &["git", &folder, "rev-parse", BRANCH], b"").await?;
        let head = String::from_utf8_lossy(&head).trim().to_owned();
        if head == commit.id.as_str() {
            return Ok(());
        }
        Err(Failure::environment(format!("Git made commit {head} of what should be {}", commit.id), "", ""))
    }

    /// Removes it.
    ///
    /// # Errors
    /// A server that does not answer.
    pub(crate) async fn remove(&self, server: &Server) -> Result<(), Failure> {
        server.exec(PLACE, &self.pod, &["rm", "-rf", &self.folder()], b"").await.map(drop)
    }

    async fn find(server: &Server, name: &str) -> Result<Self, Failure> {
        let pod = server.ready_pod(PLACE, &format!("app.kubernetes.io/name={PLACE}")).await?;
        Ok(Self { name: name.to_owned(), pod })
    }

    fn folder(&self) -> String {
        format!("/srv/git/{}.git", self.name)
    }
}

/// Removes a repository, if it is there, from the cluster that a kubeconfig leads to.
///
/// # Errors
/// A server that does not answer.
pub(crate) async fn remove_by(kubeconfig: &Path, name: &str) -> Result<(), Failure> {
    let server = Server::connect(kubeconfig).await?;
    Repository::find(&server, name).await?.remove(&server).await
}

/// Installs the Git server.
///
/// # Errors
/// What the cluster refuses, or a server that does not get ready.
pub(crate) async fn install(server: &Server, image: &str) -> Result<(), Failure> {
    let workload = Workload {
        name: PLACE,
        namespace: PLACE,
        labels: json!({}),
        container: json!({
            "image": image,
            "ports": [{"containerPort": PORT}],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        }),
        volumes: json!([]),
        service_account: "default",
        port: Some((80, PORT)),
    };
    let objects: Vec<Value> = [namespace(PLACE)].into_iter().chain(workload.objects()).collect();
    apply_all(server, &objects, PLACE).await?;
    wait_until_available(server, "Deployment", PLACE, PLACE).await
}

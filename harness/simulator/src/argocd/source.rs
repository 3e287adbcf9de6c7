//! The repo-server: revisions are resolved to commits, and paths of commits to manifests, both cached.

use std::collections::BTreeMap;
use std::sync::Arc;

use manifests::directory::{self, SourceType};
use manifests::kustomize;
use manifests::objects::application::ApplicationSource;
use manifests::tree::{PathError, Tree, normalise};
use units::{Duration, Time};
use yaml::{Node, Problem};

use super::app::App;
use super::settings::Settings;
use super::target::Target;
use super::{discovery, paths, project};
use crate::World;
use git::CommitId;

/// How many failures in a row stop further attempts for a while
/// (argo-cd cmd/argocd-repo-server: pause-generation-after-failed-attempts).
const FAILURES_BEFORE_PAUSE: u32 = 3;

/// How long they stop (pause-generation-on-failure-for-minutes).
const PAUSE: Duration = Duration::from_mins(60);

/// What the repo-server remembers.
#[derive(Debug, Default)]
pub(super) struct Repository {
    /// The branch's commit as it was read last, and until when it is trusted.
    refs: Option<(CommitId, Time)>,
    manifests: BTreeMap<Key, Cached>,
}

/// What generated manifests depend on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    app: String,
    namespace: String,
    commit: CommitId,
    path: String,
}

impl Key {
    fn of(app: &App, commit: &CommitId, path: &str) -> Self {
        Self {
            app: app.name().to_owned(),
            namespace: app.destination_namespace().to_owned(),
            commit: commit.clone(),
            path: path.to_owned(),
        }
    }
}

#[derive(Debug, Clone)]
enum Cached {
    Manifests(Arc<Vec<Target>>),
    /// Failures in a row, with the first one's time and the last one's error.
    Failed {
        first: Time,
        count: u32,
        error: String,
    },
}

/// What is asked of the repo-server.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) source: ApplicationSource,
    /// What to resolve: a branch, or a commit that is known already.
    pub(super) revision: String,
    /// Whether manifests are generated anew (`noCache`).
    pub(super) hard: bool,
    /// Whether the Git host is asked in any case (`noRevisionCache`).
    pub(super) fresh: bool,
}

/// Desired state.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) commit: CommitId,
    pub(super) targets: Arc<Vec<Target>>,
    /// Whether the commit may change anything for the Application (`revisionsMayHaveChanges`).
    pub(super) may_have_changed: bool,
}

/// Loads the desired state of an Application (`GetRepoObjs`).
///
/// # Errors
/// What the repo-server answers, as it stands in the Application's condition.
pub(super) fn load(
    world: &mut World<'_>,
    app: &App,
    settings: Settings,
    request: &Request,
) -> Result<Loaded, String> {
    refuse_what_is_not_rendered(world, app);
    let failed =
        |error: String| format!("failed to generate manifest for source 1 of 1: {}", as_rpc_error(&error));
    let commit = resolve(world, &request.revision, request.fresh, settings).map_err(failed)?;
    world.argocd.queues.of(app.id).looked_at = Some(commit.clone());
    let may_have_changed = may_have_changed(world, app, &commit, settings)?;
    let targets = manifests(world, app, &commit, &request.source.path, request.hard).map_err(failed)?;
    Ok(Loaded { commit, targets, may_have_changed })
}

/// Whether a commit may change anything for an Application since it was compared last. If not, the
/// manifests of then are taken for those of the commit (`UpdateRevisionForPaths`).
fn may_have_changed(
    world: &mut World<'_>,
    app: &App,
    commit: &CommitId,
    settings: Settings,
) -> Result<bool, String> {
    let paths = paths::of(world, app);
    let compared = app.status.revision.clone();
    if paths.is_empty() || compared.is_empty() {
        return Ok(true);
    }
    let compared = resolve(world, &compared, false, settings).map_err(|error| {
        format!(
            "failed to compare revisions for source 1 of 1: rpc error: code = Internal desc = unable to resolve git revision {compared}: {error}"
        )
    })?;
    let changed = compared != *commit && paths::concern_between(world, &paths, &compared, commit);
    if compared != *commit && !changed {
        take_over(world, app, &compared, commit);
    }
    Ok(changed)
}

/// Takes the cached manifests of one commit for those of another (`SetNewRevisionManifests`).
pub(super) fn take_over(world: &mut World<'_>, app: &App, old: &CommitId, new: &CommitId) {
    let path = app.source().path;
    let manifests = &mut world.argocd.repository.manifests;
    if let Some(cached) = manifests.get(&Key::of(app, old, &path)).cloned() {
        manifests.insert(Key::of(app, new, &path), cached);
    }
}

fn refuse_what_is_not_rendered(world: &mut World<'_>, app: &App) {
    let manifest = world.api.get(app.id).manifest.clone();
    let at = |path: &[&str]| manifest.as_deref().and_then(|manifest| manifest.at(path)).cloned();
    if app.spec.spec.sources.len() > 1 {
        if let Some(sources) = at(&["spec", "sources"]) {
            let what = format!("Application `{}` has several sources, which are not simulated", app.name());
            world.fail(sources.problem(what).with_help("rehearse an Application with one `source`"));
        }
    } else if project::has_chart(world, app)
        && let Some(chart) = at(&["spec", "source", "chart"])
    {
        world.fail(
            chart
                .problem(format!("Application `{}` deploys a Helm chart, which is not rendered", app.name())),
        );
    }
}

/// An error as gRPC hands it on.
fn as_rpc_error(error: &str) -> String {
    if error.starts_with("rpc error:") {
        error.to_owned()
    } else {
        format!("rpc error: code = Unknown desc = {error}")
    }
}

/// Finds the commit that a revision means (argo-cd util/git/client.go: lsRemote). The repository has
/// one branch, known as `main`, `master` and `HEAD`.
///
/// # Errors
/// A revision that is neither the branch nor a commit.
pub(super) fn resolve(
    world: &mut World<'_>,
    revision: &str,
    fresh: bool,
    settings: Settings,
) -> Result<CommitId, String> {
    let is_sha = |shortest: usize| {
        (shortest..=40).contains(&revision.len()) && revision.bytes().all(|b| b.is_ascii_hexdigit())
    };
    if is_sha(40) {
        return commit_of(world, revision);
    }
    let head = read_refs(world, fresh, settings)?;
    if is_branch(revision) {
        return Ok(head);
    }
    if is_sha(7) {
        commit_of(world, revision)
    } else {
        Err(format!("unable to resolve '{revision}' to a commit SHA"))
    }
}

/// Whether a revision means the branch's newest commit.
pub(super) fn is_branch(revision: &str) -> bool {
    matches!(revision, "" | "HEAD" | "main" | "master" | "refs/heads/main" | "refs/heads/master")
}

fn commit_of(world: &World<'_>, sha: &str) -> Result<CommitId, String> {
    let sha = sha.to_ascii_lowercase();
    let found = world.git.log().iter().find(|commit| commit.id.as_str().starts_with(&sha));
    found.map(|commit| commit.id.clone()).ok_or_else(|| {
        format!("rpc error: code = Internal desc = Failed to checkout revision {sha}: fatal: remote error: upload-pack: not our ref {sha}")
    })
}

/// Reads the branch from the Git host, or takes the answer that is still trusted. This is the one
/// place where the Git host is asked.
fn read_refs(world: &mut World<'_>, fresh: bool, settings: Settings) -> Result<CommitId, String> {
    let now = world.now();
    if let Some((commit, until)) = &world.argocd.repository.refs
        && !fresh
        && now < *until
    {
        return Ok(commit.clone());
    }
    let head = world.git.head().ok_or("failed to list refs: remote repository is empty")?.id.clone();
    world.argocd.repository.refs = Some((head.clone(), now + settings.refs_fresh_for));
    Ok(head)
}

/// The manifests of a path of a commit (argo-cd reposerver/repository/repository.go: GenerateManifest,
/// getManifestCacheEntry).
fn manifests(
    world: &mut World<'_>,
    app: &App,
    commit: &CommitId,
    path: &str,
    hard: bool,
) -> Result<Arc<Vec<Target>>, String> {
    let key = Key::of(app, commit, path);
    let now = world.now();
    let cached = world.argocd.repository.manifests.get(&key).cloned();
    let previous = match cached.filter(|_| !hard) {
        Some(Cached::Manifests(targets)) => return Ok(targets),
        Some(Cached::Failed { first, count, error }) if count >= FAILURES_BEFORE_PAUSE => {
            if now.since(first) < PAUSE {
                return Err(format!("Manifest generation error (cached): {error}"));
            }
            None
        }
        Some(Cached::Failed { first, count, .. }) => Some((first, count)),
        None => None,
    };
    let generated = generate(world, app, commit, path);
    let entry = match &generated {
        Ok(targets) => Cached::Manifests(Arc::clone(targets)),
        Err(error) => {
            let (first, count) = previous.unwrap_or((now, 0));
            Cached::Failed { first, count: count + 1, error: error.clone() }
        }
    };
    world.argocd.repository.manifests.insert(key, entry);
    generated
}

fn generate(
    world: &mut World<'_>,
    app: &App,
    commit: &CommitId,
    path: &str,
) -> Result<Arc<Vec<Target>>, String> {
    let tree = world.git.commit(commit).map(|commit| commit.tree.clone()).unwrap_or_default();
    check_path(&tree, path)?;
    let nodes = match directory::source_type(&tree, path) {
        SourceType::Kustomize => build(world, &tree, path)?,
        SourceType::Directory => {
            directory::load(&tree, path).map_err(|problems| unreadable(&problems))?.objects
        }
        SourceType::Helm => {
            let what =
                format!("`{path}` is a Helm chart, which is not rendered (Application `{}`)", app.name());
            world.fail(Problem::new(what).with_help("commit the rendered manifests, or use Kustomize"));
            Vec::new()
        }
    };
    let target = |node: Node| Target::new(node, app.name(), app.destination_namespace());
    let targets: Vec<Target> =
        nodes.into_iter().map(target).collect::<Result<_, _>>().map_err(|problem| problem.message)?;
    for target in &targets {
        discovery::report_not_simulated(world, target);
    }
    Ok(Arc::new(targets))
}

/// argo-cd util/app/path/path.go: Path.
fn check_path(tree: &Tree, path: &str) -> Result<(), String> {
    match normalise(path) {
        Err(PathError::Absolute(_)) => Err(format!("{path}: app path is absolute")),
        Err(PathError::Escapes(_)) => Err(format!("{path}: app path outside root")),
        Err(PathError::Nul(_)) => Err(format!("{path}: invalid argument")),
        Ok(dir) if tree.is_dir(&dir) => Ok(()),
        Ok(dir) if tree.get(&dir).is_some() => Err(format!("{path}: app path is not a directory")),
        Ok(_) => Err(format!("{path}: app path does not exist")),
    }
}

fn build(world: &mut World<'_>, tree: &Tree, path: &str) -> Result<Vec<Node>, String> {
    let failed = |error: &str| {
        format!("`kustomize build <path to cached source>/{path}` failed exit status 1: Error: {error}")
    };
    if let Some(render) = world.options.render {
        return render(tree, path).map_err(|error| failed(&error));
    }
    match kustomize::build(tree, path) {
        Ok(rendered) => Ok(rendered.objects),
        Err(kustomize::Error::Invalid(problem)) => Err(failed(&at_its_place(&problem))),
        Err(error @ kustomize::Error::NotImplemented { .. }) => {
            world.fail(
                error
                    .into_problem()
                    .with_help("use `--kustomize program`: the `kustomize` program then renders it"),
            );
            Ok(Vec::new())
        }
    }
}

fn unreadable(problems: &[Problem]) -> String {
    let first = problems.first().map(at_its_place).unwrap_or_default();
    format!("rpc error: code = FailedPrecondition desc = Failed to unmarshal: {first}")
}

/// The message on one line, with the place where one is known.
pub(super) fn at_its_place(problem: &Problem) -> String {
    match &problem.place {
        Some(place) => format!("{} ({place})", problem.message),
        None => problem.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree_of;

    #[test]
    fn a_path_must_be_a_directory_of_the_repository() {
        let tree = tree_of([("overlays/production/kustomization.yaml", "")]);
        let table = [
            ("overlays/production", Ok(())),
            ("./overlays/production/", Ok(())),
            ("overlays/staging", Err("overlays/staging: app path does not exist")),
            (
                "overlays/production/kustomization.yaml",
                Err("overlays/production/kustomization.yaml: app path is not a directory"),
            ),
            ("/etc", Err("/etc: app path is absolute")),
            ("../other", Err("../other: app path outside root")),
        ];
        for (path, expected) in table {
            assert_eq!(check_path(&tree, path), expected.map_err(str::to_owned), "{path}");
        }
    }

    #[test]
    fn an_error_is_wrapped_once() {
        assert_eq!(
            as_rpc_error("x: app path does not exist"),
            "rpc error: code = Unknown desc = x: app path does not exist"
        );
        assert_eq!(
            as_rpc_error("rpc error: code = Internal desc = y"),
            "rpc error: code = Internal desc = y"
        );
    }
}

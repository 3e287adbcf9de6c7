//! What the kind engine needs of a machine, what of that is there, and what mends the rest.

use std::net::TcpListener;
use std::path::Path;

use serde::Serialize;

use crate::Failure;
use crate::components::{Component, Image, Lock, NODE, Sources, bake};
use crate::host::kind::ROOM;
use crate::host::{Docker, Kind, Places, State};

/// What a cluster with all components takes of memory, with the pods of a scenario, in bytes.
pub const MEMORY: u64 = 3_000_000_000;

/// How many processors a cluster needs to come up within the time that is waited for it.
const PROCESSORS: u32 = 2;

/// What kind's known issues ask for ("Pod errors due to too many open files").
const INOTIFY: [(&str, u64); 2] = [("max_user_instances", 512), ("max_user_watches", 524_288)];

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It is there.
    Good,
    /// It may be too little.
    Weak,
    /// It is missing, or cannot be used.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub what: String,
    /// How it stands.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// The command, or else the advice, that mends it; empty where nothing has to be mended.
    pub mend: String,
}

impl Finding {
    fn new(what: &str, health: Health, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.to_owned(), health, found: found.into(), mend: mend.into() }
    }

    fn good(what: &str, found: impl Into<String>) -> Self {
        Self::new(what, Health::Good, found, "")
    }

    fn failed(what: &str, failure: &Failure) -> Self {
        match failure {
            Failure::Environment(lack) => {
                let said = [lack.what.as_str(), lack.said.lines().next().unwrap_or_default()];
                let said: Vec<&str> = said.into_iter().filter(|it| !it.is_empty()).collect();
                Self::new(what, Health::Missing, said.join(": "), lack.mend.clone())
            }
            Failure::Input(_) | Failure::Interrupted => {
                Self::new(what, Health::Missing, failure.to_string(), "")
            }
        }
    }
}

/// Looks at everything that the kind engine needs, in the order in which it needs it.
///
/// # Errors
/// The lock file of this version cannot be read.
pub async fn examine(
    lock: &Lock,
    places: &Places,
    named: Option<&Path>,
    node_image: Option<&str>,
) -> Result<Vec<Finding>, Failure> {
    let mut findings = vec![state(places), port()];
    match Docker::find().await {
        Err(failure) => findings.push(Finding::failed("docker", &failure)),
        Ok(docker) => {
            findings.push(Finding::good("docker", format!("engine {}", docker.engine().version)));
            findings.push(match Kind::find(&docker).await {
                Ok(kind) => Finding::good("kind", kind.version().to_string()),
                Err(failure) => Finding::failed("kind", &failure),
            });
            findings.extend(machine(&docker));
            let sources = Sources::new(&docker, places, named.map(Path::to_owned));
            findings.push(node(lock, node_image, &docker, &sources).await?);
            for component in lock.components().iter().filter(|component| component.name != NODE) {
                findings.extend(images(component, &sources).await);
                findings.extend(manifests(component, &sources).await);
            }
        }
    }
    Ok(findings)
}

fn state(places: &Places) -> Finding {
    match State::open(&places.state) {
        Ok(state) => Finding::good("state folder", state.root().display().to_string()),
        Err(failure) => Finding::failed("state folder", &failure),
    }
}

/// kind publishes the API server of a cluster on a free port of the loopback interface.
fn port() -> Finding {
    match TcpListener::bind(("127.0.0.1", 0)) {
        Ok(_) => Finding::good("loopback ports", "there are free ones"),
        Err(error) => {
            Finding::new("loopback ports", Health::Missing, error.to_string(), "end what holds them")
        }
    }
}

fn machine(docker: &Docker) -> Vec<Finding> {
    let engine = docker.engine();
    let root = engine.root.display().to_string();
    let room = match docker.room() {
        None => Finding::good("disk", "docker keeps it in a virtual or another machine"),
        Some(free) => enough("disk", free, ROOM, &format!("free in {root}"), "docker system prune"),
    };
    let memory = "give docker's machine more memory, or end what uses it";
    let memory = match available_memory() {
        Some(available) => enough("memory", available, MEMORY, "available", memory),
        None => enough("memory", engine.memory, MEMORY, "in docker's machine", memory),
    };
    let processors = format!("{}", engine.processors);
    let processors = if engine.processors < PROCESSORS {
        let mend = format!("give docker's machine {PROCESSORS} processors");
        Finding::new("processors", Health::Weak, processors, mend)
    } else {
        Finding::good("processors", processors)
    };
    let cgroup = match engine.cgroup {
        // Kubernetes 1.35 refuses to start on version 1 (kubelet: `failCgroupV1`); the locked nodes are older.
        1 => Finding::good("control groups", "version 1, which nodes of Kubernetes 1.34 still take"),
        2 => Finding::good("control groups", "version 2"),
        _ => Finding::new("control groups", Health::Weak, "docker does not say which version", ""),
    };
    [room, memory, processors, cgroup].into_iter().chain(INOTIFY.map(inotify)).collect()
}

fn enough(what: &str, there: u64, needed: u64, of_what: &str, mend: &str) -> Finding {
    let megabytes = |bytes: u64| bytes / 1_000_000;
    let found = format!("{} MB {of_what}", megabytes(there));
    if there < needed {
        let found = format!("{found}, and a cluster takes {} MB", megabytes(needed));
        return Finding::new(what, Health::Missing, found, mend);
    }
    Finding::good(what, found)
}

/// The memory that programs can still take on this machine (proc(5), `/proc/meminfo`).
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn inotify((limit, wanted): (&str, u64)) -> Finding {
    let what = format!("inotify {limit}");
    let there = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{limit}"));
    match there.ok().and_then(|text| text.trim().parse::<u64>().ok()) {
        None => Finding::good(&what, "docker's machine has its own"),
        Some(there) if there >= wanted => Finding::good(&what, there.to_string()),
        Some(there) => {
            let found = format!("{there}, which is little for clusters side by side");
            Finding::new(&what, Health::Weak, found, format!("sudo sysctl fs.inotify.{limit}={wanted}"))
        }
    }
}

/// The image of nodes that a run would take, as [`Sources::node_image`] chooses it.
async fn node(
    lock: &Lock,
    chosen: Option<&str>,
    docker: &Docker,
    sources: &Sources,
) -> Result<Finding, Failure> {
    let baked = bake::image(lock);
    let (component, image) = (lock.component(NODE)?, lock.node()?);
    Ok(match chosen.filter(|name| !name.is_empty()) {
        Some(name) => self::image(NODE, &Image::named(name), sources, &format!("docker pull {name}")).await,
        None if docker.has_image(&baked).await? => Finding::good(NODE, baked),
        None => self::image(&told(component), image, sources, &fetch(component)).await,
    })
}

async fn images(component: &Component, sources: &Sources) -> Vec<Finding> {
    let mut findings = Vec::new();
    for image in &component.images {
        findings.push(self::image(&told(component), image, sources, &fetch(component)).await);
    }
    findings
}

fn told(component: &Component) -> String {
    format!("{} {}", component.name, component.version)
}

fn fetch(component: &Component) -> String {
    format!("rehearse components fetch {}", component.name)
}

async fn image(what: &str, image: &Image, sources: &Sources, fetch: &str) -> Finding {
    match sources.loaded(image).await {
        Err(failure) => Finding::failed(what, &failure),
        Ok(Some(name)) => Finding::good(what, name),
        Ok(None) => match sources.find_archive(image).await {
            Some(archive) => Finding::good(what, archive.display().to_string()),
            None => {
                let mend = image.build.as_deref().unwrap_or(fetch);
                Finding::new(what, Health::Missing, format!("no image {}", image.name), mend)
            }
        },
    }
}

async fn manifests(component: &Component, sources: &Sources) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in &component.manifests {
        let what = told(component);
        findings.push(match sources.find_manifest(manifest).await {
            Some((path, _)) => Finding::good(&what, path.display().to_string()),
            None => {
                let missing = format!("no manifest {}", manifest.file);
                Finding::new(&what, Health::Missing, missing, fetch(component))
            }
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_is_told_with_what_is_needed() {
        let finding = enough("disk", 2_999_999_999, ROOM, "free in /x", "docker system prune");
        assert_eq!(finding.health, Health::Missing);
        assert_eq!(finding.found, "2999 MB free in /x, and a cluster takes 3000 MB");
        assert_eq!(enough("disk", ROOM, ROOM, "free", "").health, Health::Good);
    }

    #[test]
    fn a_failure_is_told_in_one_line_with_what_mends_it() {
        let failure = Failure::environment("`kind` is not on the PATH", "one\ntwo", "install it");
        let finding = Finding::failed("kind", &failure);
        assert_eq!(
            (finding.found.as_str(), finding.mend.as_str()),
            ("`kind` is not on the PATH: one", "install it")
        );
    }
}

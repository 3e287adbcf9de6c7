//! The docker engine, through its own client.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::Failure;
use crate::host::Version;
use crate::host::program::{Call, Output, Program};

/// The oldest engine that kind works with (kind, `pkg/cluster/internal/providers/docker/provision.go`:
/// it passes `--cgroupns`, which the API has since 1.41).
pub const OLDEST: Version = Version(20, 10, 0);

/// How long images may take to come from a registry or a disk, or to be built.
const LONG: Duration = Duration::from_secs(1800);

/// What mends a missing docker.
pub(crate) const INSTALL: &str = "install Docker: https://docs.docker.com/engine/install/";

/// A docker engine that answers.
#[derive(Debug, Clone)]
pub struct Docker {
    program: Program,
    engine: Engine,
}

/// What an engine says of itself and its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Its version.
    pub version: Version,
    /// Where it keeps images and containers, on the engine's machine.
    pub root: PathBuf,
    /// The memory of the engine's machine, in bytes.
    pub memory: u64,
    /// The processors of the engine's machine.
    pub processors: u32,
    /// The version of its control groups, 1 or 2; 0 where it does not say.
    pub cgroup: u32,
}

/// A container, running or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The value of the label that was asked for.
    pub label: String,
    /// `running`, `created`, `exited`, ...
    pub state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    #[serde(default)]
    client: Option<Side>,
    #[serde(default)]
    server: Option<Side>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Side {
    version: String,
    #[serde(default)]
    components: Option<Vec<Part>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    name: String,
}

#[derive(Deserialize)]
struct Info {
    #[serde(rename = "DockerRootDir", default)]
    root: PathBuf,
    #[serde(rename = "MemTotal", default)]
    memory: u64,
    #[serde(rename = "NCPU", default)]
    processors: u32,
    #[serde(rename = "CgroupVersion", default)]
    cgroup: String,
}

impl Docker {
    /// Finds the client and asks the engine.
    ///
    /// # Errors
    /// There is no docker, its engine does not answer or is too old, or it is podman under docker's name.
    pub async fn find() -> Result<Self, Failure> {
        let program = Program::find("docker", INSTALL)?;
        let told = program.call(["version", "--format", "{{json .}}"]).ended().await?;
        let version = engine_version(&told.output)?;
        let info = program.call(["info", "--format", "{{json .}}"]).run().await?;
        let info: Info = serde_json::from_slice(&info.stdout)
            .map_err(|error| Failure::environment("`docker info` cannot be read", error, ""))?;
        let engine = Engine {
            version,
            root: info.root,
            memory: info.memory,
            processors: info.processors,
            cgroup: info.cgroup.parse().unwrap_or(0),
        };
        Ok(Self { program, engine })
    }

    /// What the engine says of itself.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A call of the client.
    pub fn call<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Call {
        self.program.call(arguments)
    }

    /// Whether an image is in the engine.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn has_image(&self, image: &str) -> Result<bool, Failure> {
        let call = self.call(["image", "inspect", "--format", "{{.Id}}", image]);
        let told = call.told();
        let ended = call.ended().await?;
        match ended.code {
            Some(0) => Ok(true),
            // An engine that is gone must not read as an image that is missing.
            _ if ended.output.stderr.to_lowercase().contains("no such image") => Ok(false),
            _ => Err(super::program::complaint(format!("`{told}` failed"), &ended.output.stderr)),
        }
    }

    /// Those of some images that are not in the engine, in their order.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn lacks<'a>(&self, images: &[&'a str]) -> Result<Vec<&'a str>, Failure> {
        let mut lacking = Vec::new();
        for image in images {
            if !self.has_image(image).await? {
                lacking.push(*image);
            }
        }
        Ok(lacking)
    }

    /// The ids of images, in their order.
    ///
    /// # Errors
    /// One is not in the engine.
    pub async fn image_ids(&self, images: &[&str]) -> Result<Vec<String>, Failure> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let call = self.call([&["image", "inspect", "--format", "{{.Id}}"], images].concat());
        Ok(call.run().await?.text().lines().map(str::to_owned).collect())
    }

    /// Brings an image from its registry.
    ///
    /// # Errors
    /// There is no internet, no such image, no room.
    pub async fn pull(&self, image: &str) -> Result<(), Failure> {
        self.call(["pull", "--quiet", image]).within(LONG).run().await.map(drop)
    }

    /// Builds an image from a Dockerfile alone, without a context.
    ///
    /// # Errors
    /// A step of the build fails; its own complaint is told.
    pub async fn build(&self, image: &str, dockerfile: &str) -> Result<(), Failure> {
        let call = self.call(["build", "--quiet", "--tag", image, "-"]);
        call.stdin(dockerfile).within(LONG).run().await.map(drop)
    }

    /// Gives an image another name beside its own.
    ///
    /// # Errors
    /// There is no such image.
    pub async fn tag(&self, image: &str, new: &str) -> Result<(), Failure> {
        self.call(["tag", image, new]).run().await.map(drop)
    }

    /// Writes images into one archive, which [`Docker::load`] and `ctr images import` read.
    ///
    /// # Errors
    /// An image is not in the engine, or the archive cannot be written.
    pub async fn save(&self, images: &[&str], archive: &Path) -> Result<(), Failure> {
        let to_archive = ["save".as_ref(), "--output".as_ref(), archive.as_os_str()];
        let arguments = to_archive.into_iter().chain(images.iter().map(AsRef::<OsStr>::as_ref));
        self.call(arguments).within(LONG).run().await.map(drop)
    }

    /// A call that writes images to its standard output.
    pub(crate) fn save_call(&self, images: &[&str]) -> Call {
        self.call([&["save"], images].concat()).within(LONG)
    }

    /// Takes the images of an archive into the engine.
    ///
    /// # Errors
    /// The archive cannot be read or is none, or there is no room.
    pub async fn load(&self, archive: &Path) -> Result<(), Failure> {
        let file = std::fs::File::open(archive).map_err(|error| {
            Failure::environment(format!("{} cannot be read", archive.display()), error, "")
        })?;
        self.call(["load", "--quiet"]).stdin_file(file).within(LONG).run().await.map(drop)
    }

    /// A call of a program in a running container; whoever runs it may give it a standard input.
    pub fn exec(&self, container: &str, arguments: &[&str]) -> Call {
        self.call([&["exec", "--interactive", container], arguments].concat())
    }

    /// Makes an image of a container, to be started as another image is: the container's own command was
    /// another.
    ///
    /// # Errors
    /// There is no such container, no such image, or no room.
    pub async fn commit_as(&self, container: &str, like: &str, image: &str) -> Result<(), Failure> {
        let format = "{{json .Config.Entrypoint}}\n{{json .Config.Cmd}}";
        let told = self.call(["image", "inspect", "--format", format, like]).run().await?.text();
        let mut lines = told.lines().map(|line| if line == "null" { "[]" } else { line });
        let (entrypoint, command) = (lines.next().unwrap_or("[]"), lines.next().unwrap_or("[]"));
        let (entrypoint, command) = (format!("ENTRYPOINT {entrypoint}"), format!("CMD {command}"));
        let call = self.call(["commit", "--change", &entrypoint, "--change", &command, container, image]);
        call.within(LONG).run().await.map(drop)
    }

    /// The containers that have a label, running or not, by name.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn containers(&self, label: &str) -> Result<BTreeSet<Container>, Failure> {
        let filter = format!("label={label}");
        let key = label.split('=').next().unwrap_or(label);
        let format = format!("{{{{.Names}}}}\t{{{{.Label {key:?}}}}}\t{{{{.State}}}}");
        let call = self.call(["ps", "--all", "--no-trunc", "--filter", &filter, "--format", &format]);
        Ok(containers(&call.run().await?.text()))
    }

    /// The names of all containers, running or not.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn container_names(&self) -> Result<BTreeSet<String>, Failure> {
        let output = self.call(["ps", "--all", "--format", "{{.Names}}"]).run().await?;
        Ok(output.text().lines().map(str::to_owned).collect())
    }

    /// Removes containers with their volumes, running or not. Those that are gone already are no failure.
    ///
    /// # Errors
    /// The engine does not answer, or cannot remove one.
    pub async fn remove(&self, containers: &[&str]) -> Result<(), Failure> {
        if containers.is_empty() {
            return Ok(());
        }
        let call = self.call([&["rm", "--force", "--volumes"], containers].concat());
        let told = call.told();
        let ended = call.within(Duration::from_secs(180)).ended().await?;
        let complaints = ended.output.stderr.lines().map(str::to_lowercase);
        // Another may be removing it at the same time.
        let is_harmless = |line: &String| {
            line.contains("no such container") || line.contains("is already in progress") || line.is_empty()
        };
        let left: Vec<String> = complaints.filter(|line| !is_harmless(line)).collect();
        if ended.code == Some(0) || left.is_empty() {
            return Ok(());
        }
        Err(super::program::complaint(format!("`{told}` failed"), &ended.output.stderr))
    }

    /// How much room there is where the engine keeps images, in bytes; `None` where that is on another
    /// machine or in a virtual one.
    pub fn room(&self) -> Option<u64> {
        let statistics = rustix::fs::statvfs(&self.engine.root).ok()?;
        statistics.f_bavail.checked_mul(statistics.f_frsize)
    }

    /// Makes sure that there is room where the engine keeps images, if that can be known.
    ///
    /// # Errors
    /// There is less than what is needed, in bytes.
    pub fn need_room(&self, needed: u64, what_for: &str) -> Result<(), Failure> {
        match self.room() {
            Some(there) if there < needed => Err(Failure::environment(
                format!(
                    "no room on disk: {what_for} needs {} MB in {}, which has {} MB free",
                    needed / 1_000_000,
                    self.engine.root.display(),
                    there / 1_000_000
                ),
                "",
                "make room: `docker system df` shows what docker holds, `docker system prune` removes what \
                 nothing uses",
            )),
            _ => Ok(()),
        }
    }
}

/// `docker version` fails where the engine does not answer, and says all the same who the client is.
fn engine_version(output: &Output) -> Result<Version, Failure> {
    let unsuitable = |what: String| Failure::environment(what, "", INSTALL);
    let told = serde_json::from_slice::<Told>(&output.stdout).ok();
    let podman = "`docker` is podman here, which the kind engine is not made for".to_owned();
    let speaks_of_podman = |text: &str| text.to_lowercase().contains("podman");
    if speaks_of_podman(&output.stderr) {
        return Err(unsuitable(podman));
    }
    let Some(Told { client, server: Some(server) }) = told else {
        let what = "the docker engine does not answer".to_owned();
        return Err(super::program::complaint(what, &output.stderr));
    };
    let parts = [client.and_then(|it| it.components), server.components];
    if parts.into_iter().flatten().flatten().any(|part| speaks_of_podman(&part.name)) {
        return Err(unsuitable(podman));
    }
    let version = Version::find(&server.version);
    let version =
        version.ok_or_else(|| unsuitable(format!("docker says that its version is `{}`", server.version)))?;
    if version < OLDEST {
        return Err(unsuitable(format!("the docker engine is {version}, and kind needs {OLDEST} or later")));
    }
    Ok(version)
}

fn containers(table: &str) -> BTreeSet<Container> {
    let rows = table.lines().filter_map(|line| {
        let mut cells = line.split('\t').map(str::to_owned);
        Some(Container { name: cells.next()?, label: cells.next()?, state: cells.next()? })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(stdout: &str, stderr: &str) -> Result<Version, String> {
        let output = Output { stdout: stdout.into(), stderr: stderr.to_owned() };
        engine_version(&output).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_engine_counts_and_not_the_client() {
        let told = r#"{"Client":{"Version":"28.2.2"},"Server":{"Version":"20.10.24+dfsg1","Components":[
            {"Name":"Engine","Version":"20.10.24+dfsg1"}]}}"#;
        assert_eq!(version(told, ""), Ok(Version(20, 10, 24)));
        let failure = version(&told.replace("20.10.24", "19.3.1"), "").unwrap_err();
        assert!(failure.starts_with("the docker engine is 19.3.1, and kind needs 20.10.0"), "{failure}");
    }

    #[test]
    fn an_engine_that_is_down_is_told_with_what_starts_it() {
        let stderr = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?";
        let failure = version(r#"{"Client":{"Version":"28.2.2"},"Server":null}"#, stderr).unwrap_err();
        assert_eq!(
            failure,
            format!(
                "the docker engine does not answer\n  {stderr}\n  help: start docker: `sudo systemctl start \
                 docker`"
            )
        );
    }

    #[test]
    fn podman_is_refused_by_its_name_behind_either_end() {
        let client = r#"{"Client":{"APIVersion":"5.4.0","Version":"5.4.0"}}"#;
        let note = "Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.";
        let server = r#"{"Client":{"Version":"28.2.2"},"Server":{"Version":"5.4.0","Components":[
            {"Name":"Podman Engine","Version":"5.4.0"}]}}"#;
        for (stdout, stderr) in [(client, note), (server, "")] {
            let failure = version(stdout, stderr).unwrap_err();
            assert!(failure.starts_with("`docker` is podman here"), "{failure}");
        }
    }

    #[test]
    fn containers_are_read_by_name() {
        let table = "b\trehearse-1\trunning\na\trehearse-1\tcreated\n";
        let names: Vec<String> = containers(table).into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(containers(""), BTreeSet::new());
    }
}

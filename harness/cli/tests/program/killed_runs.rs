//! Runs on a cluster that are killed at any moment. Needs docker, kind and the components, which
//! `REHEARSE_COMPONENTS` may name: `cargo test -p rehearse --features kind`.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use cluster::host::journal::Owner;
use cluster::host::{Journal, Kept, State};

use crate::common::{Room, program, run};

/// How many runs are killed that make a cluster, and how long the last of them lives.
const COLD: (u32, Duration) = (10, Duration::from_secs(60));

/// How many are killed that use a cluster which stays.
const WARM: (u32, Duration) = (10, Duration::from_secs(30));

/// Tells the clusters of this test from others.
const IDENTITY: &str = "hostk";

/// A room with a state folder of its own.
struct Machine {
    room: Room,
    state: State,
}

impl Machine {
    fn new() -> Self {
        let room = Room::new();
        room.write("state/identity", IDENTITY);
        let state = State::open(room.path("state")).unwrap();
        Self { room, state }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.room.path(""), arguments);
        command.env("REHEARSE_STATE", self.state.root());
        command
    }

    /// Runs the scenario for so long, and kills the harness alone.
    fn kill_after(&self, moment: Duration, arguments: &[&str]) {
        let arguments = [&["run", "calm.yaml", "--engine", "kind"], arguments].concat();
        let mut command = self.command(&arguments);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The moments are what is tested; nothing waits for anything to have happened by then.
        sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until the reaper has the journal no longer, and cleans where it was killed before it had one.
    fn wait_for_reaper(&self) {
        for run in self.state.runs().unwrap() {
            if let Owner::Us(journal) = Journal::inherit(&self.state, &run, || ()).unwrap() {
                drop(journal);
            }
        }
    }

    /// After that, `rehearse clean` may be needed where a run was killed before its reaper watched.
    fn assert_nothing_is_left(&self, what: &str) {
        for _ in 0..100 {
            self.wait_for_reaper();
            if self.state.runs().unwrap().is_empty() {
                break;
            }
            assert_eq!(run(&mut self.command(&["clean"])).code, 0, "{what}");
        }
        assert_eq!(self.state.runs().unwrap(), [], "{what}");
    }
}

/// The names of the containers of this test.
fn containers() -> Vec<String> {
    let listed = Command::new("docker").args(["ps", "--all", "--format", "{{.Names}}"]).output().unwrap();
    let names = String::from_utf8(listed.stdout).unwrap();
    names.lines().filter(|name| name.contains(IDENTITY)).map(str::to_owned).collect()
}

/// What runs have left in a cluster: what has the label of one, of the kinds that runs make, and repositories.
fn left_in(node: &str) -> String {
    let kinds = "namespaces,configmaps,deployments,services,pods,clusterroles,clusterrolebindings,\
                 applications.argoproj.io,appprojects.argoproj.io,applicationsets.argoproj.io";
    let labelled = ["get", kinds, "--all-namespaces", "-l", "rehearse.dev/run", "-o", "name"];
    let repositories = ["exec", "-n", "rehearse-git", "deploy/rehearse-git", "--", "ls", "/srv/git"];
    kubectl(node, &labelled) + &kubectl(node, &repositories)
}

fn kubectl(node: &str, arguments: &[&str]) -> String {
    let kubectl = ["exec", node, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"];
    let told = Command::new("docker").args(kubectl).args(arguments).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).unwrap()
}

/// A cluster that is gone when the test ends, also where that fails.
struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.0]).output();
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_nothing() {
    let machine = Machine::new();
    let (kills, longest) = COLD;
    for kill in 0..kills {
        machine.kill_after(longest * kill / kills, &[]);
        machine.assert_nothing_is_left(&format!("cold, kill {kill}"));
        assert_eq!(containers(), [""; 0], "cold, kill {kill}");
    }

    let kept = run(&mut machine.command(&["run", "calm.yaml", "--engine", "kind", "--keep"]));
    assert_eq!(kept.code, 0, "{kept:#?}");
    let [kept] = <[Kept; 1]>::try_from(Kept::all(&machine.state).unwrap()).unwrap();
    let name = kept.name.as_str();
    let node = Removed(format!("{name}-control-plane"));
    let (kills, longest) = WARM;
    for kill in 0..kills {
        machine.kill_after(longest * kill / kills, &["--reuse", name]);
        machine.assert_nothing_is_left(&format!("warm, kill {kill}"));
        assert_eq!(left_in(&node.0), "", "warm, kill {kill}");
    }
    let again = run(&mut machine.command(&["run", "calm.yaml", "--engine", "kind", "--reuse", name]));
    assert_eq!(again.code, 0, "the cluster is as good as before: {again:#?}");
    assert_eq!(run(&mut machine.command(&["clean", name])).code, 0);
    assert_eq!(containers(), [""; 0]);
    assert!(!kept.kubeconfig.exists());
}

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use transform::Speed;

/// Rehearse a model rollout before you merge it.
///
/// A scenario file says which model is merged, how it behaves, what breaks and what must happen.
/// rehearse runs your own manifests through a model of Git, Kustomize, Argo CD, Kubernetes, Argo
/// Rollouts and Prometheus in virtual time, and gives a verdict with evidence.
#[derive(Parser)]
#[command(name = "rehearse", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0   every expectation passed
  1   an expectation failed
  2   invalid input: arguments, scenario, manifests
  3   inconclusive: something was never put to the test
  4   the environment is missing or failed
  70  a defect in rehearse";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run scenarios and judge them.
    Run(Run),
    /// Run scenarios on a real cluster and in the simulator, and tell where the two differ.
    Compare(Compare),
    /// Judge a recorded timeline again.
    Judge(Judge),
    /// Remove what killed runs have left on this machine.
    Clean(Clean),
    /// Say what this machine lacks for --engine kind, and what mends it.
    Doctor(Doctor),
    /// Bring what --engine kind installs onto this machine, also without internet.
    Components(Components),
    /// Undo a run once its process is gone. A run starts this itself.
    #[command(hide = true)]
    Reap(Reap),
    Rules(crate::rules_test::Rules),
    Gate(crate::gate_test::Gate),
    /// Print the JSON schema of a language, for editors.
    Schema {
        /// The language.
        #[arg(value_enum, default_value_t = Language::Scenario)]
        of: Language,
    },
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  rehearse completions bash > /etc/bash_completion.d/rehearse")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rehearse run scenarios/canary/bad-model.yaml
  rehearse run scenarios/ --report target/rehearsal
  rehearse run scenarios/canary/low-traffic-false-abort.yaml --seeds 500
  rehearse run scenarios/canary/bad-model.yaml --format json | jq .results[0].verdict
  rehearse run scenarios/canary/bad-model.yaml --engine kind --keep")]
pub(crate) struct Run {
    /// Scenario files, or folders that hold some.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t = Engine::Sim)]
    pub(crate) engine: Engine,
    /// The seed of every random choice; with --seeds, the first one.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Run every scenario with this many seeds and report how the outcomes are distributed. A scenario
    /// whose expectations speak of a share of seeds is run with 200 unless this says otherwise.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) seeds: Option<u64>,
    /// How many runs at a time; as many as there are processors if left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) shown: Shown,
    /// Also write timeline.jsonl and report.json of every run into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Whether requests are drawn at random or counted by their expected values.
    #[arg(long, value_enum, default_value_t = Arrivals::Drawn)]
    pub(crate) arrivals: Arrivals,
    /// Who renders kustomizations: rehearse itself, the kustomize program, or rehearse and the program
    /// for what rehearse does not implement.
    #[arg(long, value_enum, default_value_t = Kustomize::Auto)]
    pub(crate) kustomize: Kustomize,
    #[command(flatten)]
    pub(crate) on_cluster: OnCluster,
    /// Show every entry of the timeline.
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rehearse compare scenarios/canary/bad-model.yaml
  rehearse compare scenarios/canary/bad-model.yaml scenarios/gitops --jobs 2 --report target/compared

Exit code 1: an outcome differs")]
pub(crate) struct Compare {
    /// Scenario files, or folders that hold some.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The two engines.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 1, default_values_t = [Engine::Sim, Engine::Kind])]
    pub(crate) engines: Vec<Engine>,
    /// The seed of every random choice.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// How many scenarios run side by side in the cluster.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) shown: Shown,
    /// Also write timeline.jsonl and report.json of every run of both engines into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Who renders kustomizations for the simulator, as for `rehearse run`.
    #[arg(long, value_enum, default_value_t = Kustomize::Auto)]
    pub(crate) kustomize: Kustomize,
    #[command(flatten)]
    pub(crate) on_cluster: OnCluster,
    /// Show what agrees, too.
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// How a scenario runs on a kind cluster.
#[derive(Args)]
#[command(next_help_heading = "With --engine kind")]
pub(crate) struct OnCluster {
    /// Divide every duration by this; if left out, the highest speed at which the scenario keeps its meaning.
    #[arg(long, value_name = "N")]
    pub(crate) speed: Option<Speed>,
    /// Leave the cluster standing, for --reuse.
    #[arg(long, conflicts_with = "reuse")]
    pub(crate) keep: bool,
    /// Use a cluster that an earlier run kept.
    #[arg(long, value_name = "NAME")]
    pub(crate) reuse: Option<String>,
    /// A folder with manifests and images of the components, looked at before the internet; also
    /// $REHEARSE_COMPONENTS.
    #[arg(long, value_name = "DIR")]
    pub(crate) components: Option<PathBuf>,
    /// The image of the cluster's nodes; also $REHEARSE_NODE_IMAGE.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) node_image: Option<String>,
}

#[derive(Args)]
#[command(
    after_help = "Example:\n  rehearse judge scenarios/canary/bad-model.yaml target/rehearsal/sim/bad-model/timeline.jsonl"
)]
pub(crate) struct Judge {
    /// The scenario whose expectations are judged.
    pub(crate) scenario: PathBuf,
    /// The recording: a timeline.jsonl.
    pub(crate) timeline: PathBuf,
    /// For a scenario with a matrix: the case, as it is named in reports.
    #[arg(long)]
    pub(crate) case: Option<String>,
    #[command(flatten)]
    pub(crate) shown: Shown,
    /// Show every entry of the timeline.
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// Runs clean up after themselves, and after one that was killed a process does that it leaves behind. This
/// is for what is left when the machine went down or that process was killed too.
#[derive(Args)]
#[command(after_help = "\
Examples:
  rehearse clean --dry-run
  rehearse clean rehearse-1f3a9c-77de01ab")]
pub(crate) struct Clean {
    /// Clusters to remove too, by name, whoever made them; those of living runs are left alone.
    #[arg(value_name = "CLUSTER", value_parser = cluster::host::ClusterName::parse)]
    pub(crate) clusters: Vec<cluster::host::ClusterName>,
    /// Also remove the clusters that were kept with --keep.
    #[arg(long)]
    pub(crate) all: bool,
    /// Say what would be removed, and leave it.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// How results are shown.
#[derive(Args)]
pub(crate) struct Shown {
    /// What is printed on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Whether the output is coloured.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// What is printed on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// A folder with manifests and images of the components; also $REHEARSE_COMPONENTS.
    #[arg(long, value_name = "DIR")]
    pub(crate) components: Option<PathBuf>,
}

/// A cluster is made of images and manifests whose versions are locked. They are taken from the docker
/// engine, else from a folder, else from the internet.
#[derive(Args)]
#[command(after_help = "\
Without internet:
  rehearse components save rehearse.tar.gz     on a machine that has internet
  rehearse components load rehearse.tar.gz     on the one that has not")]
pub(crate) struct Components {
    #[command(subcommand)]
    pub(crate) command: ComponentsCommand,
    /// A folder with manifests and images of the components, looked at before the internet; also
    /// $REHEARSE_COMPONENTS.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) components: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum ComponentsCommand {
    /// Print the components with their versions, images and manifests.
    List,
    /// Bring what is missing into the docker engine and the cache.
    Fetch {
        /// The components; all of them if left out.
        #[arg(value_name = "COMPONENT")]
        names: Vec<String>,
    },
    /// Write images and manifests into one archive, after bringing those that are missing.
    Save {
        /// The archive.
        file: PathBuf,
        /// The components; all of them if left out.
        #[arg(value_name = "COMPONENT")]
        names: Vec<String>,
    },
    /// Unpack an archive: images into the docker engine, manifests into the user's folder of components.
    Load {
        /// The archive.
        file: PathBuf,
    },
    /// Make an image of nodes that has all images in it, so that new clusters load none.
    Bake,
}

#[derive(Args)]
pub(crate) struct Reap {
    /// The folder that remembers what runs have made.
    pub(crate) state: PathBuf,
    /// The run.
    pub(crate) run: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// The simulator: virtual time, nothing to install.
    Sim,
    /// A kind cluster with the real controllers; needs docker and kind.
    Kind,
    /// An existing cluster (not in this version).
    Live,
}

impl Engine {
    /// Its name, as it is chosen by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Kind => "kind",
            Self::Live => "live",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Scenario files.
    Scenario,
    /// Unit tests of gates.
    Gate,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object; of a run the same as report.json.
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    /// Drawn from their distribution.
    Drawn,
    /// Expected values, which may be fractions.
    Expected,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kustomize {
    /// rehearse's own renderer only.
    Builtin,
    /// The kustomize program only.
    Program,
    /// The program where the renderer refuses and the program is on the PATH.
    Auto,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

//! Real inference servers in place of fake-inference, where scenarios state them.

use std::collections::BTreeMap;

use manifests::tree::Tree;
use scenario::{ModelServer, Scenario};
use timeline::NotSimulated;
use transform::{Needs, Transformed, probing, with_small_requests};
use yaml::Problem;

/// A repository and its scenario as a cluster is served them: with probes that ask where the scenario's real
/// server answers, or, where fake-inference stands in, with small requests of resources.
///
/// # Errors
/// A path of the repository that is none, which cannot be.
pub(crate) fn served(repository: &Tree, scenario: &Scenario) -> Result<Transformed, Problem> {
    match &scenario.server {
        Some(server) => probing(repository, scenario, &server.probes),
        None => with_small_requests(repository, scenario),
    }
}

/// What the report says of a real server.
pub(crate) fn notes(served: &Transformed) -> Vec<NotSimulated> {
    let Some(server) = &served.scenario.server else { return Vec::new() };
    let behaviours = NotSimulated {
        what: "the behaviours under `models`".to_owned(),
        place: served.scenario.place_of_server().to_string(),
        instead: format!("{} answers as it does", server.image),
    };
    let probes = served.notes.iter().map(|note| NotSimulated {
        what: note.to_string(),
        place: String::new(),
        instead: "the real server is probed".to_owned(),
    });
    std::iter::once(behaviours).chain(probes).collect()
}

/// What the report says of Jobs whose image is that of a workload, too: nodes know one image by each name.
pub(crate) fn notes_of_jobs(needs: &Needs) -> Vec<NotSimulated> {
    let both = needs.job_images.intersection(&needs.images);
    let note = |image: &String| NotSimulated {
        what: format!("the image {image} in Jobs"),
        place: String::new(),
        instead: "the model server runs in them, which stands in for that image in workloads".to_owned(),
    };
    both.map(note).collect()
}

/// What runs in place of each image that manifests name, of all scenarios of a cluster: nodes know one image
/// by each name.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    /// By the image's name, with the name of the scenario that was the first to need it.
    images: BTreeMap<String, (Option<ModelServer>, String)>,
}

impl Servers {
    /// Has a scenario's server stand in for images.
    ///
    /// # Errors
    /// An image has another server in a scenario of before.
    pub(crate) fn stand_in(
        &mut self,
        images: impl IntoIterator<Item = String>,
        scenario: &Scenario,
    ) -> Result<(), Problem> {
        for image in images {
            let ours = || (scenario.server.clone(), scenario.name.clone());
            let (theirs, first) = self.images.entry(image.clone()).or_insert_with(ours);
            if *theirs == scenario.server {
                continue;
            }
            let called = |server: &Option<ModelServer>| {
                server.as_ref().map_or("fake-inference", |server| server.image.as_str()).to_owned()
            };
            let (our_server, their_server) = (called(&scenario.server), called(theirs));
            let told = match our_server == their_server {
                true => "with another command, environment or probes".to_owned(),
                false => format!("and not {our_server}"),
            };
            let message =
                format!("in place of the image `{image}`, scenario `{first}` has {their_server}, {told}");
            let problem = Problem::at(&scenario.place_of_server(), message);
            return Err(problem.with_help(
                "one cluster knows one image by a name: give both scenarios the same server, or run them one \
                 after another, each by a command of its own",
            ));
        }
        Ok(())
    }

    /// The images, each with the real server in its place.
    pub(crate) fn into_images(self) -> BTreeMap<String, Option<ModelServer>> {
        self.images.into_iter().map(|(image, (server, _))| (image, server)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(name: &str, server: &str) -> Scenario {
        let yaml = format!(
            "name: {name}\nrepository: .\nmodels:\n  a: {{ latency: {{ p50: 1s, p99: 2s }}{server} }}\n\
             expect: [{{ requests: {{ failed: == 0 }} }}]\n"
        );
        Scenario::read("s.yaml", yaml.as_bytes()).unwrap().remove(0)
    }

    fn both(first: &str, second: &str) -> Result<BTreeMap<String, Option<ModelServer>>, Problem> {
        let mut servers = Servers::default();
        servers.stand_in(["app:1".to_owned()], &scenario("one", first))?;
        servers.stand_in(["app:1".to_owned(), "app:2".to_owned()], &scenario("two", second))?;
        Ok(servers.into_images())
    }

    #[test]
    fn scenarios_of_a_cluster_share_the_server_of_an_image() {
        assert_eq!(both("", "").unwrap(), [("app:1".to_owned(), None), ("app:2".to_owned(), None)].into());
        let images = both(", image: vllm", ", image: vllm").unwrap();
        assert!(images.values().all(|server| server.as_ref().unwrap().image == "vllm"));
    }

    #[test]
    fn scenarios_that_need_two_servers_for_an_image_are_refused() {
        let told = |first, second| both(first, second).unwrap_err().to_string();
        let one = told(", image: vllm", ", image: tgi");
        assert!(
            one.contains("`app:1`, scenario `one` has vllm, and not tgi") && one.contains("s.yaml:4"),
            "{one}"
        );
        assert!(told("", ", image: tgi").contains("has fake-inference, and not tgi"));
        assert!(told(", image: vllm", "").contains("has vllm, and not fake-inference"));
        let same = told(", image: vllm", ", image: vllm, command: [serve]");
        assert!(same.contains("has vllm, with another command"), "{same}");
    }

    #[test]
    fn the_report_says_that_a_real_server_answers_as_it_does() {
        let files = Tree::new();
        let of = |server| notes(&served(&files, &scenario("s", server)).unwrap());
        assert_eq!(of(""), []);
        let notes = of(", image: vllm");
        assert_eq!((notes.len(), notes[0].instead.as_str()), (1, "vllm answers as it does"));
    }

    #[test]
    fn the_report_says_which_jobs_the_model_server_runs_in() {
        let set = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let needs =
            Needs { images: set(&["app:1"]), job_images: set(&["app:1", "suite:2"]), ..Needs::default() };
        let told: Vec<String> = notes_of_jobs(&needs).into_iter().map(|note| note.what).collect();
        assert_eq!(told, ["the image app:1 in Jobs"]);
    }
}

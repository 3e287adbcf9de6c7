//! Watching a cluster: every change of the objects that the timeline speaks of, as it comes.

use futures::StreamExt as _;
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Failure;
use crate::alerts::Answer;
use crate::api::{Server, as_json};
use crate::observe::Change;
use crate::traffic::Seen;

/// What comes from a cluster.
#[derive(Debug)]
pub(crate) enum News {
    /// An object changed.
    Changed(Change),
    /// A watch has begun: all objects of its kind were told.
    Listed,
    /// A watch broke and began again: changes in between may be missing.
    Gap {
        /// The kind.
        kind: String,
        /// Why it broke.
        why: String,
    },
    /// What clients saw in a span of time.
    Requests(Seen),
    /// What Prometheus has of rules and alerts.
    Rules(Answer),
    /// Prometheus does not answer any more, and why.
    Away(String),
}

/// Watches the objects of a kind until the set of tasks is dropped.
///
/// # Errors
/// A kind that the server does not serve.
pub(crate) async fn follow(
    tasks: &mut JoinSet<()>,
    server: &Server,
    (api_version, kind): (&str, &str),
    namespace: Option<&str>,
    news: UnboundedSender<(Instant, News)>,
) -> Result<(), Failure> {
    let api = server.objects(api_version, kind, namespace).await?;
    let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
    tasks.spawn(async move { forward(api, &api_version, &kind, &news).await });
    Ok(())
}

async fn forward(
    api: Api<DynamicObject>,
    api_version: &str,
    kind: &str,
    news: &UnboundedSender<(Instant, News)>,
) {
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        let told = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                Some(changed(&object, api_version, kind, false))
            }
            Ok(Event::Delete(object)) => Some(changed(&object, api_version, kind, true)),
            Ok(Event::InitDone) => Some(News::Listed),
            Ok(Event::Init) => None,
            Err(error) => Some(News::Gap { kind: kind.to_owned(), why: error.to_string() }),
        };
        // Who listens no more has ended the run.
        if told.is_some_and(|told| news.send((Instant::now(), told)).is_err()) {
            return;
        }
    }
}

/// Lists leave out the type of their items.
fn changed(object: &DynamicObject, api_version: &str, kind: &str, gone: bool) -> News {
    let mut object = as_json(object);
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
    News::Changed(Change { object, gone })
}

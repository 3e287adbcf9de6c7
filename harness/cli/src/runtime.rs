use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Does what is asynchronous. Threads that have not noticed that their work is given up hold nothing up.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Runtime::new();
    let runtime =
        runtime.map_err(|error| Failure::Environment(format!("no thread can be started: {error}")))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

/// What becomes of work, unless it is interrupted; what it has begun is removed where it is dropped.
pub(crate) async fn unless_interrupted<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
where
    Failure: From<E>,
{
    tokio::select! {
        done = work => done.map_err(Failure::from),
        () = interrupted() => Err(Failure::Environment("interrupted; what was begun is removed".to_owned())),
    }
}

/// Waits for what ends a run before its time: Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return std::future::pending().await };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

use crate::failure::Failure;

/// Does what is asynchronous.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Runtime::new();
    let runtime =
        runtime.map_err(|error| Failure::Environment(format!("no thread can be started: {error}")))?;
    runtime.block_on(work)
}

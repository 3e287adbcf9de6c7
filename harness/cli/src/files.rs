use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a file of at most `limit` bytes. What has no size of its own, as a pipe or a device, is read no
/// further either.
///
/// # Errors
/// Why the file cannot be read, after "cannot be read: ".
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(limit as u64 + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content.len() > limit {
        return Err(format!("it is larger than {} MiB", limit >> 20));
    }
    Ok(content)
}

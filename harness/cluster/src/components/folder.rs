//! Finding components in a folder of the user, wherever below it they lie.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::components::{Manifest, sha256};

/// How deep below a folder is looked.
const DEEPEST: usize = 8;

/// How many files and folders are looked at.
const MOST: usize = 200_000;

/// The largest file that is taken for a manifest. The largest that is known has 3 MB.
pub(super) const LARGEST_MANIFEST: u64 = 64 << 20;

/// The largest list of images in an archive.
const LARGEST_LIST: u64 = 4 << 20;

/// The files below a folder with some ending, in the order of their paths. Links to folders are not followed.
fn files(folder: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let (mut found, mut seen) = (Vec::new(), 0);
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        // A folder that may not be read has nothing for us.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MOST {
                return found;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEEPEST => folders.push((entry.path(), depth + 1)),
                Ok(kind) if kind.is_dir() => {}
                Ok(_) if entry.file_name().to_str().is_some_and(is_wanted) => found.push(entry.path()),
                Ok(_) | Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

/// The file below a folder that has a manifest's name and checksum. Files of that name with another content
/// are passed over: they were changed, or are of another version.
pub(super) fn manifest(folder: &Path, manifest: &Manifest) -> Option<(PathBuf, Vec<u8>)> {
    let named = files(folder, &|name| name == manifest.file);
    named.into_iter().find_map(|path| {
        let bytes = read(&path, LARGEST_MANIFEST)?;
        (sha256(&bytes) == manifest.sha256).then_some((path, bytes))
    })
}

fn read(path: &Path, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(most + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= most).then_some(bytes)
}

/// The archive below a folder that holds an image under one of its names.
pub(super) fn archive_with(folder: &Path, names: &[&str]) -> Option<PathBuf> {
    let is_archive = |name: &str| Path::new(name).extension().is_some_and(|it| it == "tar");
    files(folder, &is_archive).into_iter().find(|path| {
        let held = File::open(path).ok().and_then(|file| images_in(file).ok());
        held.is_some_and(|held| names.iter().any(|name| held.contains(*name)))
    })
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "RepoTags")]
    names: Option<Vec<String>>,
}

/// The names of the images in an archive that `docker save` wrote: what its `manifest.json` says
/// (moby, image/tarexport: `manifestItem`).
///
/// # Errors
/// It is no such archive.
pub(super) fn images_in(archive: impl Read + std::io::Seek) -> std::io::Result<BTreeSet<String>> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let path = entry.path()?;
        if path.strip_prefix(".").unwrap_or(&path) != Path::new("manifest.json") {
            continue;
        }
        let mut list = Vec::new();
        entry.take(LARGEST_LIST).read_to_end(&mut list)?;
        let listed: Vec<Listed> = serde_json::from_slice(&list)?;
        return Ok(listed.into_iter().filter_map(|it| it.names).flatten().collect());
    }
    Err(std::io::Error::other("it has no `manifest.json`: `docker save` did not write it"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;
    use std::os::unix::fs::symlink;

    use super::*;

    /// An archive as `docker save` writes it, with layers that are none.
    pub(crate) fn docker_archive(names: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let list = serde_json::json!([{ "Config": "c.json", "RepoTags": names, "Layers": [] }]).to_string();
        for (path, content) in [("layer.tar", "x".repeat(5000)), ("manifest.json", list)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn manifest_of(content: &str) -> Manifest {
        Manifest { file: "install.yaml".into(), url: String::new(), sha256: sha256(content.as_bytes()) }
    }

    #[test]
    fn a_manifest_is_found_by_name_and_checksum_wherever_it_lies() {
        let room = tempfile::tempdir().unwrap();
        let upstream = room.path().join("argo/upstream");
        fs::create_dir_all(&upstream).unwrap();
        fs::write(room.path().join("argo/install.yaml"), "patched").unwrap();
        fs::write(upstream.join("install.yaml"), "unchanged").unwrap();
        fs::write(upstream.join("other.yaml"), "under another name").unwrap();
        symlink(room.path(), upstream.join("loop")).unwrap();
        let (path, bytes) = manifest(room.path(), &manifest_of("unchanged")).unwrap();
        assert_eq!((path, bytes), (upstream.join("install.yaml"), b"unchanged".to_vec()));
        assert_eq!(manifest(room.path(), &manifest_of("under another name")), None);
        assert_eq!(manifest(room.path(), &manifest_of("nowhere")), None);
        assert_eq!(manifest(&room.path().join("missing"), &manifest_of("unchanged")), None);
    }

    #[test]
    fn an_archive_is_found_by_the_images_in_it() {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("a.tar"), docker_archive(&["redis:1"])).unwrap();
        fs::write(room.path().join("b.tar"), docker_archive(&["argocd:1", "argocd:2"])).unwrap();
        fs::write(room.path().join("c.tar"), "not an archive").unwrap();
        assert_eq!(archive_with(room.path(), &["argocd:2"]), Some(room.path().join("b.tar")));
        assert_eq!(archive_with(room.path(), &["argocd:3", "redis:1"]), Some(room.path().join("a.tar")));
        assert_eq!(archive_with(room.path(), &["argocd:3"]), None);
    }

    #[test]
    fn what_docker_did_not_save_is_no_archive() {
        let empty = tar::Builder::new(Vec::new()).into_inner().unwrap();
        let error = images_in(Cursor::new(empty)).unwrap_err();
        assert!(error.to_string().contains("manifest.json"), "{error}");
        assert!(images_in(Cursor::new(b"nonsense".repeat(200))).is_err());
    }
}

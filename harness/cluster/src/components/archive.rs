//! All components in one archive, for a machine without internet.
//!
//! An archive is a gzipped tar: `index.json` first, which lists every other file with its size and checksum;
//! then `manifests/<component>/<file>`, and `images.tar` as `docker save` wrote it. Nothing in it is trusted:
//! what the index does not list, names another place, has another size or another checksum is refused, and so
//! is an image that the lock file does not name. Nothing is kept of an archive that is refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Failure;
use crate::components::{Component, Lock, Sources, folder, hex, sha256};
use crate::host::{Docker, Places};

/// The format that is written and read.
const FORMAT: u32 = 1;

const INDEX: &str = "index.json";
const IMAGES: &str = "images.tar";

/// The largest index that is read.
const LARGEST_INDEX: u64 = 1 << 20;

/// What is in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The format of the archive.
    pub format: u32,
    /// The version of rehearse that wrote it.
    pub rehearse: String,
    /// The hash of the lock file that it was written by.
    pub lock: String,
    /// The images in `images.tar`, by name.
    pub images: Vec<String>,
    /// Every file but the index, by path.
    pub files: BTreeMap<String, Entry>,
}

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Writes an archive of components, bringing first whatever of them is not here.
///
/// # Errors
/// Something of them is nowhere, or the archive cannot be written.
pub async fn save(
    lock: &Lock,
    components: &[&Component],
    sources: &Sources,
    docker: &Docker,
    target: &Path,
) -> Result<Index, Failure> {
    let unwritable = |error: std::io::Error| {
        Failure::environment(format!("{} cannot be written", target.display()), error, "")
    };
    // Beside the target, where there has to be room for it anyway.
    let beside = target.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let room = tempfile::Builder::new().prefix(".rehearse-").tempdir_in(beside).map_err(unwritable)?;
    let mut images = Vec::new();
    let mut manifests = Vec::new();
    for component in components {
        images.extend(sources.images(component).await?.into_iter().map(|(name, _)| without_digest(&name)));
        for manifest in &component.manifests {
            let (bytes, _) = sources.manifest(component, manifest).await?;
            manifests.push((format!("manifests/{}/{}", component.name, manifest.file), bytes));
        }
    }
    let names: Vec<&str> = images.iter().map(String::as_str).collect();
    let saved = room.path().join(IMAGES);
    docker.save(&names, &saved).await?;
    let (hash, written) = (lock.hash().to_owned(), room.path().join("archive"));
    let pack = move || pack(&written, &saved, images, &manifests, hash).map(|index| (index, written));
    let (index, written) = blocking(pack).await?.map_err(unwritable)?;
    std::fs::rename(written, target).map_err(unwritable)?;
    Ok(index)
}

/// Unpacks an archive: its images go into the docker engine, its manifests into the user's folder of
/// components, where [`Sources`] looks.
///
/// # Errors
/// It is no archive of this version, it is damaged or not what it says, or there is no room.
pub async fn load(lock: &Lock, docker: &Docker, places: &Places, archive: &Path) -> Result<Index, Failure> {
    let unusable = |why: String| {
        let mend = "save it again with this version: `rehearse components save FILE`";
        Failure::environment(format!("{} cannot be loaded", archive.display()), why, mend)
    };
    let (lock, components) = (lock.clone(), places.components.clone());
    let file = File::open(archive).map_err(|error| unusable(error.to_string()))?;
    let unpack = move || {
        std::fs::create_dir_all(&components).map_err(|error| error.to_string())?;
        let room = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(&components);
        let room = room.map_err(|error| error.to_string())?;
        let index = unpack(file, room.path(), &lock)?;
        Ok((room, index))
    };
    let (room, index) = blocking(unpack).await?.map_err(unusable)?;
    docker.load(&room.path().join(IMAGES)).await?;
    for path in index.files.keys().filter(|path| *path != IMAGES) {
        install(room.path(), &places.components, path).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(index)
}

fn install(room: &Path, components: &Path, path: &str) -> std::io::Result<()> {
    let target = components.join(path);
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::rename(room.join(path), target)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let stopped = |error| Failure::environment("the archive was given up", error, "");
    tokio::task::spawn_blocking(work).await.map_err(stopped)
}

/// An image that was pulled by its digest is saved by its name; the digest would get lost with it.
fn without_digest(name: &str) -> String {
    name.split('@').next().unwrap_or(name).to_owned()
}

fn pack(
    target: &Path,
    saved: &Path,
    images: Vec<String>,
    manifests: &[(String, Vec<u8>)],
    lock: String,
) -> std::io::Result<Index> {
    let mut files = BTreeMap::from([(IMAGES.to_owned(), entry_of(&mut File::open(saved)?)?)]);
    for (path, bytes) in manifests {
        let entry = Entry { size: bytes.len() as u64, sha256: sha256(bytes) };
        files.insert(path.clone(), entry);
    }
    let rehearse = env!("CARGO_PKG_VERSION").to_owned();
    let index = Index { format: FORMAT, rehearse, lock, images, files };
    let compressed = GzEncoder::new(File::create(target)?, Compression::fast());
    let mut builder = tar::Builder::new(compressed);
    append(&mut builder, INDEX, serde_json::to_string_pretty(&index)?.as_bytes())?;
    for (path, bytes) in manifests {
        append(&mut builder, path, bytes)?;
    }
    builder.append_file(IMAGES, &mut File::open(saved)?)?;
    builder.into_inner()?.finish()?.sync_all()?;
    Ok(index)
}

fn append(builder: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, path, bytes)
}

/// Copies a file's bytes to nowhere, to know them.
fn entry_of(reader: &mut impl Read) -> std::io::Result<Entry> {
    copy(reader, &mut std::io::sink())
}

fn copy(reader: &mut impl Read, writer: &mut impl Write) -> std::io::Result<Entry> {
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let length = reader.read(&mut buffer)?;
        if length == 0 {
            return Ok(Entry { size, sha256: hex(&hash.finalize()) });
        }
        hash.update(&buffer[..length]);
        size += length as u64;
        writer.write_all(&buffer[..length])?;
    }
}

/// Unpacks an archive into an empty folder, if it is whole and is what it says.
fn unpack(archive: impl Read, room: &Path, lock: &Lock) -> Result<Index, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let mut entries = archive.entries().map_err(|error| error.to_string())?;
    let first = entries.next().ok_or("it is empty")?.map_err(|error| format!("it is no archive: {error}"))?;
    let index = read_index(first)?;
    check(&index, lock, room)?;
    let mut missing = index.files.clone();
    for entry in entries {
        let mut entry = entry.map_err(|error| format!("it is damaged: {error}"))?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(format!("`{path}` in it is not a file"));
        }
        let listed = missing.remove(&path).ok_or_else(|| format!("its index does not list `{path}`"))?;
        if entry.size() != listed.size {
            return Err(format!("`{path}` in it has {} bytes, not {}", entry.size(), listed.size));
        }
        let target = room.join(&path);
        let copied = (|| {
            std::fs::create_dir_all(target.parent().unwrap_or(room))?;
            copy(&mut entry, &mut File::create_new(&target)?)
        })();
        let copied = copied.map_err(|error| format!("`{path}` cannot be unpacked: {error}"))?;
        if copied != listed {
            return Err(format!("`{path}` in it is damaged: its checksum is {}", copied.sha256));
        }
    }
    if let Some(path) = missing.keys().next() {
        return Err(format!("it ends before `{path}`"));
    }
    check_images(&room.join(IMAGES), lock)?;
    Ok(index)
}

fn read_index(entry: tar::Entry<'_, impl Read>) -> Result<Index, String> {
    if &*entry.path_bytes() != INDEX.as_bytes() || entry.size() > LARGEST_INDEX {
        return Err(format!("it does not begin with `{INDEX}`: `rehearse components save` did not write it"));
    }
    let mut text = Vec::new();
    entry.take(LARGEST_INDEX).read_to_end(&mut text).map_err(|error| format!("it is damaged: {error}"))?;
    serde_json::from_slice(&text).map_err(|error| format!("its index cannot be read: {error}"))
}

fn check(index: &Index, lock: &Lock, room: &Path) -> Result<(), String> {
    if index.format != FORMAT || index.lock != lock.hash() {
        return Err(format!(
            "rehearse {} saved it, with other components than this version's ({}, not {})",
            index.rehearse,
            index.lock,
            lock.hash()
        ));
    }
    if let Some(path) = index.files.keys().find(|path| !is_place(path)) {
        return Err(format!("its index names a place that is none of an archive: `{path}`"));
    }
    let size = index.files.values().try_fold(0_u64, |sum, entry| sum.checked_add(entry.size));
    let size = size.ok_or("its index names sizes that no disk has")?;
    let statistics = rustix::fs::statvfs(room).map_err(|error| error.to_string())?;
    let there = statistics.f_bavail.saturating_mul(statistics.f_frsize);
    if there < size {
        let (size, there) = (size / 1_000_000, there / 1_000_000);
        return Err(format!("it unpacks to {size} MB, and there are {there} MB free at {}", room.display()));
    }
    Ok(())
}

/// The places of an archive: the images, and manifests of a component.
fn is_place(path: &str) -> bool {
    let is_name = |name: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
    };
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [images] => *images == IMAGES,
        ["manifests", component, file] => is_name(component) && is_name(file),
        _ => false,
    }
}

/// `docker load` gives an image whatever name the archive says: no archive renames the user's own.
fn check_images(path: &PathBuf, lock: &Lock) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!("it has no images: {error}"))?;
    let names = folder::images_in(file).map_err(|error| format!("its images cannot be read: {error}"))?;
    let is_known = |name: &str| {
        let images = lock.components().iter().flat_map(|it| &it.images);
        images.flat_map(|it| it.names()).any(|it| it == name || without_digest(it) == name)
    };
    match names.iter().find(|name| !is_known(name)) {
        Some(name) => Err(format!("it holds an image that no component has: `{name}`")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::folder::tests::docker_archive;

    const MANIFEST: &str = "manifests/argo-cd/core-install.yaml";
    const IMAGE: &str = "quay.io/argoproj/argocd:v3.2.6";

    fn lock() -> Lock {
        Lock::of_this_version().unwrap()
    }

    /// A file of an archive, with what its index says of it.
    fn index(files: &[(&str, &[u8])]) -> Index {
        let entry = |bytes: &[u8]| Entry { size: bytes.len() as u64, sha256: sha256(bytes) };
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), entry(bytes))).collect();
        let rehearse = "0.1.0".to_owned();
        Index { format: FORMAT, rehearse, lock: lock().hash().to_owned(), images: Vec::new(), files }
    }

    /// An archive whose headers say what they like, as those of an attacker do.
    fn archive(index: &Index, files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        append(&mut builder, INDEX, serde_json::to_string(index).unwrap().as_bytes()).unwrap();
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_entry_type(tar::EntryType::Regular);
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn refused(archive: &[u8]) -> String {
        let room = tempfile::tempdir().unwrap();
        let inner = room.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        let why = unpack(archive, &inner, &lock()).unwrap_err();
        let outside = walk(room.path()).into_iter().filter(|path| !path.starts_with(&inner));
        assert_eq!(outside.collect::<Vec<_>>(), Vec::<PathBuf>::new(), "nothing is written elsewhere");
        why
    }

    fn walk(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let room = tempfile::tempdir().unwrap();
        let (saved, target) = (room.path().join("saved"), room.path().join("archive"));
        std::fs::write(&saved, docker_archive(&[IMAGE, "kindest/node:v1.34.11"])).unwrap();
        let manifests = [(MANIFEST.to_owned(), b"kind: x".to_vec())];
        let index = pack(&target, &saved, vec![IMAGE.to_owned()], &manifests, lock().hash().to_owned());
        let index = index.unwrap();

        let unpacked = room.path().join("unpacked");
        std::fs::create_dir(&unpacked).unwrap();
        assert_eq!(unpack(File::open(&target).unwrap(), &unpacked, &lock()).unwrap(), index);
        assert_eq!(std::fs::read(unpacked.join(MANIFEST)).unwrap(), b"kind: x");
        assert_eq!(std::fs::read(unpacked.join(IMAGES)).unwrap(), std::fs::read(&saved).unwrap());
        install(&unpacked, &room.path().join("components"), MANIFEST).unwrap();
        assert!(room.path().join("components").join(MANIFEST).exists());
    }

    #[test]
    fn no_path_leads_out_of_an_archive() {
        let hostile = [
            "../escaped",
            "../../escaped",
            "/tmp/escaped",
            "manifests/../../escaped",
            "manifests/../x",
            "manifests/a/..",
            "manifests/a/.ssh",
            "manifests//x",
            "manifests/a/b/c",
            "images.tar/x",
            "manifests/a\\b/c",
            "",
            ".",
        ];
        for path in hostile {
            let files: [(&str, &[u8]); 1] = [(path, b"x")];
            let why = refused(&archive(&index(&files), &files));
            assert!(why.contains("names a place that is none of an archive"), "{path}: {why}");
            let why = refused(&archive(&index(&[]), &files));
            assert!(why.contains("does not list"), "{path}: {why}");
        }
    }

    #[test]
    fn only_files_are_unpacked() {
        for kind in
            [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Fifo, tar::EntryType::Char]
        {
            let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
            let listed = serde_json::to_string(&index(&[(MANIFEST, b"")])).unwrap();
            append(&mut builder, INDEX, listed.as_bytes()).unwrap();
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            builder.append_link(&mut header, MANIFEST, "/etc/passwd").unwrap();
            let why = refused(&builder.into_inner().unwrap().finish().unwrap());
            assert!(why.contains("is not a file"), "{why}");
        }
    }

    #[test]
    fn what_is_not_what_the_index_says_is_refused() {
        let images = docker_archive(&[IMAGE]);
        let right: [(&str, &[u8]); 2] = [(MANIFEST, b"right"), (IMAGES, &images)];
        let whole = archive(&index(&right), &right);
        let foreign = docker_archive(&["debian:bookworm-slim"]);
        let foreign: [(&str, &[u8]); 1] = [(IMAGES, &foreign)];
        let older = Index { lock: "000000000000".to_owned(), ..index(&right) };
        let newer = Index { format: 2, ..index(&right) };
        let mut huge = index(&right);
        huge.files.insert("manifests/a/b".to_owned(), Entry { size: u64::MAX / 2, sha256: String::new() });
        let cases: [(Vec<u8>, &str); 11] = [
            (archive(&index(&right), &[(MANIFEST, b"wrong"), (IMAGES, &images)]), "is damaged: its checksum"),
            (archive(&index(&right), &[(MANIFEST, b"longer")]), "has 6 bytes, not 5"),
            (archive(&index(&right), &right[..1]), "it ends before `images.tar`"),
            (archive(&index(&right), &[right[0], right[0]]), "does not list"),
            (archive(&index(&foreign), &foreign), "no component has: `debian:bookworm-slim`"),
            (archive(&index(&right[..1]), &right[..1]), "it has no images"),
            (archive(&older, &right), "other components than this version's"),
            (archive(&newer, &right), "other components than this version's"),
            (archive(&huge, &right), "MB free at"),
            (whole[..whole.len() / 2].to_vec(), "damaged"),
            (b"not an archive at all".to_vec(), "it is no archive"),
        ];
        for (archive, needle) in cases {
            let why = refused(&archive);
            assert!(why.contains(needle), "{needle}: {why}");
        }
    }

    #[test]
    fn an_archive_of_something_else_is_refused_by_its_first_file() {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        append(&mut builder, "something/else", b"x").unwrap();
        let why = refused(&builder.into_inner().unwrap().finish().unwrap());
        assert!(why.contains("`rehearse components save` did not write it"), "{why}");
    }
}

use serde_json::Value;

use crate::components::Component;

/// Where a Kubernetes object keeps the template of its pods, by the kinds that have one.
const TEMPLATES: [(&str, &str); 5] = [
    ("Deployment", "/spec/template/spec"),
    ("StatefulSet", "/spec/template/spec"),
    ("DaemonSet", "/spec/template/spec"),
    ("Job", "/spec/template/spec"),
    ("CronJob", "/spec/jobTemplate/spec/template/spec"),
];

/// Makes upstream's manifests work on a machine where images are already there: an image is pulled only where
/// it is missing, and a tag that moves is the one that the lock file names.
///
/// # Errors
/// A container's image is not among the component's: it would never start.
pub fn patch(documents: Vec<Value>, component: &Component) -> Result<Vec<Value>, String> {
    documents.into_iter().map(|document| patched(document, component)).collect()
}

fn patched(mut document: Value, component: &Component) -> Result<Value, String> {
    let kind = document.get("kind").and_then(Value::as_str);
    let Some((kind, template)) = TEMPLATES.iter().find(|(it, _)| Some(*it) == kind) else {
        return Ok(document);
    };
    let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("").to_owned();
    for list in ["initContainers", "containers"] {
        let containers = document.pointer_mut(&format!("{template}/{list}")).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            patch_container(container, component).map_err(|why| format!("{kind} {name}: {why}"))?;
        }
    }
    Ok(document)
}

fn patch_container(container: &mut Value, component: &Component) -> Result<(), String> {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let locked = locked(image, component).ok_or_else(|| {
        format!("the image `{image}` is not among those that are locked for {}", component.name)
    })?;
    container["image"] = locked.into();
    container["imagePullPolicy"] = "IfNotPresent".into();
    Ok(())
}

/// The locked name of an image: its own, or the one of the same repository where its tag moves.
fn locked<'a>(image: &str, component: &'a Component) -> Option<&'a str> {
    let names = || component.images.iter().map(|image| image.name.as_str());
    let repository = image.strip_suffix(":latest").or_else(|| (!has_tag(image)).then_some(image));
    names().find(|name| *name == image).or_else(|| {
        let repository = repository?;
        names().find(|name| name.strip_prefix(repository).is_some_and(|rest| rest.starts_with(':')))
    })
}

fn has_tag(image: &str) -> bool {
    image.rsplit('/').next().is_some_and(|last| last.contains([':', '@']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::components::Image;

    fn component() -> Component {
        let images = ["host:5000/rollouts:v1", "redis:8.2"];
        Component {
            name: "it".to_owned(),
            version: "v1".to_owned(),
            namespace: None,
            images: images.map(Image::named).to_vec(),
            manifests: Vec::new(),
            ready: Vec::new(),
        }
    }

    fn deployment(image: &str) -> Value {
        json!({
            "kind": "Deployment",
            "metadata": { "name": "x" },
            "spec": { "template": { "spec": {
                "initContainers": [{ "image": image }],
                "containers": [{ "image": image, "imagePullPolicy": "Always", "args": ["Always"] }],
            } } },
        })
    }

    #[test]
    fn images_are_pulled_only_where_they_are_missing() {
        let patched = patch(vec![deployment("redis:8.2")], &component()).unwrap();
        let pod = &patched[0]["spec"]["template"]["spec"];
        for list in ["initContainers", "containers"] {
            assert_eq!(pod[list][0]["imagePullPolicy"], "IfNotPresent");
            assert_eq!(pod[list][0]["image"], "redis:8.2");
        }
        assert_eq!(pod["containers"][0]["args"], json!(["Always"]));
    }

    #[test]
    fn a_tag_that_moves_becomes_the_locked_one() {
        for image in ["host:5000/rollouts:latest", "host:5000/rollouts"] {
            let patched = patch(vec![deployment(image)], &component()).unwrap();
            assert_eq!(
                patched[0].pointer("/spec/template/spec/containers/0/image"),
                Some(&"host:5000/rollouts:v1".into())
            );
        }
    }

    #[test]
    fn an_image_that_is_not_locked_is_refused_by_name() {
        for image in ["dex:v2", "redis:8.1", "redis@sha256:44", "other/redis:latest", ""] {
            let why = patch(vec![deployment(image)], &component()).unwrap_err();
            assert!(why.starts_with(&format!("Deployment x: the image `{image}` is not")), "{why}");
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let definition = json!({ "kind": "CustomResourceDefinition", "spec": { "image": "a:latest" } });
        assert_eq!(patch(vec![definition.clone()], &component()).unwrap(), [definition]);
        let job = json!({ "kind": "CronJob", "spec": { "jobTemplate": { "spec": { "template": { "spec": {
            "containers": [{ "image": "redis" }] } } } } } });
        let patched = patch(vec![job], &component()).unwrap();
        let image = patched[0].pointer("/spec/jobTemplate/spec/template/spec/containers/0/image");
        assert_eq!(image, Some(&"redis:8.2".into()));
    }
}

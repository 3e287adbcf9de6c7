use super::*;

fn node(text: &str) -> Node {
    // A document by itself may not be null.
    let document = yaml::parse_one("test.yaml", format!("node: {text}").as_bytes()).unwrap();
    document.get("node").unwrap().clone()
}

fn apply(api: &mut Api, text: &str) -> Applied {
    api.apply(&Arc::new(node(text)), "default", Time::ZERO).unwrap()
}

fn created(api: &mut Api, text: &str) -> ObjectId {
    match apply(api, text) {
        Applied::Created(id) => id,
        other => panic!("{other:?}"),
    }
}

const CONFIG: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: config}, data: {a: '1'}}";
const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: a}}}";

#[test]
fn an_apply_takes_away_only_what_was_applied_before() {
    for (last, target, live, merged) in [
        ("{a: 1, b: 1}", "{a: 2}", "{a: 1, b: 1, c: 1}", "{a: 2, c: 1}"),
        ("{a: {x: 1, y: 1}}", "{a: {x: 1}}", "{a: {x: 9, y: 1, z: 1}}", "{a: {x: 1, z: 1}}"),
        ("{a: [1, 2]}", "{a: [1]}", "{a: [1, 2, 3]}", "{a: [1]}"),
        ("{a: 1}", "{a: null}", "{a: 1, b: 1}", "{b: 1}"),
        ("{}", "{b: null}", "{a: 1, b: 1}", "{a: 1}"),
        ("{a: {x: 1}}", "{a: text}", "{a: {x: 1}}", "{a: text}"),
        ("{a: 1}", "{}", "{}", "{}"),
    ] {
        let result = three_way_merge(Some(&node(last)), &node(target), &node(live));
        assert_eq!(result, node(merged), "{target} over {live}, after {last}");
    }
    assert_eq!(three_way_merge(None, &node("{a: 1}"), &node("{b: 1}")), node("{a: 1, b: 1}"));
}

#[test]
fn an_apply_creates_configures_or_leaves_unchanged() {
    let mut api = Api::default();
    let id = created(&mut api, CONFIG);
    assert_eq!(apply(&mut api, CONFIG), Applied::Unchanged(id));
    assert_eq!(apply(&mut api, &CONFIG.replace("'1'", "'2'")), Applied::Configured(id));
    api.patch(id, &node("{data: {b: by hand}}")).unwrap();
    assert_eq!(apply(&mut api, &CONFIG.replace("'1'", "'2'")), Applied::Unchanged(id));
    assert_eq!(apply(&mut api, &CONFIG.replace("a: '1'", "c: '1'")), Applied::Configured(id));
    let manifest = api.get(id).manifest.clone().unwrap();
    assert_eq!(*manifest.get("data").unwrap(), node("{b: by hand, c: '1'}"));
    let kinds: Vec<ChangeKind> = api.take_changes().into_iter().map(|change| change.kind).collect();
    use ChangeKind::{Created, Updated};
    assert_eq!(kinds, [Created, Updated, Updated, Updated]);
}

#[test]
fn only_a_change_of_the_spec_is_a_new_generation() {
    let mut api = Api::default();
    let id = created(&mut api, SERVICE);
    let mut version = api.get(id).resource_version;
    for (patch, generation, written) in [
        ("{metadata: {labels: {a: b}}}", 1, true),
        ("{metadata: {annotations: {a: b}}}", 1, true),
        ("{status: {loadBalancer: {}}}", 1, true),
        ("{spec: {selector: {app: b}}}", 2, true),
        ("{spec: {selector: {app: b}}}", 2, false),
    ] {
        assert_eq!(api.patch(id, &node(patch)).unwrap(), written, "{patch}");
        let object = api.get(id);
        assert_eq!(object.generation, generation, "{patch}");
        assert_eq!(object.resource_version > version, written, "{patch}");
        version = object.resource_version;
    }
    api.update_status(id, |_| ());
    api.update_metadata(id, |_| ());
    assert_eq!(api.get(id).generation, 2);
    api.update(id, |_| ());
    assert_eq!((api.get(id).generation, api.get(id).resource_version), (3, version + 3));
}

#[test]
fn the_typed_view_follows_the_metadata() {
    let mut api = Api::default();
    let id = created(&mut api, SERVICE);
    api.patch(id, &node("{metadata: {annotations: {a: b}}}")).unwrap();
    let Body::Plain(plain) = &api.get(id).body else { panic!() };
    let objects::Object::Service(service) = &**plain else { panic!() };
    assert_eq!(service.metadata.annotations["a"], "b");
    assert_eq!(api.get(id).annotations["a"], "b");
}

#[test]
fn a_deletion_takes_along_what_is_owned_and_frees_the_names() {
    let mut api = Api::default();
    let plain = || Body::Plain(Arc::new(objects::Object::Other(ObjectKey::new("", "Thing", None, "x"))));
    let create = |api: &mut Api, name, owner| {
        api.create(ObjectKey::new("", "Thing", Some("n"), name), owner, plain(), Time::ZERO)
    };
    let top = create(&mut api, "top", None);
    let middle = create(&mut api, "middle", Some(top));
    let leaf = create(&mut api, "leaf", Some(middle));
    let beside = create(&mut api, "beside", None);
    api.take_changes();
    api.delete(middle);
    api.delete(middle);
    assert_eq!(api.take_changes().iter().map(|change| change.id).collect::<Vec<_>>(), [middle, leaf]);
    assert!(!api.exists(middle) && !api.exists(leaf) && api.exists(top) && api.exists(beside));
    assert_eq!((api.owned(top).count(), api.owned(middle).count()), (0, 0));
    let again = create(&mut api, "leaf", Some(top));
    assert!(again != leaf && api.owned(top).map(|object| object.id).eq([again]));
    assert_eq!(api.all().map(|object| object.id).collect::<Vec<_>>(), [beside, again, top]);
}

#[test]
fn what_a_controller_made_cannot_be_patched() {
    let mut api = Api::default();
    let body = Body::Plain(Arc::new(objects::Object::Other(ObjectKey::new("", "Thing", None, "x"))));
    let id = api.create(ObjectKey::new("", "Pod", Some("n"), "p"), None, body, Time::ZERO);
    let problem = api.patch(id, &node("{metadata: {labels: {a: b}}}")).unwrap_err();
    assert_eq!(problem.message, "Pod n/p is made by a controller and cannot be patched");
}

#[test]
fn an_identity_has_the_form_of_those_of_kubernetes_and_is_of_one_object() {
    let mut api = Api::default();
    let mut uid = |name: &str, created: u64| {
        let key = ObjectKey::new("argoproj.io", "AnalysisRun", Some(name), name);
        let body = Body::Plain(Arc::new(objects::Object::Other(key.clone())));
        let id = api.create(key, None, body, Time::from_secs(created));
        api.get(id).uid()
    };
    let first = uid("a", 1);
    let parts: Vec<usize> = first.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert_ne!(first, uid("b", 1));
}

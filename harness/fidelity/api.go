package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"sort"
	"strings"
	"sync"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// apiServer is an API server in memory, under the ordinary generated clients: lists, watches from a
// resourceVersion, conflicts, generations, a status apart from the spec where the kind has one, writes
// that change nothing and so make no event, and garbage collection by owner.
type apiServer struct {
	mutex    sync.Mutex
	version  int64
	uids     int64
	kinds    map[string]*collection
	watchers []*watcher
	// listedBy is by what an object is put in order among others of its resource.
	listedBy func(resource, key string) string
	// collect is told of an object that is gone: what it owned is to go, too.
	collect func(uid string)
	// admit may complete an object that is created.
	admit func(resource string, created object)
	// written is told of every change, with the object before it, nil where it is new, and after it,
	// nil where it is gone.
	written func(resource string, before, after object)
}

// collection holds the objects of one resource and what happened to them.
type collection struct {
	kind, apiVersion string
	hasStatus        bool
	objects          map[string]object
	history          []change
}

type change struct {
	version int64
	kind    string
	object  object
	encoded []byte
}

func newAPIServer() *apiServer {
	server := &apiServer{kinds: map[string]*collection{}, listedBy: func(_, key string) string { return key }}
	for _, resource := range []struct {
		path, kind, apiVersion string
		hasStatus              bool
	}{
		{"argoproj.io/rollouts", "Rollout", "argoproj.io/v1alpha1", true},
		{"argoproj.io/analysisruns", "AnalysisRun", "argoproj.io/v1alpha1", false},
		{"argoproj.io/analysistemplates", "AnalysisTemplate", "argoproj.io/v1alpha1", false},
		{"argoproj.io/clusteranalysistemplates", "ClusterAnalysisTemplate", "argoproj.io/v1alpha1", false},
		{"argoproj.io/experiments", "Experiment", "argoproj.io/v1alpha1", false},
		{"apps/replicasets", "ReplicaSet", "apps/v1", true},
		{"batch/jobs", "Job", "batch/v1", true},
		{"/pods", "Pod", "v1", true},
		{"/services", "Service", "v1", true},
		{"/secrets", "Secret", "v1", false},
		{"/configmaps", "ConfigMap", "v1", false},
		{"/events", "Event", "v1", false},
	} {
		server.kinds[resource.path] = &collection{kind: resource.kind, apiVersion: resource.apiVersion,
			hasStatus: resource.hasStatus, objects: map[string]object{}}
	}
	return server
}

// request is what a URL asks for.
type request struct {
	resource, namespace, name, subresource string
}

func parsePath(path string) (request, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var group string
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		group, parts = parts[1], parts[3:]
	default:
		return request{}, false
	}
	var asked request
	if parts[0] == "namespaces" && len(parts) > 2 {
		asked.namespace, parts = parts[1], parts[2:]
	}
	asked.resource = group + "/" + parts[0]
	if len(parts) > 1 {
		asked.name = parts[1]
	}
	if len(parts) > 2 {
		asked.subresource = parts[2]
	}
	return asked, true
}

// RoundTrip answers a request of a client.
func (s *apiServer) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	asked, ok := parsePath(r.URL.Path)
	if !ok || s.kinds[asked.resource] == nil {
		return failed(r, 404, metav1.StatusReasonNotFound, "no such resource: "+r.URL.Path), nil
	}
	query := r.URL.Query()
	if r.Method == http.MethodGet && query.Get("watch") != "" {
		return respond(r, 200, s.watch(r.Context(), asked, query)), nil
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	answered, problem := s.answer(r, asked, query, body)
	if problem != nil {
		return failed(r, problem.code, problem.reason, problem.message), nil
	}
	encoded, err := json.Marshal(answered)
	if err != nil {
		return nil, err
	}
	return respond(r, 200, io.NopCloser(bytes.NewReader(encoded))), nil
}

type refusal struct {
	code    int
	reason  metav1.StatusReason
	message string
}

func (s *apiServer) answer(r *http.Request, asked request, query url.Values, body []byte) (any, *refusal) {
	if r.Method == http.MethodGet && asked.name == "" {
		return s.list(asked, query), nil
	}
	if r.Method == http.MethodPost && asked.subresource == "" {
		return s.create(asked, body)
	}
	key := asked.namespace + "/" + asked.name
	present := s.kinds[asked.resource].objects[key]
	if present == nil {
		return nil, &refusal{404, metav1.StatusReasonNotFound, key + " not found"}
	}
	switch r.Method {
	case http.MethodGet:
		return present, nil
	case http.MethodDelete, http.MethodPost: // the one subresource that is created here is a pod's eviction
		s.remove(asked.resource, key)
		return object{"kind": "Status", "apiVersion": "v1", "status": "Success"}, nil
	case http.MethodPut, http.MethodPatch:
		wanted, problem := changed(r, present, body)
		if problem != nil {
			return nil, problem
		}
		return s.update(asked, key, present, wanted)
	}
	return nil, &refusal{405, metav1.StatusReasonMethodNotAllowed, r.Method}
}

// changed is an object with a request's change applied.
func changed(r *http.Request, present object, body []byte) (object, *refusal) {
	document := body
	if r.Method == http.MethodPatch {
		before, _ := json.Marshal(present)
		var err error
		switch kind := r.Header.Get("Content-Type"); kind {
		case "application/merge-patch+json", "application/strategic-merge-patch+json":
			// The two are the same for what is patched so here: the counts of Events.
			document, err = jsonpatch.MergePatch(before, body)
		case "application/json-patch+json":
			var patch jsonpatch.Patch
			if patch, err = jsonpatch.DecodePatch(body); err == nil {
				document, err = patch.Apply(before)
			}
		default:
			return nil, &refusal{415, metav1.StatusReasonUnsupportedMediaType, kind}
		}
		if err != nil {
			return nil, &refusal{422, metav1.StatusReasonInvalid, err.Error()}
		}
	}
	wanted := object{}
	if err := utiljson.Unmarshal(document, &wanted); err != nil {
		return nil, &refusal{400, metav1.StatusReasonBadRequest, err.Error()}
	}
	return wanted, nil
}

func (s *apiServer) create(asked request, body []byte) (object, *refusal) {
	created := object{}
	if err := utiljson.Unmarshal(body, &created); err != nil {
		return nil, &refusal{400, metav1.StatusReasonBadRequest, err.Error()}
	}
	kind := s.kinds[asked.resource]
	meta := metadata(created)
	if asked.namespace != "" {
		meta["namespace"] = asked.namespace
	}
	s.uids++
	meta["uid"] = fmt.Sprintf("uid-%d", s.uids)
	if prefix := text(created, "metadata", "generateName"); prefix != "" && text(created, "metadata", "name") == "" {
		meta["name"] = fmt.Sprintf("%s%05d", prefix, s.uids)
	}
	key := text(created, "metadata", "namespace") + "/" + text(created, "metadata", "name")
	if kind.objects[key] != nil {
		return nil, &refusal{409, metav1.StatusReasonAlreadyExists, key + " already exists"}
	}
	created["kind"], created["apiVersion"] = kind.kind, kind.apiVersion
	meta["creationTimestamp"] = time.Now().UTC().Format(time.RFC3339)
	meta["generation"] = int64(1)
	if s.admit != nil {
		s.admit(asked.resource, created)
	}
	return s.store(asked.resource, key, "ADDED", nil, created), nil
}

// update stores a change of an object, of its status or of all but its status where the kind keeps the
// two apart.
func (s *apiServer) update(asked request, key string, present, wanted object) (object, *refusal) {
	kind := s.kinds[asked.resource]
	if version := text(wanted, "metadata", "resourceVersion"); version != "" && version != text(present, "metadata", "resourceVersion") {
		return nil, &refusal{409, metav1.StatusReasonConflict, "the object has been modified; please apply your changes to the latest version and try again"}
	}
	after := copied(wanted)
	switch {
	case asked.subresource == "status":
		after = copied(present)
		setOrRemove(after, "status", copied(wanted)["status"])
	case kind.hasStatus:
		setOrRemove(after, "status", copied(present)["status"])
	}
	meta, before := metadata(after), metadata(present)
	for _, fixed := range []string{"uid", "creationTimestamp", "generation", "resourceVersion"} {
		setOrRemove(meta, fixed, before[fixed])
	}
	after["kind"], after["apiVersion"] = kind.kind, kind.apiVersion
	if reflect.DeepEqual(after, present) {
		return present, nil
	}
	if specChanged(kind, present, after) {
		meta["generation"] = number(present, "metadata", "generation") + 1
	}
	return s.store(asked.resource, key, "MODIFIED", present, after), nil
}

// specChanged tells whether anything but metadata and a status of its own changed.
func specChanged(kind *collection, before, after object) bool {
	for _, side := range []object{before, after} {
		for key := range side {
			if key != "metadata" && (key != "status" || !kind.hasStatus) && !reflect.DeepEqual(before[key], after[key]) {
				return true
			}
		}
	}
	return false
}

// store puts an object in its place and tells the watchers. Objects are never changed in place.
func (s *apiServer) store(resource, key, event string, before, after object) object {
	s.version++
	metadata(after)["resourceVersion"] = fmt.Sprint(s.version)
	s.kinds[resource].objects[key] = after
	s.publish(resource, event, after)
	if s.written != nil {
		s.written(resource, before, after)
	}
	return after
}

func (s *apiServer) list(asked request, query url.Values) object {
	kind := s.kinds[asked.resource]
	wanted := filter(asked, query)
	items := []any{}
	keys := sortedKeys(kind.objects)
	sort.SliceStable(keys, func(i, j int) bool {
		return s.listedBy(asked.resource, keys[i]) < s.listedBy(asked.resource, keys[j])
	})
	for _, key := range keys {
		if wanted(kind.objects[key]) {
			items = append(items, kind.objects[key])
		}
	}
	return object{"kind": kind.kind + "List", "apiVersion": kind.apiVersion, "items": items,
		"metadata": object{"resourceVersion": fmt.Sprint(s.version)}}
}

func filter(asked request, query url.Values) func(object) bool {
	selector, err := labels.Parse(query.Get("labelSelector"))
	if err != nil {
		selector = labels.Nothing()
	}
	return func(o object) bool {
		set := labels.Set{}
		found, _ := at(o, "metadata", "labels").(object)
		for key, value := range found {
			set[key], _ = value.(string)
		}
		inNamespace := asked.namespace == "" || asked.namespace == text(o, "metadata", "namespace")
		return inNamespace && selector.Matches(set)
	}
}

// get gives an object for reading, nil where there is none.
func (s *apiServer) get(resource, key string) object {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.kinds[resource].objects[key]
}

// setStatus changes an object's status, as the kubelet does.
func (s *apiServer) setStatus(resource, key string, change func(status object)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	present := s.kinds[resource].objects[key]
	if present == nil {
		return
	}
	after := copied(present)
	status, _ := after["status"].(object)
	if status == nil {
		status = object{}
	}
	change(status)
	after["status"] = status
	s.store(resource, key, "MODIFIED", present, after)
}

// unhurried is the API server as Argo Rollouts' controllers reach it: a write takes a moment, in which
// everything else reacts to it and comes to rest. Otherwise chance would decide what a pass sees next.
type unhurried struct{ server *apiServer }

func (u unhurried) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := u.server.RoundTrip(r)
	if r.Method != http.MethodGet {
		time.Sleep(time.Microsecond)
	}
	return answer, err
}

func respond(r *http.Request, code int, body io.ReadCloser) *http.Response {
	header := http.Header{"Content-Type": {"application/json"}}
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Header: header, Body: body,
		Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1}
}

func failed(r *http.Request, code int, reason metav1.StatusReason, message string) *http.Response {
	status := metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure",
		Code: int32(code), Reason: reason, Message: message}
	encoded, _ := json.Marshal(status)
	return respond(r, code, io.NopCloser(bytes.NewReader(encoded)))
}

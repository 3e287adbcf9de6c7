package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"sort"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

// timelineQuestion is a rollout to be run from its first revision on. Times are seconds.
type timelineQuestion struct {
	Rollout string            `json:"rollout"`
	Objects []json.RawMessage `json:"objects"`
	Models  map[string]*model `json:"models"`
	// Service is the one that clients call; without one they reach every pod.
	Service        string    `json:"service"`
	Rate           float64   `json:"rate"`
	Buckets        []float64 `json:"buckets"`
	PodStart       float64   `json:"podStart"`
	ScrapeInterval float64   `json:"scrapeInterval"`
	// Pods are by template and then by pod, both in the order of creation.
	Pods [][]choice `json:"pods"`
	// ResyncPhase is when within each resync period the informers' resync is, in milliseconds.
	ResyncPhase int64            `json:"resyncPhase"`
	Actions     []timelineAction `json:"actions"`
	Plugins     []pluginAnswer   `json:"plugins"`
	Duration    float64          `json:"duration"`
	// ReplicaSets is when the ReplicaSet controller works within an instant: `first`, before all others, `late`, after
	// them, or `overlapping`, as first but side by side with the next one (overlap).
	ReplicaSets string `json:"replicaSets"`
}

// choice is what the simulator chose for a pod, where upstream's comes from hashes that differ: the name by which it
// is listed, and when within an interval it is scraped, in milliseconds.
type choice struct {
	Name         string `json:"name"`
	ScrapeOffset int64  `json:"scrapeOffset"`
}

type timelineAction struct {
	At    float64         `json:"at"`
	Do    string          `json:"do"`
	Patch json.RawMessage `json:"patch"`
	Rate  float64         `json:"rate"`
	// Revision is the one that an undo returns to, 0 for the last but one.
	Revision int64 `json:"revision"`
}

// timelineAnswer is what happened. Revisions are told by template, in the order in which their
// ReplicaSets were made, from 0; -1 is none.
type timelineAnswer struct {
	States       []stateEntry       `json:"states"`
	Scaled       []scaledEntry      `json:"scaled"`
	Runs         []runEntry         `json:"runs"`
	Measurements []measurementEntry `json:"measurements"`
	Events       []eventEntry       `json:"events"`
	Services     []servicesEntry    `json:"services"`
	Pods         []podsEntry        `json:"pods"`
	Problems     []string           `json:"problems"`
	// Hashes are those of the templates, which messages name.
	Hashes []string `json:"hashes"`
	Turns  int      `json:"turns"`
}

type stateEntry struct {
	At      float64 `json:"at"`
	Phase   string  `json:"phase"`
	Message string  `json:"message"`
	Aborted bool    `json:"aborted"`
	Step    *int64  `json:"step"`
	Stable  int     `json:"stable"`
	Current int     `json:"current"`
	// Weight is the canary's, and Routes are those that steps made, where there is a router.
	Weight int64    `json:"weight"`
	Routes []string `json:"routes"`
}

// servicesEntry tells which templates the Services select that the Rollout switches, -1 for none.
type servicesEntry struct {
	At       float64        `json:"at"`
	Selected map[string]int `json:"selected"`
}

// podsEntry tells how many pods each template was given so far, and how many there are by template and role.
type podsEntry struct {
	At      float64        `json:"at"`
	Made    map[string]int `json:"made"`
	Present map[string]int `json:"present"`
}

type scaledEntry struct {
	At       float64 `json:"at"`
	Template int     `json:"template"`
	Desired  int64   `json:"desired"`
}

type runEntry struct {
	At       float64 `json:"at"`
	Template int     `json:"template"`
	Step     string  `json:"step"`
	Name     string  `json:"name"`
	Phase    string  `json:"phase"`
	Message  string  `json:"message"`
}

type measurementEntry struct {
	At      float64 `json:"at"`
	Run     string  `json:"run"`
	Metric  string  `json:"metric"`
	Phase   string  `json:"phase"`
	Value   string  `json:"value"`
	Message string  `json:"message"`
}

type eventEntry struct {
	At     float64 `json:"at"`
	Kind   string  `json:"kind"`
	Reason string  `json:"reason"`
}

// answerInBubbles answers in a testing binary of its own making: a bubble needs a *testing.T.
func answerInBubbles(answer func(t *testing.T, line []byte) (any, error)) {
	// On several threads the scheduler, and so chance, would order what the ReplicaSet controller does in
	// parallel.
	goruntime.GOMAXPROCS(1)
	// What a run leaves behind is small: collecting it less often is a third faster.
	debug.SetGCPercent(400)
	answers := os.Stdout
	// The testing package says PASS there.
	if quiet, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stdout = quiet
	}
	test := func(t *testing.T) {
		err := answerAll(answers, func(line []byte) (any, error) { return answer(t, line) })
		if err != nil {
			t.Fatal(err)
		}
	}
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "fidelity", F: test}}, nil, nil)
}

func answerTimeline(t *testing.T, line []byte) (answered any, problem error) {
	var question timelineQuestion
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	synctest.Test(t, func(*testing.T) {
		c := newCluster(&question)
		problem = c.run()
		c.journal.answer.Turns = c.turns.handed
		c.journal.answer.Hashes = sortedKeys(c.templates)
		answered = c.journal.answer
	})
	return answered, problem
}

// journal writes down what happens.
type journal struct {
	cluster *cluster
	mutex   sync.Mutex
	answer  timelineAnswer
}

func (j *journal) now() float64 {
	return float64(time.Since(j.cluster.started).Milliseconds()) / 1000
}

func (j *journal) note(err error) {
	if err != nil {
		j.answer.Problems = append(j.answer.Problems, fmt.Sprintf("%.3f %v", j.now(), err))
	}
}

func (j *journal) template(hash string) int {
	if number, known := j.cluster.templates[hash]; known {
		return number
	}
	return -1
}

func (j *journal) rolloutWritten(after object) {
	if after == nil || text(after, "status", "phase") == "" {
		return
	}
	state := stateEntry{At: j.now(), Phase: text(after, "status", "phase"), Message: text(after, "status", "message"),
		Stable: j.template(text(after, "status", "stableRS")), Current: j.template(text(after, "status", "currentPodHash"))}
	state.Weight = number(after, "status", "canary", "weights", "canary", "weight")
	state.Routes = append([]string{}, j.cluster.router.routes...)
	state.Aborted, _ = at(after, "status", "abort").(bool)
	if step, known := at(after, "status", "currentStepIndex").(int64); known {
		state.Step = &step
	}
	if count := len(j.answer.States); count > 0 {
		last := j.answer.States[count-1]
		last.At = state.At
		before, _ := json.Marshal(last)
		now, _ := json.Marshal(state)
		if bytes.Equal(before, now) {
			return
		}
	}
	j.answer.States = append(j.answer.States, state)
}

func (j *journal) servicesWritten(all map[string]object) {
	selected := map[string]int{}
	for _, service := range all {
		if ownerName(service) != "" {
			continue // an experiment's
		}
		hash := text(service, "spec", "selector", v1alpha1.DefaultRolloutUniqueLabelKey)
		selected[text(service, "metadata", "name")] = j.template(hash)
	}
	if len(selected) > 0 {
		j.answer.Services = append(j.answer.Services, servicesEntry{j.now(), selected})
	}
}

func (j *journal) podWritten(before, after object) {
	role := func(pod object) string { return text(pod, "metadata", "labels", "role") }
	if before != nil && after != nil && role(before) == role(after) {
		return
	}
	made, present := map[string]int{}, map[string]int{}
	for template, count := range j.cluster.podsOf {
		made[fmt.Sprint(template)] = count
	}
	for key, pod := range j.cluster.api.kinds["/pods"].objects {
		if known := j.cluster.pods[key]; known != nil {
			present[fmt.Sprintf("%d %s", known.template, role(pod))]++
		}
	}
	j.answer.Pods = append(j.answer.Pods, podsEntry{j.now(), made, present})
}

func (j *journal) scaled(template int, before, after object) {
	entry := scaledEntry{At: j.now(), Template: template, Desired: number(after, "spec", "replicas")}
	if before != nil && number(before, "spec", "replicas") == entry.Desired {
		return
	}
	j.answer.Scaled = append(j.answer.Scaled, entry)
}

func (j *journal) runWritten(before, after object) {
	if after == nil {
		return
	}
	name := text(after, "metadata", "name")
	if text(after, "status", "phase") != text(before, "status", "phase") {
		j.answer.Runs = append(j.answer.Runs, runEntry{At: j.now(), Name: name,
			Template: j.template(text(after, "metadata", "labels", "rollouts-pod-template-hash")),
			Step:     text(after, "metadata", "labels", "step-index"),
			Phase:    text(after, "status", "phase"), Message: text(after, "status", "message")})
	}
	known := map[string]int64{}
	for _, result := range results(before) {
		known[text(result, "name")] = taken(result)
	}
	for _, result := range results(after) {
		metric := text(result, "name")
		if taken(result) == known[metric] {
			continue
		}
		all, _ := result["measurements"].([]any)
		last := all[len(all)-1].(object)
		j.answer.Measurements = append(j.answer.Measurements, measurementEntry{At: j.now(), Run: name, Metric: metric,
			Phase: text(last, "phase"), Value: text(last, "value"), Message: text(last, "message")})
	}
}

func results(run object) []object {
	all, _ := at(run, "status", "metricResults").([]any)
	var found []object
	for _, result := range all {
		found = append(found, result.(object))
	}
	// Measurements are taken in parallel: the first to finish stands first.
	sort.Slice(found, func(i, j int) bool { return text(found[i], "name") < text(found[j], "name") })
	return found
}

func taken(result object) int64 { return number(result, "count") + number(result, "error") }

func (j *journal) event(about runtime.Object, reason string) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	kind := about.GetObjectKind().GroupVersionKind().Kind
	if accessor, err := meta.Accessor(about); err == nil && kind == "" {
		kind = accessor.GetName()
	}
	j.answer.Events = append(j.answer.Events, eventEntry{At: j.now(), Kind: kind, Reason: reason})
}

// send asks the API server as a client without types would.
func (c *cluster) send(method, path, contentType string, body []byte) error {
	r, err := http.NewRequest(method, "http://cluster"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", contentType)
	answer, err := c.api.RoundTrip(r)
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		said, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%s %s: %s", method, path, said)
	}
	return nil
}

package main

import (
	"fmt"
	"math"
	"time"
)

// pod is what the kubelet, the clients and Prometheus know of a pod.
type pod struct {
	key      string
	template int
	ordinal  int
	hash     string
	model    *model
	version  string
	started  time.Time
	serving  time.Time
	ready    bool
	gone     bool
	meter    meter
}

// admitPod gives a pod a node, and the higher a cost of deletion the older it is: of pods that are
// alike, the controller would otherwise choose by chance.
func (c *cluster) admitPod(created object) {
	c.podsMade++
	meta := metadata(created)
	annotations, _ := meta["annotations"].(object)
	if annotations == nil {
		annotations = object{}
	}
	annotations["controller.kubernetes.io/pod-deletion-cost"] = fmt.Sprint(-c.podsMade)
	meta["annotations"] = annotations
	created["spec"].(object)["nodeName"] = "node"
	created["status"] = object{"phase": "Pending"}
}

// podWritten follows a pod from its creation to its end.
func (c *cluster) podWritten(before, after object) {
	switch {
	case before == nil:
		c.startPod(after)
	case after == nil:
		gone := c.pods[text(before, "metadata", "namespace")+"/"+text(before, "metadata", "name")]
		c.turns.at(time.Now(), orderKubelet, func() {
			c.settle()
			gone.gone, gone.ready = true, false
			c.endpointsChanged()
		})
	}
}

func (c *cluster) startPod(created object) {
	key := text(created, "metadata", "namespace") + "/" + text(created, "metadata", "name")
	hash := text(created, "metadata", "labels", "rollouts-pod-template-hash")
	template := c.ofSet[ownerName(created)]
	c.podsOf[template]++
	p := &pod{key: key, template: template, ordinal: c.podsOf[template] - 1, hash: hash, version: modelVersion(created)}
	p.model = c.question.Models[p.version]
	c.pods[key] = p
	c.order = append(c.order, p)
	begin := c.now().Add(seconds(c.question.PodStart))
	c.turns.at(begin, orderKubelet, func() { c.containerStarts(p, begin) })
}

func ownerName(o object) string {
	owners, _ := at(o, "metadata", "ownerReferences").([]any)
	if len(owners) == 0 {
		return ""
	}
	return text(owners[0].(object), "name")
}

func (c *cluster) containerStarts(p *pod, at time.Time) {
	if p.gone {
		return
	}
	p.started, p.serving = at, at.Add(seconds(p.model.Load))
	c.api.setStatus("/pods", p.key, func(status object) { status["phase"] = "Running" })
	c.endpointsChanged()
	if !p.model.NeverReady {
		c.turns.at(p.serving, orderKubelet, func() { c.becomesReady(p) })
	}
}

func (c *cluster) becomesReady(p *pod) {
	if p.gone {
		return
	}
	now := time.Now().UTC().Format(time.RFC3339)
	c.api.setStatus("/pods", p.key, func(status object) {
		status["conditions"] = []any{object{"type": "Ready", "status": "True", "lastTransitionTime": now}}
	})
	c.settle()
	p.ready = true
	c.endpointsChanged()
}

func modelVersion(created object) string {
	containers, _ := at(created, "spec", "containers").([]any)
	for _, container := range containers {
		variables, _ := container.(object)["env"].([]any)
		for _, variable := range variables {
			if named := variable.(object); named["name"] == "MODEL_VERSION" {
				value, _ := named["value"].(string)
				return value
			}
		}
	}
	return ""
}

// addressed are the pods behind the Service, ready or not, in the order of their creation.
func (c *cluster) addressed() []*pod {
	var found []*pod
	for _, p := range c.order {
		if !p.gone && !p.started.IsZero() {
			found = append(found, p)
		}
	}
	return found
}

func (c *cluster) endpointsChanged() {
	c.route()
	c.scraper.endpointsChanged()
}

func seconds(count float64) time.Duration {
	return time.Duration(math.Round(count*1000)) * time.Millisecond
}

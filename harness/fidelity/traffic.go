package main

import (
	"math"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

// z99 is the standard normal's 99th percentile.
const z99 = 2.3263478740408408

// model is how a model version behaves: a log-normal latency through two quantiles, in seconds, and a
// share of errors, both changed for a while by faults.
type model struct {
	P50        float64 `json:"p50"`
	P99        float64 `json:"p99"`
	Errors     float64 `json:"errors"`
	Load       float64 `json:"load"`
	NeverReady bool    `json:"neverReady"`
	Faults     []fault `json:"faults"`
}

// fault changes a model's behaviour between two times of the run, in seconds.
type fault struct {
	From   float64  `json:"from"`
	Until  float64  `json:"until"`
	Errors *float64 `json:"errors"`
	P50    *float64 `json:"p50"`
	P99    *float64 `json:"p99"`
}

// meter holds what a pod has counted: expected values, in fractions.
type meter struct {
	rate     float64
	advanced time.Time
	requests float64
	errors   float64
	buckets  []float64
}

// now is the present in whole milliseconds: what reactions within an instant take does not count.
func (c *cluster) now() time.Time {
	return c.started.Add(time.Since(c.started).Truncate(time.Millisecond))
}

// settle brings every pod's counters to the present; it comes before anything that changes the routes.
func (c *cluster) settle() {
	for _, p := range c.order {
		c.advance(p)
	}
}

// route sends the requests to the pods that are ready: those behind the Service that is called, or behind
// those that the router splits them between.
func (c *cluster) route() {
	c.settle()
	for _, p := range c.order {
		p.meter.rate = 0
	}
	called := c.question.Service
	if called == "" || c.router.asked == nil {
		c.spread(called, 1)
		return
	}
	for _, destination := range c.router.asked {
		if destination.ServiceName == "" {
			continue // an experiment's, which is not there yet
		}
		c.spread(destination.ServiceName, float64(destination.Weight)/float64(c.router.most))
	}
}

// spread spreads a part of the requests evenly over a Service's pods; without a name these are all.
func (c *cluster) spread(service string, part float64) {
	var ready []*pod
	for _, p := range c.order {
		if p.ready && !p.gone && (service == "" || c.selects(service, p)) {
			ready = append(ready, p)
		}
	}
	for _, p := range ready {
		p.meter.rate += c.question.Rate * part / float64(len(ready))
	}
}

func (c *cluster) selects(service string, p *pod) bool {
	selected := text(c.api.get("/services", namespace+"/"+service), "spec", "selector", v1alpha1.DefaultRolloutUniqueLabelKey)
	return selected == "" || selected == p.hash
}

// advance counts what a pod has answered since it was advanced last, piece by piece where a fault begins
// or ends in between.
func (c *cluster) advance(p *pod) {
	now := c.now()
	m := &p.meter
	if m.buckets == nil {
		m.buckets = make([]float64, len(c.question.Buckets))
		m.advanced = now
	}
	for m.advanced.Before(now) {
		from := m.advanced.Sub(c.started).Seconds()
		until := now.Sub(c.started).Seconds()
		for _, f := range p.model.Faults {
			for _, edge := range []float64{f.From, f.Until} {
				if edge > from && edge < until {
					until = edge
				}
			}
		}
		m.count(p.model, c.question.Buckets, from, until)
		m.advanced = c.started.Add(time.Duration(math.Round(until * 1e9)))
	}
}

func (m *meter) count(behaviour *model, bounds []float64, from, until float64) {
	p50, p99, errors := behaviour.P50, behaviour.P99, behaviour.Errors
	for _, f := range behaviour.Faults {
		if f.From > from || from >= f.Until {
			continue
		}
		if f.Errors != nil {
			errors = *f.Errors
		}
		if f.P50 != nil && f.P99 != nil {
			p50, p99 = *f.P50, *f.P99
		}
	}
	n := m.rate * (until - from)
	m.requests += n
	m.errors += n * errors
	sigma := math.Log(p99/p50) / z99
	for index, bound := range bounds {
		z := (math.Log(bound) - math.Log(p50)) / sigma
		m.buckets[index] += n * 0.5 * math.Erfc(-z/math.Sqrt2)
	}
}

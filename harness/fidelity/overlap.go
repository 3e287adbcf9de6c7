package main

import (
	"net/http"
	"time"
)

// overlap has the passes of one queue go on beside those of the others: a pass begins in its turn, with what there is
// then, and writes nothing until the next pass of another queue is over. In a cluster controllers are processes of
// their own, whose passes take some milliseconds.
type overlap struct {
	of *queue
	// gate is closed when the pass that has begun may write; nil where none waits.
	gate chan struct{}
	// passed tells that another pass was handed out meanwhile.
	passed bool
}

// begins notes that a pass of a queue is handed out next.
func (o *overlap) begins(next *queue) {
	if o != nil && next == o.of {
		o.gate, o.passed = make(chan struct{}), false
	}
}

// open lets the pass write.
func (o *overlap) open() {
	close(o.gate)
	o.gate = nil
}

// overlapping is the API server as the controller of that queue reaches it.
type overlapping struct {
	server *apiServer
	turns  *turns
}

func (o overlapping) RoundTrip(r *http.Request) (*http.Response, error) {
	if gate := o.turns.overlap.gate; gate != nil && r.Method != http.MethodGet {
		<-gate
	}
	return unhurried{o.server}.RoundTrip(r)
}

// beside goes on while a pass waits to write: with the next pass of another queue to its end. It tells whether one
// waits.
func (t *turns) beside() bool {
	o := t.overlap
	if o == nil || o.gate == nil {
		return false
	}
	var next *queue
	for _, q := range t.queues {
		switch {
		case q == o.of:
		case q.busy():
			time.Sleep(turnCost)
			return true
		case next == nil && q.Len() > 0:
			next = q
		}
	}
	if next == nil || o.passed {
		o.open()
		return true
	}
	o.passed = true
	t.hand(next)
	return true
}

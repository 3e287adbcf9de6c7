package main

import (
	"fmt"
	"sort"
	"sync"
	"testing/synctest"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// The order within one instant, as the simulator has it: people first, then pods and their ReplicaSets, then
// Prometheus, then AnalysisRuns to a standstill, then the Rollout. In a cluster chance decides; what of it matters
// shows where ReplicaSets come late.
const (
	orderAction = iota
	orderKubelet
	orderReplicaSet
	orderDiscovery
	orderScrape
	orderAnalysis
	orderExperiment
	orderService
	orderRollout
	orderLate
)

// turnCost is the virtual time between two turns. It lets the strict "after" of the controllers hold at
// the instant that a timer is due, and is too short to show in a query's time, which has milliseconds.
const turnCost = time.Microsecond

// standstill is what the first turn after a pause waits for: what a controller planned in a turn is due some
// microseconds later than what was planned with the instant's begin.
const standstill = 20 * time.Microsecond

// mostTurns bounds a run: a controller that wakes itself for ever is an error. The longest take some 60,000.
const mostTurns = 200_000

// turns hands out what is due, one thing at a time, once everything else has come to rest: so caches are
// settled whenever a reconcile starts, and equal runs give equal bytes.
type turns struct {
	mutex  sync.Mutex
	agenda []entry
	serial int
	woken  chan struct{}
	queues []*queue
	// overlap is set where the passes of one queue overlap with those of others.
	overlap *overlap
	handed  int
	rested  bool
}

type entry struct {
	at     time.Time
	order  int
	serial int
	do     func()
}

func newTurns() *turns {
	return &turns{woken: make(chan struct{}, 1)}
}

// at puts something on the agenda.
func (t *turns) at(when time.Time, order int, do func()) {
	t.mutex.Lock()
	t.serial++
	t.agenda = append(t.agenda, entry{when, order, t.serial, do})
	t.mutex.Unlock()
	t.wake()
}

func (t *turns) wake() {
	select {
	case t.woken <- struct{}{}:
	default:
	}
}

// run hands out turns until a time.
func (t *turns) run(until time.Time) error {
	for {
		synctest.Wait()
		if t.take() {
			t.handed++
			if t.handed > mostTurns {
				return fmt.Errorf("more than %d turns: a controller wakes itself for ever", mostTurns)
			}
			continue
		}
		next := t.next(until)
		if !next.After(time.Now()) {
			return nil
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-t.woken:
		case <-timer.C:
		}
		timer.Stop()
		t.rested = false
	}
}

// busy tells whether a pass is under way.
func (t *turns) busy() bool {
	for _, q := range t.queues {
		if q.busy() {
			return true
		}
	}
	return false
}

// take does the first thing that is due, and tells whether there was one.
func (t *turns) take() bool {
	if t.beside() {
		return true
	}
	if t.busy() {
		time.Sleep(turnCost) // a pass is under way: one of its writes takes a moment
		return true
	}
	first := t.firstQueue()
	if do := t.due(first); do != nil {
		do()
		return true
	}
	if first == nil {
		return false
	}
	if !t.rested {
		t.rested = true
		time.Sleep(standstill)
		return true
	}
	t.overlap.begins(first)
	t.hand(first)
	return true
}

// hand hands out the first of a queue's items.
func (t *turns) hand(q *queue) {
	key, _ := q.pop()
	time.Sleep(turnCost)
	q.hand <- key
}

// firstQueue is the one with something to do whose turn is before the others'.
func (t *turns) firstQueue() *queue {
	for _, q := range t.queues {
		if q.Len() > 0 {
			return q
		}
	}
	return nil
}

// due takes the first thing off the agenda that is due, unless a queue's turn is before it.
func (t *turns) due(unless *queue) func() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	now := time.Now()
	best := -1
	for index, item := range t.agenda {
		if !item.at.After(now) && (best < 0 || before(item, t.agenda[best])) {
			best = index
		}
	}
	if best < 0 || unless != nil && unless.order < t.agenda[best].order {
		return nil
	}
	item := t.agenda[best]
	t.agenda = append(t.agenda[:best], t.agenda[best+1:]...)
	return item.do
}

func before(a, b entry) bool {
	if a.order != b.order {
		return a.order < b.order
	}
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	return a.serial < b.serial
}

func (t *turns) next(until time.Time) time.Time {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	next := until
	for _, item := range t.agenda {
		if item.at.Before(next) {
			next = item.at
		}
	}
	return next
}

// queue is a controller's work queue whose items are handed out in turns, the smallest key first. Delays
// and retries are those of the real rate limiter, but for the first few milliseconds.
type queue struct {
	turns   *turns
	order   int
	limiter workqueue.TypedRateLimiter[any]
	hand    chan any
	mutex   sync.Mutex
	waiting map[any]bool
	working map[any]bool
	again   map[any]bool
	// late is what came within a pass and would have to wait for its failures, and retryAt when the next retry is due.
	late      map[any]time.Duration
	retryAt   map[any]time.Time
	forgotten map[any]bool
	// timers are when waits end, by item: of several the earliest counts, as in client-go's delaying queue.
	timers  map[any]time.Time
	stopped chan struct{}
	once    sync.Once
	// burst counts the turns since burstAt, a whole millisecond.
	burst   int
	burstAt time.Time
	// spunAt is when a loop was last slowed down, spinsSince since when it goes on, and spinsAt when it goes on.
	spunAt     time.Time
	spinsSince time.Time
	spinsAt    time.Time
	// calm is the least time between two turns of an item that has had mostTurnsOfOne of them; none where 0.
	calm   time.Duration
	recent map[any]*recent
}

// recent tells of an item's turns without a longer break.
type recent struct {
	count   int
	last    time.Time
	planned bool
}

// Behind a router, every pass of an aborted Rollout switches a Service there and back, and each switch brings the
// next pass; and with a scaleDownDelaySeconds of 0 a Rollout asks for its next pass at once, for ever. After some
// times these two come no more often than once in calmLoop; all else goes on at once.
const (
	mostTurnsOfOne = 20
	calmLoop       = time.Second
	longerBreak    = 5 * time.Second
)

// Within a second of a progress deadline upstream looks again every millisecond; more passes than
// mostPasses within one are slowed down to one in spinning.
const (
	mostPasses = 100
	spinning   = 50 * time.Millisecond
	// A loop that goes on, such as that of a blueGreen Rollout whose analysis after the switch is inconclusive,
	// is slowed down more. What happens meanwhile is not: it brings a pass at once.
	mostPassesInLoop = 5
	longLoop         = 2 * time.Second
	longSpinning     = time.Second
)

// negligible is the delay below which the rate limiter is ignored: such delays come from events that a
// pass causes itself, and are below what is compared. Retries of what fails soon take longer.
const negligible = 100 * time.Millisecond

func (t *turns) queue(order int, limiter workqueue.TypedRateLimiter[any]) *queue {
	q := &queue{turns: t, order: order, limiter: limiter, hand: make(chan any), waiting: map[any]bool{},
		working: map[any]bool{}, again: map[any]bool{}, stopped: make(chan struct{}), recent: map[any]*recent{},
		late: map[any]time.Duration{}, retryAt: map[any]time.Time{}, forgotten: map[any]bool{},
		timers: map[any]time.Time{}}
	t.queues = append(t.queues, q)
	sort.SliceStable(t.queues, func(i, j int) bool { return t.queues[i].order < t.queues[j].order })
	return q
}

func (q *queue) busy() bool {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return len(q.working) > 0
}

func (q *queue) pop() (any, bool) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	var first any
	for key := range q.waiting {
		if first == nil || fmt.Sprint(key) < fmt.Sprint(first) {
			first = key
		}
	}
	if first == nil {
		return nil, false
	}
	delete(q.waiting, first)
	q.working[first] = true
	if at := time.Now().Truncate(time.Millisecond); !at.Equal(q.burstAt) {
		q.burst, q.burstAt = 0, at
	}
	q.burst++
	return first, true
}

func (q *queue) Add(item any) {
	q.mutex.Lock()
	if q.calm > 0 && q.putOff(item, q.calm) {
		q.mutex.Unlock()
		return
	}
	if q.working[item] {
		q.again[item] = true
	} else {
		q.waiting[item] = true
	}
	q.mutex.Unlock()
	q.turns.wake()
}

// putOff tells whether an item comes too often, and then sees to it that it comes later. The queue is locked.
func (q *queue) putOff(item any, calm time.Duration) bool {
	if q.waiting[item] || q.again[item] {
		return false
	}
	now := time.Now()
	r := q.recent[item]
	if r == nil || now.Sub(r.last) > longerBreak {
		r = &recent{}
		q.recent[item] = r
	}
	if r.planned {
		return true
	}
	if r.count >= mostTurnsOfOne && now.Before(r.last.Add(calm)) {
		r.planned = true
		q.turns.at(r.last.Add(calm), q.order, func() {
			q.mutex.Lock()
			r.planned = false
			q.mutex.Unlock()
			q.Add(item)
		})
		return true
	}
	r.count++
	r.last = now
	return false
}

func (q *queue) AddAfter(item any, wait time.Duration) {
	if wait <= 0 {
		q.mutex.Lock()
		late := q.putOff(item, calmLoop)
		q.mutex.Unlock()
		if !late {
			q.Add(item)
		}
		return
	}
	at := time.Now().Add(wait)
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if earlier, known := q.timers[item]; known && !earlier.After(at) {
		return
	}
	q.timers[item] = at
	q.turns.at(at, q.order, func() { q.ring(item, at) })
}

// ring is the end of a wait, unless the item came for another cause meanwhile.
func (q *queue) ring(item any, at time.Time) {
	q.mutex.Lock()
	due := q.timers[item].Equal(at)
	if due {
		delete(q.timers, item)
	}
	q.mutex.Unlock()
	if due {
		q.Add(item)
	}
}

func (q *queue) AddRateLimited(item any) {
	q.mutex.Lock()
	known := q.waiting[item] || q.again[item]
	q.mutex.Unlock()
	if known {
		return // the real queue keeps the earlier of two delays
	}
	wait := q.limiter.When(item)
	if wait >= negligible {
		q.retry(item, wait)
		return
	}
	now := time.Now()
	if !now.Truncate(time.Millisecond).Equal(q.burstAt) || q.burst <= q.allowed() {
		q.mutex.Lock()
		delete(q.timers, item) // the real queue has one wait for an item, and shortens it, that of a loop too
		q.spinsAt = time.Time{}
		q.mutex.Unlock()
		q.Add(item)
		return
	}
	if q.spinsAt.After(now) {
		return // the loop goes on then, as it would have to
	}
	wait = q.spin()
	q.spinsAt = now.Add(wait)
	q.AddAfter(item, wait)
}

// allowed is how many passes may follow at once: few while a loop goes on.
func (q *queue) allowed() int {
	if time.Since(q.spunAt) < 2*longSpinning {
		return mostPassesInLoop
	}
	q.spinsSince = time.Time{}
	return mostPasses
}

// spin is how long a loop is to wait: longer once it has gone on for a while.
func (q *queue) spin() time.Duration {
	q.spunAt = time.Now()
	if q.spinsSince.IsZero() {
		q.spinsSince = q.spunAt
	}
	if q.spunAt.Sub(q.spinsSince) > longLoop {
		return longSpinning
	}
	return spinning
}

func (q *queue) Get() (any, bool) {
	select {
	case item := <-q.hand:
		return item, false
	case <-q.stopped:
		return nil, true
	}
}

// retry plans the next retry of what failed, unless one is due before; that of a pass under way at its end.
func (q *queue) retry(item any, wait time.Duration) {
	q.mutex.Lock()
	if q.working[item] {
		q.late[item] = wait
		q.mutex.Unlock()
		return
	}
	at := time.Now().Add(wait)
	known := q.retryAt[item].After(time.Now()) && !q.retryAt[item].After(at)
	if !known {
		q.retryAt[item] = at
	}
	q.mutex.Unlock()
	if !known {
		q.AddAfter(item, wait)
	}
}

// Done ends a pass. What happened within one that went well counts as having happened right after it: in a cluster
// the reactions to a pass come later than its end, and then a new wait, which is a short one, replaces the long one.
func (q *queue) Done(item any) {
	q.mutex.Lock()
	delete(q.working, item)
	again, forgotten := q.again[item], q.forgotten[item]
	wait, late := q.late[item]
	delete(q.again, item)
	delete(q.forgotten, item)
	delete(q.late, item)
	q.mutex.Unlock()
	switch {
	case again || late && forgotten:
		q.Add(item)
	case late:
		q.retry(item, wait)
	}
}

func (q *queue) Len() int {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return len(q.waiting)
}

// Forget is called at the end of a pass that went well.
func (q *queue) Forget(item any) {
	q.mutex.Lock()
	q.forgotten[item] = q.working[item]
	q.mutex.Unlock()
	q.limiter.Forget(item)
}

func (q *queue) NumRequeues(item any) int { return q.limiter.NumRequeues(item) }
func (q *queue) ShutDown()                { q.once.Do(func() { close(q.stopped) }) }
func (q *queue) ShutDownWithDrain()       { q.ShutDown() }
func (q *queue) ShuttingDown() bool {
	select {
	case <-q.stopped:
		return true
	default:
		return false
	}
}

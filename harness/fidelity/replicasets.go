package main

import (
	"reflect"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/kubernetes/pkg/controller/replicaset"
)

// adopt gives the ReplicaSet controller a queue that is handed out in turns, in the place of its own.
func (t *turns) adopt(sets *replicaset.ReplicaSetController, order int) *queue {
	field := reflect.ValueOf(sets).Elem().FieldByName("queue")
	queue := reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem()
	queue.Interface().(workqueue.TypedRateLimitingInterface[string]).ShutDown()
	own := t.queue(order, workqueue.DefaultTypedControllerRateLimiter[any]())
	queue.Set(reflect.ValueOf(ofStrings{own}))
	return own
}

// ofStrings is a queue of a controller whose keys are strings.
type ofStrings struct{ *queue }

func (q ofStrings) Add(item string)                          { q.queue.Add(item) }
func (q ofStrings) AddAfter(item string, wait time.Duration) { q.queue.AddAfter(item, wait) }
func (q ofStrings) AddRateLimited(item string)               { q.queue.AddRateLimited(item) }
func (q ofStrings) Forget(item string)                       { q.queue.Forget(item) }
func (q ofStrings) NumRequeues(item string) int              { return q.queue.NumRequeues(item) }
func (q ofStrings) Done(item string)                         { q.queue.Done(item) }
func (q ofStrings) Get() (string, bool) {
	item, stopped := q.queue.Get()
	key, _ := item.(string)
	return key, stopped
}

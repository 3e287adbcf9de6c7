package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"sync"
)

// watcher streams changes to one client.
type watcher struct {
	resource string
	wanted   func(object) bool
	mutex    sync.Mutex
	pending  bytes.Buffer
	ready    chan struct{}
	closed   chan struct{}
	once     sync.Once
}

func (s *apiServer) watch(ctx context.Context, asked request, query url.Values) io.ReadCloser {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var since int64
	fmt.Sscan(query.Get("resourceVersion"), &since)
	w := &watcher{resource: asked.resource, wanted: filter(asked, query),
		ready: make(chan struct{}, 1), closed: make(chan struct{})}
	for _, made := range s.kinds[asked.resource].history {
		if made.version > since {
			w.offer(made)
		}
	}
	s.watchers = append(s.watchers, w)
	context.AfterFunc(ctx, func() { w.Close() })
	return w
}

func (w *watcher) offer(made change) {
	if !w.wanted(made.object) {
		return
	}
	w.mutex.Lock()
	w.pending.Write(made.encoded)
	w.mutex.Unlock()
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

func (w *watcher) Read(p []byte) (int, error) {
	for {
		w.mutex.Lock()
		n, _ := w.pending.Read(p)
		w.mutex.Unlock()
		if n > 0 {
			return n, nil
		}
		select {
		case <-w.ready:
		case <-w.closed:
			return 0, io.EOF
		}
	}
}

func (w *watcher) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (s *apiServer) publish(resource, event string, o object) {
	encoded, _ := json.Marshal(object{"type": event, "object": o})
	made := change{version: s.version, kind: event, object: o, encoded: append(encoded, '\n')}
	kind := s.kinds[resource]
	kind.history = append(kind.history, made)
	for _, w := range s.watchers {
		if w.resource == resource {
			w.offer(made)
		}
	}
}

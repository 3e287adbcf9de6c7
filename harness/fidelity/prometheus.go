package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"sort"
	"strconv"
	"sync"
	"time"
	_ "unsafe" // for the transport of the metric provider

	_ "github.com/argoproj/argo-rollouts/metricproviders/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
	webapi "github.com/prometheus/prometheus/web/api/v1"
)

// The metric provider reaches Prometheus through this transport.
//
//go:linkname secureTransport github.com/argoproj/argo-rollouts/metricproviders/prometheus.secureTransport
var secureTransport *http.Transport

// present is the Prometheus of the run that is under way.
var present http.Handler

func init() {
	secureTransport.RegisterProtocol("http", handlerTransport{})
}

// handlerTransport answers the provider's requests with the real API handlers.
type handlerTransport struct{}

func (handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	inner := r.Clone(r.Context())
	inner.RequestURI = r.URL.RequestURI()
	present.ServeHTTP(recorder, inner)
	answer := recorder.Result()
	body, err := io.ReadAll(answer.Body)
	answer.Body = io.NopCloser(bytes.NewReader(body))
	answer.Request = r
	return answer, err
}

// samples is a storage in memory.
type samples struct {
	mutex  sync.Mutex
	series map[string]*series
}

type series struct {
	labels labels.Labels
	points []chunks.Sample
}

type point struct {
	t int64
	v float64
}

func (p point) T() int64                      { return p.t }
func (p point) F() float64                    { return p.v }
func (p point) H() *histogram.Histogram       { return nil }
func (p point) FH() *histogram.FloatHistogram { return nil }
func (p point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample           { return p }

func (s *samples) append(lset labels.Labels, t int64, v float64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	key := lset.String()
	if s.series[key] == nil {
		s.series[key] = &series{labels: lset}
	}
	found := s.series[key]
	if count := len(found.points); count > 0 && found.points[count-1].T() >= t {
		return // out of order, as Prometheus drops it
	}
	found.points = append(found.points, point{t, v})
}

func (s *samples) Querier(int64, int64) (storage.Querier, error) { return s, nil }

func (s *samples) ChunkQuerier(int64, int64) (storage.ChunkQuerier, error) {
	return nil, fmt.Errorf("there are no chunks")
}

func (s *samples) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (s *samples) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (s *samples) Close() error { return nil }

func (s *samples) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var found []storage.Series
	for _, key := range sortedKeys(s.series) {
		candidate := s.series[key]
		matches := true
		for _, matcher := range matchers {
			matches = matches && matcher.Matches(candidate.labels.Get(matcher.Name))
		}
		if matches {
			found = append(found, storage.NewListSeries(candidate.labels, candidate.points))
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return labels.Compare(found[i].Labels(), found[j].Labels()) < 0 })
	return &seriesSet{found: found, index: -1}
}

type seriesSet struct {
	found []storage.Series
	index int
}

func (s *seriesSet) Next() bool                        { s.index++; return s.index < len(s.found) }
func (s *seriesSet) At() storage.Series                { return s.found[s.index] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// handler is Prometheus' HTTP API over samples.
func handler(store *samples) http.Handler {
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: slog.New(slog.DiscardHandler), MaxSamples: 50_000_000, Timeout: 2 * time.Minute,
		LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
	})
	always := func(f http.HandlerFunc) http.HandlerFunc { return f }
	api := webapi.NewAPI(engine, store, nil, nil, nil, nil, nil, func() config.Config { return config.Config{} },
		nil, webapi.GlobalURLOptions{}, always, nil, "", false, slog.New(slog.DiscardHandler), nil, 0, 0, 0,
		false, nil, nil, nil, nil, nil, nil, nil, nil, false, nil, false, false, false, false,
		5*time.Minute, false, false, nil, nil)
	router := route.New()
	api.Register(router.WithPrefix("/api/v1"))
	return router
}

// scraper finds targets and scrapes them: endpoints are learnt discoveryLag after they changed, and each
// target has its own offset within the interval, which the question states.
type scraper struct {
	cluster *cluster
	store   *samples
	pending bool
	targets []*target
}

const discoveryLag = 5 * time.Second

type target struct {
	pod     *pod
	stale   time.Time
	last    time.Time
	up      labels.Labels
	model   []labels.Labels
	fresh   bool
	givenUp bool
}

func (s *scraper) interval() time.Duration { return seconds(s.cluster.question.ScrapeInterval) }

func (s *scraper) endpointsChanged() {
	if s.pending {
		return
	}
	s.pending = true
	s.cluster.turns.at(s.cluster.now().Add(discoveryLag), orderDiscovery, func() {
		s.pending = false
		s.relearn()
	})
}

func (s *scraper) relearn() {
	wanted := map[*pod]bool{}
	for _, p := range s.cluster.addressed() {
		wanted[p] = true
	}
	known := map[*pod]bool{}
	for _, t := range s.targets {
		if t.givenUp {
			continue
		}
		known[t.pod] = true
		if !wanted[t.pod] {
			s.giveUp(t)
		}
	}
	for _, p := range s.cluster.addressed() {
		if !known[p] {
			s.begin(p)
		}
	}
}

// giveUp ends a target: after two further intervals and a tenth its series are marked stale.
func (s *scraper) giveUp(t *target) {
	t.givenUp = true
	last := t.last
	if last.IsZero() {
		last = s.cluster.now()
	}
	wait := s.interval() * 21 / 10
	s.cluster.turns.at(last.Add(wait), orderScrape, func() {
		if t.last.IsZero() {
			return
		}
		at := s.millis(t.last.Add(s.interval()))
		s.markStale(at, t.up)
		if t.fresh {
			s.markStale(at, t.model...)
		}
	})
}

func (s *scraper) begin(p *pod) {
	t := &target{pod: p}
	s.targets = append(s.targets, t)
	since := s.cluster.now().Sub(s.cluster.started)
	base := since - since%s.interval() + time.Duration(s.cluster.chosen(p).ScrapeOffset)*time.Millisecond
	if base < since {
		base += s.interval()
	}
	s.schedule(t, s.cluster.started.Add(base))
}

func (s *scraper) schedule(t *target, at time.Time) {
	s.cluster.turns.at(at, orderScrape, func() {
		if !t.givenUp {
			s.scrape(t, at)
			s.schedule(t, at.Add(s.interval()))
		}
	})
}

func (s *scraper) millis(at time.Time) int64 {
	return at.Sub(s.cluster.started).Milliseconds() + s.cluster.started.UnixMilli()
}

func (s *scraper) markStale(at int64, all ...labels.Labels) {
	for _, lset := range all {
		s.store.append(lset, at, math.Float64frombits(value.StaleNaN))
	}
}

func (s *scraper) scrape(t *target, at time.Time) {
	p, now := t.pod, s.millis(at)
	answers := !p.gone && !p.started.IsZero() && !p.serving.After(at)
	if t.last.IsZero() {
		t.up = p.labels("up", "")
	}
	t.last = at
	s.store.append(t.up, now, map[bool]float64{true: 1}[answers])
	if !answers {
		if t.fresh {
			s.markStale(now, t.model...)
			t.fresh = false
		}
		return
	}
	s.cluster.advance(p)
	t.fresh = true
	t.model = t.model[:0]
	write := func(lset labels.Labels, v float64) {
		t.model = append(t.model, lset)
		s.store.append(lset, now, v)
	}
	write(p.labels("inference_requests_total", ""), p.meter.requests)
	write(p.labels("inference_errors_total", ""), p.meter.errors)
	write(p.labels("inference_duration_seconds_count", ""), p.meter.requests)
	for index, bound := range s.cluster.question.Buckets {
		write(p.labels("inference_duration_seconds_bucket", bucketBound(bound)), p.meter.buckets[index])
	}
	write(p.labels("inference_duration_seconds_bucket", "+Inf"), p.meter.requests)
}

// bucketBound writes whole numbers as Prometheus 3 does, `1.0`.
func bucketBound(bound float64) string {
	written := strconv.FormatFloat(bound, 'f', -1, 64)
	if bound == math.Trunc(bound) {
		written += ".0"
	}
	return written
}

func (p *pod) labels(metric, bound string) labels.Labels {
	pairs := []string{"__name__", metric, "pod", p.key, "rollouts_pod_template_hash", p.hash}
	if metric != "up" {
		pairs = append(pairs, "version", p.version)
	}
	if bound != "" {
		pairs = append(pairs, "le", bound)
	}
	return labels.FromStrings(pairs...)
}

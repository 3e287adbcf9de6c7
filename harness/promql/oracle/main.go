// Command oracle evaluates PromQL with the Prometheus engine. It reads one JSON array of cases on
// standard input and writes one JSON array of results on standard output.
package main

import (
	"context"
	"encoding/json"
	"log"
	"math"
	"os"
	"sort"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// number is a float that may be NaN, infinite or a stale marker; JSON knows none of these.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	return json.Marshal(strconv.FormatFloat(float64(n), 'g', -1, 64))
}

func (n *number) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if text == "stale" {
		*n = number(math.Float64frombits(value.StaleNaN))
		return nil
	}
	parsed, err := strconv.ParseFloat(text, 64)
	*n = number(parsed)
	return err
}

type point struct {
	Ms    int64  `json:"ms"`
	Value number `json:"value"`
}

type series struct {
	Labels map[string]string `json:"labels"`
	Points []point           `json:"points"`
}

type testCase struct {
	Series []series `json:"series"`
	Query  string   `json:"query"`
	Start  int64    `json:"start_ms"`
	End    int64    `json:"end_ms"`
	// Step is zero for an instant query.
	Step int64 `json:"step_ms"`
}

type result struct {
	// Kind is scalar, string, vector, matrix or error.
	Kind   string   `json:"kind"`
	Text   string   `json:"text"`
	Series []series `json:"series"`
}

// memory is a queryable over the series of one case.
type memory []storage.Series

func (m memory) Querier(_, _ int64) (storage.Querier, error) { return m, nil }

func (m memory) Close() error { return nil }

func (m memory) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (m memory) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (m memory) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &seriesSet{at: -1}
	for _, one := range m {
		if matchesAll(one.Labels(), matchers) {
			found.series = append(found.series, one)
		}
	}
	return found
}

func matchesAll(lset labels.Labels, matchers []*labels.Matcher) bool {
	for _, matcher := range matchers {
		if !matcher.Matches(lset.Get(matcher.Name)) {
			return false
		}
	}
	return true
}

type seriesSet struct {
	series []storage.Series
	at     int
}

func (s *seriesSet) Next() bool {
	s.at++
	return s.at < len(s.series)
}
func (s *seriesSet) At() storage.Series                { return s.series[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

func stored(all []series) memory {
	var found memory
	for _, one := range all {
		floats := make([]promql.FPoint, 0, len(one.Points))
		for _, p := range one.Points {
			floats = append(floats, promql.FPoint{T: p.Ms, F: float64(p.Value)})
		}
		found = append(found, promql.NewStorageSeries(promql.Series{Metric: labels.FromMap(one.Labels), Floats: floats}))
	}
	sort.Slice(found, func(i, j int) bool { return labels.Compare(found[i].Labels(), found[j].Labels()) < 0 })
	return found
}

func evaluate(engine *promql.Engine, c testCase) result {
	ctx := context.Background()
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	var query promql.Query
	var err error
	if c.Step == 0 {
		query, err = engine.NewInstantQuery(ctx, stored(c.Series), nil, c.Query, at(c.Start))
	} else {
		step := time.Duration(c.Step) * time.Millisecond
		query, err = engine.NewRangeQuery(ctx, stored(c.Series), nil, c.Query, at(c.Start), at(c.End), step)
	}
	if err != nil {
		return result{Kind: "error", Text: err.Error()}
	}
	defer query.Close()
	found := query.Exec(ctx)
	if found.Err != nil {
		return result{Kind: "error", Text: found.Err.Error()}
	}
	switch v := found.Value.(type) {
	case promql.Scalar:
		return result{Kind: "scalar", Series: []series{{Points: []point{{v.T, number(v.V)}}}}}
	case promql.String:
		return result{Kind: "string", Text: v.V}
	case promql.Vector:
		out := result{Kind: "vector", Series: []series{}}
		for _, s := range v {
			out.Series = append(out.Series, series{s.Metric.Map(), []point{{s.T, number(s.F)}}})
		}
		return out
	case promql.Matrix:
		out := result{Kind: "matrix", Series: []series{}}
		for _, s := range v {
			points := []point{}
			for _, p := range s.Floats {
				points = append(points, point{p.T, number(p.F)})
			}
			out.Series = append(out.Series, series{s.Metric.Map(), points})
		}
		return out
	}
	return result{Kind: "error", Text: "unknown type of result"}
}

func main() {
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		log.Fatalf("reading cases: %v", err)
	}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples:               50_000_000,
		Timeout:                  time.Minute,
		LookbackDelta:            5 * time.Minute,
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 },
	})
	results := make([]result, 0, len(cases))
	for _, c := range cases {
		results = append(results, evaluate(engine, c))
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		log.Fatalf("writing results: %v", err)
	}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	prommodel "github.com/prometheus/common/model"
	log "github.com/sirupsen/logrus"

	"github.com/argoproj/argo-rollouts/metricproviders/prometheus"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

// valueQuestion is a Prometheus metric and what its query gives: a type of result and the numbers of each
// series, as text.
type valueQuestion struct {
	Metric *v1alpha1.Metric `json:"metric"`
	Type   string           `json:"type"`
	Series [][]string       `json:"series"`
}

// answerValue has the real provider measure what a query gave.
func answerValue(line []byte) (any, error) {
	var q valueQuestion
	if err := json.Unmarshal(line, &q); err != nil {
		return nil, err
	}
	result, err := q.result()
	if err != nil {
		return nil, err
	}
	quiet := log.New()
	quiet.SetOutput(io.Discard)
	provider, err := prometheus.NewPrometheusProvider(givenValue{result: result}, *log.NewEntry(quiet), *q.Metric)
	if err != nil {
		return nil, err
	}
	measured := provider.Run(&v1alpha1.AnalysisRun{}, *q.Metric)
	return answer{"phase": measured.Phase, "value": measured.Value, "message": measured.Message}, nil
}

func (q *valueQuestion) result() (prommodel.Value, error) {
	var matrix prommodel.Matrix
	for _, texts := range q.Series {
		stream := &prommodel.SampleStream{}
		for _, text := range texts {
			number, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, err
			}
			stream.Values = append(stream.Values, prommodel.SamplePair{Value: prommodel.SampleValue(number)})
		}
		matrix = append(matrix, stream)
	}
	switch q.Type {
	case "matrix":
		return matrix, nil
	case "vector":
		vector := prommodel.Vector{}
		for _, stream := range matrix {
			vector = append(vector, &prommodel.Sample{Value: stream.Values[0].Value})
		}
		return vector, nil
	case "scalar":
		return &prommodel.Scalar{Value: matrix[0].Values[0].Value}, nil
	case "string":
		return &prommodel.String{Value: q.Series[0][0]}, nil
	}
	return nil, fmt.Errorf("there is no type %q", q.Type)
}

// givenValue is a Prometheus that answers every query with one value.
type givenValue struct {
	v1.API
	result prommodel.Value
}

func (g givenValue) Query(context.Context, string, time.Time, ...v1.Option) (prommodel.Value, v1.Warnings, error) {
	return g.result, nil, nil
}

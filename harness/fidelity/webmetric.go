package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	log "github.com/sirupsen/logrus"

	"github.com/argoproj/argo-rollouts/metricproviders/webmetric"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

// webQuestion is a web metric and what the server answers to it; the connection fails with Unreachable,
// where that is given.
type webQuestion struct {
	Metric      *v1alpha1.Metric `json:"metric"`
	Status      int              `json:"status"`
	Body        string           `json:"body"`
	Unreachable string           `json:"unreachable"`
}

// answerWeb has the real provider measure, over a connection in memory.
func answerWeb(line []byte) (answered any, err error) {
	var q webQuestion
	if err := json.Unmarshal(line, &q); err != nil {
		return nil, err
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			answered, err = answer{"panic": fmt.Sprint(panicked)}, nil
		}
	}()
	refused := func(err error) (any, error) {
		return answer{"phase": v1alpha1.AnalysisPhaseError, "value": "", "message": err.Error()}, nil
	}
	// The order of ProviderFactory.NewProvider.
	client, err := webmetric.NewWebMetricHttpClient(*q.Metric)
	if err != nil {
		return refused(err)
	}
	parser, err := webmetric.NewWebMetricJsonParser(*q.Metric)
	if err != nil {
		return refused(err)
	}
	client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: q.dial}
	quiet := log.New()
	quiet.SetOutput(io.Discard)
	provider := webmetric.NewWebMetricProvider(*log.NewEntry(quiet), client, parser)
	measured := provider.Run(&v1alpha1.AnalysisRun{}, *q.Metric)
	return answer{"phase": measured.Phase, "value": measured.Value, "message": measured.Message}, nil
}

// dial connects to a server that reads one request and answers it.
func (q *webQuestion) dial(context.Context, string, string) (net.Conn, error) {
	if q.Unreachable != "" {
		return nil, fmt.Errorf("%s", q.Unreachable)
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		request, err := http.ReadRequest(bufio.NewReader(theirs))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, request.Body)
		response := http.Response{
			StatusCode: q.Status, ProtoMajor: 1, ProtoMinor: 1, Request: request, Close: true,
			ContentLength: int64(len(q.Body)), Body: io.NopCloser(strings.NewReader(q.Body)),
		}
		_ = response.Write(theirs)
	}()
	return ours, nil
}

package calls

import (
	"bytes"
	"io"
	"net/http"
)

// Reply is what a server answered, or why there is no answer.
type Reply struct {
	Status      int    `json:"status"`
	Body        string `json:"body"`
	Unreachable string `json:"unreachable"`
	transport   http.RoundTripper
}

// Watch has a client keep what it is answered.
func Watch(client *http.Client) *Reply {
	reply := &Reply{transport: client.Transport}
	if reply.transport == nil {
		reply.transport = http.DefaultTransport
	}
	client.Transport = reply
	return reply
}

// RoundTrip lets the client's own transport ask.
func (r *Reply) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.transport.RoundTrip(request)
	if err != nil {
		r.Unreachable = err.Error()
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.Unreachable = err.Error()
		return nil, err
	}
	r.Status, r.Body = response.StatusCode, string(body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// Package calls writes down how functions of Argo Rollouts are called, while upstream's own tests call them.
package calls

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	timeutil "github.com/argoproj/argo-rollouts/utils/time"
)

// File is the variable of the environment that names the file to which calls are appended.
const File = "REHEARSE_CALLS"

// Call is one call of a function. Inputs are written before it, since a function may change what it is given.
type Call struct {
	function string
	test     string
	now      time.Time
	inputs   json.RawMessage
	over     bool
}

// Begin notes the inputs of a call.
func Begin(function string, inputs ...any) *Call {
	return &Call{function: function, test: test(), now: timeutil.Now(), inputs: encode(written(inputs))}
}

// End notes what the function gave.
func (c *Call) End(outputs ...any) {
	c.over = true
	c.append(written(outputs))
}

// Close notes a panic, where the call did not end: there are no outputs.
func (c *Call) Close() {
	if !c.over {
		c.append(nil)
	}
}

var file = sync.OnceValue(func() *os.File {
	opened, err := os.OpenFile(os.Getenv(File), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	return opened
})

var one sync.Mutex

func (c *Call) append(outputs []any) {
	line := encode(map[string]any{"function": c.function, "test": c.test, "now": c.now, "inputs": c.inputs,
		"outputs": outputs})
	one.Lock()
	defer one.Unlock()
	if _, err := file().Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

func encode(value any) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

// test is the name of the test that calls; empty in a goroutine that a test started.
func test() string {
	var program [64]uintptr
	frames := runtime.CallersFrames(program[:runtime.Callers(3, program[:])])
	name := ""
	for {
		frame, more := frames.Next()
		if _, function, found := strings.Cut(frame.Function, ".Test"); found && strings.HasSuffix(frame.File, "_test.go") {
			function, _, _ = strings.Cut(function, ".")
			name = "Test" + function
		}
		if !more {
			return name
		}
	}
}

// The oracle of crate `conditions`: evaluates conditions with expr itself, in the environment that
// argo-rollouts builds in utils/evaluate/evaluate.go. One JSON case a line in, one JSON answer a line out.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"strconv"

	expr115 "github.com/antonmedv/expr"
	file115 "github.com/antonmedv/expr/file"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
)

// testCase has exactly one of the value fields; numbers are text because JSON has no NaN.
type testCase struct {
	Dialect   string          `json:"dialect"`
	Condition string          `json:"condition"`
	Float     *string         `json:"float"`
	Floats    *[]string       `json:"floats"`
	Text      *string         `json:"text"`
	Bool      *bool           `json:"bool"`
	JSON      json.RawMessage `json:"json"`
}

type answer struct {
	// Result is "true", "false" or "error".
	Result string `json:"result"`
	// Message is the bare message, Rendered the one with place and snippet.
	Message  string `json:"message"`
	Rendered string `json:"rendered"`
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(make([]byte, 1<<20), 1<<26)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for input.Scan() {
		var c testCase
		if err := json.Unmarshal(input.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, "bad case:", err)
			os.Exit(1)
		}
		line, err := json.Marshal(evaluate(c))
		if err != nil {
			fmt.Fprintln(os.Stderr, "bad answer:", err)
			os.Exit(1)
		}
		output.Write(line)
		output.WriteByte('\n')
	}
	if err := input.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err)
	}
	return value
}

func (c testCase) value() any {
	switch {
	case c.Float != nil:
		return number(*c.Float)
	case c.Floats != nil:
		values := make([]float64, 0, len(*c.Floats))
		for _, text := range *c.Floats {
			values = append(values, number(text))
		}
		return values
	case c.Text != nil:
		return *c.Text
	case c.Bool != nil:
		return *c.Bool
	case c.JSON != nil:
		var value any
		if err := json.Unmarshal(c.JSON, &value); err != nil {
			panic(err)
		}
		return value
	}
	return nil
}

func isNil(in any) bool {
	if in == nil {
		return true
	}
	switch reflect.TypeOf(in).Kind() {
	case reflect.Map, reflect.Slice:
		return reflect.ValueOf(in).IsNil()
	}
	return false
}

func evaluate(c testCase) answer {
	value := c.value()
	env := map[string]any{
		"result":  value,
		"asInt":   asInt,
		"asFloat": asFloat,
		"isNaN":   math.IsNaN,
		"isInf":   func(f float64) bool { return math.IsInf(f, 0) },
		"isNil":   func(_ any) bool { return isNil(value) },
		"default": func(_ any, fallback any) any {
			if isNil(value) {
				return fallback
			}
			return value
		},
	}
	output, err := run(c, env)
	if err != nil {
		return answer{Result: "error", Message: bare(err), Rendered: err.Error()}
	}
	truth, ok := output.(bool)
	if !ok {
		message := fmt.Sprintf("expected bool, but got %T", output)
		return answer{Result: "error", Message: message, Rendered: message}
	}
	return answer{Result: strconv.FormatBool(truth)}
}

func run(c testCase, env map[string]any) (any, error) {
	if c.Dialect == "1.15" {
		program, err := expr115.Compile(c.Condition, expr115.Env(env))
		if err != nil {
			return nil, err
		}
		return expr115.Run(program, env)
	}
	program, err := expr.Compile(c.Condition, expr.Env(env))
	if err != nil {
		return nil, err
	}
	return expr.Run(program, env)
}

func bare(err error) string {
	var current *file.Error
	if errors.As(err, &current) {
		return current.Message
	}
	var old *file115.Error
	if errors.As(err, &old) {
		return old.Message
	}
	return err.Error()
}

// asInt and asFloat convert numbers and numeric text, and panic on all else.
func asInt(in any) int64 {
	switch value := in.(type) {
	case float64:
		return int64(value)
	case int64:
		return value
	case int:
		return int64(value)
	case string:
		parsed, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			panic(err)
		}
		return parsed
	}
	panic(fmt.Sprintf("asInt() not supported on %v %v", reflect.TypeOf(in), in))
}

func asFloat(in any) float64 {
	switch value := in.(type) {
	case float64:
		return value
	case int64:
		return float64(value)
	case int:
		return float64(value)
	case string:
		parsed, err := strconv.ParseFloat(value, 64)
		if err != nil {
			panic(err)
		}
		return parsed
	}
	panic(fmt.Sprintf("asFloat() not supported on %v %v", reflect.TypeOf(in), in))
}

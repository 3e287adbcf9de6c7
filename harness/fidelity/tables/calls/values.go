package calls

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// written are values as JSON can hold them.
func written(values []any) []any {
	all := make([]any, 0, len(values))
	for _, value := range values {
		all = append(all, plain(value))
	}
	return all
}

// plain is a value of a signature: objects of the API as they write themselves, an error as its text.
func plain(value any) any {
	switch value := value.(type) {
	case nil:
		return nil
	case error:
		return value.Error()
	case field.ErrorList:
		texts := []string{}
		for _, problem := range value {
			texts = append(texts, problem.Error())
		}
		return texts
	case *field.Path:
		return value.String()
	case model.Value:
		return queried(value)
	case Any:
		return dynamic(reflect.ValueOf(value.Value))
	}
	// Tests make objects that no manifest can be, such as one with raw JSON that is none.
	if _, err := json.Marshal(value); err != nil {
		return map[string]string{"unwritable": err.Error()}
	}
	return value
}

// Any is a value of no stated type, of which the type matters.
type Any struct{ Value any }

// dynamic says the type beside the value: numbers as text, since JSON has no NaN, and one kind of numbers.
func dynamic(value reflect.Value) any {
	if !value.IsValid() {
		return map[string]any{"nil": true}
	}
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		if value.IsNil() {
			return map[string]any{"nil": true}
		}
		return dynamic(value.Elem())
	case reflect.Float32, reflect.Float64:
		return map[string]any{"float": number(value.Float())}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"int": strconv.FormatInt(value.Int(), 10), "type": value.Kind().String()}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"int": strconv.FormatUint(value.Uint(), 10), "type": value.Kind().String()}
	case reflect.Bool:
		return map[string]any{"bool": value.Bool()}
	case reflect.String:
		return map[string]any{"string": value.String()}
	case reflect.Slice, reflect.Array:
		list := []any{}
		for index := range value.Len() {
			list = append(list, dynamic(value.Index(index)))
		}
		return map[string]any{"list": list, "of": value.Type().Elem().String(), "nil": value.Kind() == reflect.Slice && value.IsNil()}
	case reflect.Map:
		fields := map[string]any{}
		for _, key := range value.MapKeys() {
			fields[fmt.Sprint(key)] = dynamic(value.MapIndex(key))
		}
		return map[string]any{"map": fields, "of": value.Type().Elem().String(), "nil": value.IsNil()}
	}
	return map[string]any{"other": value.Type().String()}
}

func number(number float64) string {
	if math.IsNaN(number) {
		return "NaN"
	}
	return strconv.FormatFloat(number, 'e', -1, 64)
}

// queried is what a query gave: its type and the numbers of each series.
func queried(value model.Value) any {
	series := [][]string{}
	switch value := value.(type) {
	case *model.Scalar:
		series = append(series, []string{number(float64(value.Value))})
	case model.Vector:
		for _, sample := range value {
			if sample != nil {
				series = append(series, []string{number(float64(sample.Value))})
			}
		}
	case model.Matrix:
		for _, stream := range value {
			numbers := []string{}
			if stream != nil {
				for _, pair := range stream.Values {
					numbers = append(numbers, number(float64(pair.Value)))
				}
			}
			series = append(series, numbers)
		}
	case *model.String:
		series = append(series, []string{value.Value})
	}
	return map[string]any{"type": value.Type().String(), "series": series}
}

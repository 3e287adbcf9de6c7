package main

import (
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

// encoded are the types that write themselves.
var encoded = map[reflect.Type]string{
	reflect.TypeFor[json.RawMessage]():    "raw",
	reflect.TypeFor[resource.Quantity]():  "quantity",
	reflect.TypeFor[metav1.Time]():        "time",
	reflect.TypeFor[metav1.MicroTime]():   "time",
	reflect.TypeFor[intstr.IntOrString](): "intOrText",
	reflect.TypeFor[metav1.FieldsV1]():    "raw",
}

// structures is what encoding/json knows of the structures that a Rollout and a metric consist of.
type structures struct {
	lines map[string]string
	names map[string]reflect.Type
}

// answerTypes tells for every structure the fields in the order in which they are written: "?" after a
// name is omitempty, "!" omitzero.
func answerTypes([]byte) (any, error) {
	found := structures{lines: map[string]string{}, names: map[string]reflect.Type{}}
	for _, root := range []reflect.Type{reflect.TypeFor[v1alpha1.Rollout](), reflect.TypeFor[v1alpha1.Metric]()} {
		if _, err := found.name(root); err != nil {
			return nil, err
		}
	}
	var lines []string
	for name, fields := range found.lines {
		lines = append(lines, strings.TrimSpace(name+" "+fields))
	}
	sort.Strings(lines)
	return answer{"lines": lines}, nil
}

// name gives the name of a type, and notes its fields where it is a structure.
func (s *structures) name(t reflect.Type) (string, error) {
	if name, known := encoded[t]; known {
		return name, nil
	}
	marshaler := reflect.TypeFor[json.Marshaler]()
	// A RolloutSpec writes itself to leave out what comes from a workloadRef.
	if t != reflect.TypeFor[v1alpha1.RolloutSpec]() && t.Kind() != reflect.Pointer && (t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler)) {
		return "", fmt.Errorf("%s writes itself", t)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.around("*", t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes", nil
		}
		return s.around("[]", t.Elem())
	case reflect.Map:
		return s.around("{}", t.Elem())
	case reflect.String:
		return "text", nil
	case reflect.Bool:
		return "bool", nil
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return "int", nil
	case reflect.Struct:
		return s.structure(t)
	}
	return "", fmt.Errorf("%s is of no known kind", t)
}

func (s *structures) around(mark string, t reflect.Type) (string, error) {
	name, err := s.name(t)
	return mark + name, err
}

func (s *structures) structure(t reflect.Type) (string, error) {
	name := path.Base(path.Dir(t.PkgPath())) + "." + t.Name()
	if known, ok := s.names[name]; ok {
		if known != t {
			return "", fmt.Errorf("%s and %s have one name", known, t)
		}
		return name, nil
	}
	s.names[name] = t
	fields, err := s.fields(t)
	s.lines[name] = strings.Join(fields, " ")
	return name, err
}

func (s *structures) fields(t reflect.Type) ([]string, error) {
	var fields []string
	for index := range t.NumField() {
		field := t.Field(index)
		key, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if key == "-" || !field.IsExported() {
			continue
		}
		if field.Anonymous && key == "" {
			inner, err := s.fields(field.Type)
			if err != nil {
				return nil, err
			}
			fields = append(fields, inner...)
			continue
		}
		name, err := s.name(field.Type)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, field.Name, err)
		}
		if strings.Contains(options, "string") {
			return nil, fmt.Errorf("%s.%s is a number in quotes", t, field.Name)
		}
		if strings.Contains(options, "omitempty") {
			key += "?"
		}
		if strings.Contains(options, "omitzero") {
			key += "!"
		}
		fields = append(fields, key+":"+name)
	}
	return fields, nil
}

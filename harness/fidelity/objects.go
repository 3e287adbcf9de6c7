package main

import (
	"encoding/json"
	"sort"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// object is a Kubernetes object as decoded JSON, whole numbers as int64.
type object = map[string]any

func metadata(o object) object {
	found, _ := o["metadata"].(object)
	if found == nil {
		found = object{}
		o["metadata"] = found
	}
	return found
}

func text(o object, path ...string) string {
	found, _ := at(o, path...).(string)
	return found
}

func number(o object, path ...string) int64 {
	found, _ := at(o, path...).(int64)
	return found
}

func at(o object, path ...string) any {
	var value any = o
	for _, key := range path {
		inner, ok := value.(object)
		if !ok {
			return nil
		}
		value = inner[key]
	}
	return value
}

func setOrRemove(o object, key string, value any) {
	if value == nil {
		delete(o, key)
	} else {
		o[key] = value
	}
}

func copied(o object) object {
	encoded, _ := json.Marshal(o)
	result := object{}
	_ = utiljson.Unmarshal(encoded, &result)
	return result
}

func sortedKeys[T any](all map[string]T) []string {
	keys := make([]string, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

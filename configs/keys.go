package configs

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

var (
	durationType = reflect.TypeFor[Duration]()
	sizeType     = reflect.TypeFor[Size]()
)

// fieldsOf gives the keys of a struct and their types, by the json tags.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type, t.NumField())
	for f := range fieldsSeq(t) {
		fields[keyName(f)] = f.Type
	}
	return fields
}

// fieldsSeq goes through the fields that are keys, in the order of the struct.
func fieldsSeq(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for f := range t.Fields() {
			if name := keyName(f); name == "" || name == "-" {
				continue
			}
			if !yield(f) {
				return
			}
		}
	}
}

func keyName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// setting is one key that environment and flags can set.
type setting struct {
	path string // log.level
	typ  reflect.Type
	val  any // as viper holds it
}

// env is the name of the variable for a key: ROUTER_LOG_LEVEL.
func (s setting) env() string {
	return "ROUTER_" + strings.ToUpper(strings.ReplaceAll(s.path, ".", "_"))
}

// settings lists every key with its default.
func settings() map[string]setting { return settingsOf(Default()) }

// settingsOf lists every key with its value in c.
func settingsOf(c *Config) map[string]setting {
	all := map[string]setting{}
	collectSettings(reflect.ValueOf(*c), "", all)
	return all
}

func collectSettings(v reflect.Value, path string, all map[string]setting) {
	for f := range fieldsSeq(v.Type()) {
		p, value := join(path, keyName(f)), v.FieldByIndex(f.Index)
		switch {
		case f.Type.Kind() == reflect.Struct:
			collectSettings(value, p, all)
		case f.Type == durationType || f.Type == sizeType:
			all[p] = setting{p, f.Type, fmt.Sprint(value.Interface())}
		default:
			all[p] = setting{p, f.Type, value.Interface()}
		}
	}
}

// join makes a key path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// parent cuts the last step off a key path: servers[0].env[1] gives
// servers[0].env, and that servers[0].
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

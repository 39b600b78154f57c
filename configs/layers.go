package configs

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// keyDelimiter parts the steps of a key inside viper. No key holds it, so that
// a dot in one does not split it.
const keyDelimiter = "\x00"

// decode lays defaults, file, environment and flags over each other. A new
// viper does it each time: none of its state outlives a load.
func (l *loader) decode() (*Config, error) {
	v := viper.NewWithOptions(viper.KeyDelimiter(keyDelimiter))
	all := settings()
	for path, s := range all {
		v.SetDefault(viperKey(path), s.def)
	}
	file := map[string]any{}
	if err := l.root.Decode(&file); err != nil {
		return nil, err
	}
	if err := v.MergeConfigMap(file); err != nil {
		return nil, err
	}
	l.applyEnvironment(v, all)
	l.applyFlags(v, all)

	c := Default()
	err := v.UnmarshalExact(c, func(dc *mapstructure.DecoderConfig) {
		dc.TagName = "json"
		dc.WeaklyTypedInput = false
		dc.DecodeHook = mapstructure.TextUnmarshallerHookFunc() // durations and sizes; no "a,b" for a list
	})
	if c.Servers == nil {
		c.Servers = []Server{}
	}
	return c, err
}

func viperKey(path string) string { return strings.ReplaceAll(path, ".", keyDelimiter) }

// applyEnvironment sets what ROUTER_… variables say. Setting them is stronger
// than the file; AutomaticEnv would read the process's environment, which need
// not be the one we were given.
func (l *loader) applyEnvironment(v *viper.Viper, all map[string]setting) {
	known := map[string]bool{"ROUTER_CONFIG": true}
	for _, path := range sortedKeys(all) {
		s := all[path]
		known[s.env()] = true
		if text, ok := l.env[s.env()]; ok && text != "" {
			l.set(v, s, s.env(), text)
		}
	}
	for _, name := range sortedKeys(l.env) {
		if !strings.HasPrefix(name, "ROUTER_") || known[name] ||
			strings.HasPrefix(name, "ROUTER_SECRET_") || strings.HasPrefix(name, "ROUTER_INPUT_") {
			continue
		}
		if near := nearest(name, sortedKeys(known)); near != "" {
			l.warnings = append(l.warnings, fmt.Sprintf("$%s means nothing here, did you mean $%s?", name, near))
		}
	}
}

func (l *loader) applyFlags(v *viper.Viper, all map[string]setting) {
	for _, path := range sortedKeys(l.flags) {
		s, ok := all[path]
		if !ok {
			l.mistakes = append(l.mistakes, Mistake{Key: path, Text: "no key that can be set from outside the file"})
			continue
		}
		l.set(v, s, "flag for "+path, l.flags[path])
	}
}

// set gives one key a value that came as text.
func (l *loader) set(v *viper.Viper, s setting, from, text string) {
	value, err := parseText(s.typ, text)
	if err != nil {
		l.mistakes = append(l.mistakes, Mistake{Key: from, Text: err.Error()})
		return
	}
	l.origin[s.path] = from
	v.Set(viperKey(s.path), value)
}

// parseText reads a text as a key's type. Units are checked and stay text.
func parseText(t reflect.Type, text string) (any, error) {
	switch {
	case t == durationType:
		return text, new(Duration).UnmarshalText([]byte(text))
	case t == sizeType:
		return text, new(Size).UnmarshalText([]byte(text))
	case t.Kind() == reflect.Int:
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("wants a whole number, not %q", clip(text))
		}
		return n, nil
	case t.Kind() == reflect.Float64:
		x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			return nil, fmt.Errorf("wants a number, not %q", clip(text))
		}
		return x, nil
	case t.Kind() == reflect.Slice:
		var list []string
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		return list, nil
	}
	return text, nil
}

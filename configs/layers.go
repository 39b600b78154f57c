package configs

import (
	"fmt"
	"reflect"
	"regexp"
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
		v.SetDefault(viperKey(path), s.val)
	}
	file := map[string]any{}
	if err := l.root.Decode(&file); err != nil {
		return nil, err
	}
	if err := v.MergeConfigMap(file); err != nil {
		return nil, err
	}
	l.applyOutside(v, all)
	l.warnOfVariables(all)

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

// said gives what the environment or, stronger, a flag says of a key, and what
// that is called; "" if neither does.
func (l *loader) said(s setting) (text, from string) {
	if text = l.flags[s.path]; text != "" {
		return text, "flag for " + s.path
	}
	return l.env[s.env()], s.env()
}

// layLists puts the lists that variables and flags write as YAML, of which JSON
// is a part, into the tree in place of the file's: so they are checked like
// these. Lists of texts may be written with commas instead.
func (l *loader) layLists() {
	all := settings()
	for _, path := range sortedKeys(all) {
		text, from := l.said(all[path])
		if text == "" || !all[path].inYAML(text) {
			continue
		}
		l.origin[path] = from
		list, err := parseYAML([]byte(text))
		if err != nil {
			l.mistakes = append(l.mistakes, Mistake{Key: from, Text: "is no list in YAML or JSON: " + err.Error()})
			continue
		}
		put(l.root, path, list)
	}
}

// address looks like the begin of a list and is none: [::1]:7411.
var address = regexp.MustCompile(`^\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]`)

// inYAML reports whether a text for a list is YAML.
func (s setting) inYAML(text string) bool {
	text = strings.TrimSpace(text)
	switch {
	case s.typ.Kind() != reflect.Slice:
		return false
	case s.typ.Elem().Kind() == reflect.Struct, strings.HasPrefix(text, "- "):
		return true
	}
	return strings.HasPrefix(text, "[") && !address.MatchString(text)
}

// applyOutside sets what variables and flags say. Setting it is stronger than
// the file; AutomaticEnv would read the process's environment, which need not be
// the one we were given. What has an origin was laid into the tree.
func (l *loader) applyOutside(v *viper.Viper, all map[string]setting) {
	for _, path := range sortedKeys(all) {
		text, from := l.said(all[path])
		if _, laid := l.origin[path]; laid || text == "" {
			continue
		}
		value, err := parseText(all[path].typ, text)
		if err != nil {
			l.mistakes = append(l.mistakes, Mistake{Key: from, Text: err.Error()})
			continue
		}
		l.origin[path] = from
		v.Set(viperKey(path), value)
	}
	for _, path := range sortedKeys(l.flags) {
		if _, ok := all[path]; !ok {
			l.mistakes = append(l.mistakes, Mistake{Key: path, Text: "no key that can be set from outside the file"})
		}
	}
}

// warnOfVariables tells of variables that look like misspelt ones of ours.
func (l *loader) warnOfVariables(all map[string]setting) {
	known := map[string]bool{"ROUTER_CONFIG": true}
	for _, s := range all {
		known[s.env()] = true
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
		return betweenCommas(text), nil
	}
	return text, nil
}

// betweenCommas gives the texts of a list that is written with commas.
func betweenCommas(text string) (list []string) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

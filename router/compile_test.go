package router

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"toolrouter/internal/catalog"
)

func TestCompileOddSchemas(t *testing.T) {
	refs := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"$defs":{`)
		for i := range n {
			fmt.Fprintf(&b, `"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
		}
		fmt.Fprintf(&b, `"d%d":{"type":"string"}},"properties":{"x":{"$ref":"#/$defs/d0"}}}`, n)
		return b.String()
	}
	stray := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"properties":{`)
		for i := range n {
			fmt.Fprintf(&b, `"p%d":{"$ref":"#/x/%d"},`, i, i)
		}
		b.WriteString(`"q":{}},"x":[{}` + strings.Repeat(",{}", n) + `]}`)
		return b.String()
	}
	tests := []struct {
		name      string
		schema    string
		unchecked bool
	}{
		{"none", ``, true},
		{"true", `true`, false},
		{"type list", `{"type":["object","null"]}`, false},
		{"draft-07", `{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"string"}]}`, false},
		{"draft-04", `{"$schema":"http://json-schema.org/draft-04/schema#","properties":{"a":{"minimum":1,"exclusiveMinimum":true}}}`, false},
		{"recursive", `{"properties":{"x":{"$ref":"#"}}}`, false},
		{"itself", `{"$ref":"#"}`, false},
		{"circle", `{"properties":{"x":{"$ref":"#/$defs/a"}},"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`, false},
		{"remote reference", `{"properties":{"x":{"$ref":"https://example.com/s.json"}}}`, true},
		{"file reference", `{"properties":{"x":{"$ref":"file:///etc/passwd"}}}`, true},
		{"unknown dialect", `{"$schema":"https://example.com/dialect"}`, true},
		{"look-ahead", `{"properties":{"x":{"type":"string","pattern":"^(?=a)"}}}`, false},
		{"long pattern", `{"properties":{"x":{"pattern":"` + strings.Repeat("(a|b)", 20_000) + `"}}}`, false},
		{"not a schema", `{"required":"a"}`, true},
		{"10,000 subschemas", `{"allOf":[{}` + strings.Repeat(`,{}`, 10_000) + `]}`, true},
		{"stray references", stray(700), false},
		{"doubling references", refs(60), false},
		{"huge number", `{"properties":{"x":{"maximum":1e999999999}}}`, true},
		{"division by nothing", `{"properties":{"x":{"multipleOf":0}}}`, true},
		{"old keyword as a parameter", `{"properties":{"format":{"type":"string"},"x":{"$schema":"x"}}}`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := compile(json.RawMessage([]byte(tt.schema)[:len(tt.schema):len(tt.schema)]))
			if tt.schema == "" {
				c = compile(nil)
			}
			v, err := decode([]byte(`{"x":5}`))
			if err != nil {
				t.Fatal(err)
			}
			c.check(v, New(newFakeIndex(), &fakeUpstream{}, Options{}).log)
			if c.left < -1 {
				t.Errorf("the check went on for %d steps after its last", -c.left)
			}
			if (c.schema == nil) != tt.unchecked {
				t.Errorf("unchecked = %v (%v), want %v", c.schema == nil, c.why, tt.unchecked)
			}
		})
	}
}

// A schema that leads nowhere is no reason to refuse arguments.
func TestCirclesRefuseNothing(t *testing.T) {
	log := New(newFakeIndex(), &fakeUpstream{}, Options{}).log
	for schema, refused := range map[string]bool{
		`{"$ref":"#"}`: false,
		`{"properties":{"x":{"$ref":"#/$defs/a"}},"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`: false,
		`{"properties":{"x":{"type":"string"}}}`: true,
	} {
		v, err := decode([]byte(`{"x":5}`))
		if err != nil {
			t.Fatal(err)
		}
		if bad := compile(json.RawMessage(schema)).check(v, log); (bad != nil) != refused {
			t.Errorf("%s: %v, want refused = %t", schema, bad, refused)
		}
	}
}

func TestFormatsAreRemarks(t *testing.T) {
	for _, draft := range []string{"http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"} {
		up, last := echo(`{}`)
		r := routerOf(Options{}, up, toolNamed(t, "s", "t", "", `{"$schema":"`+draft+`","properties":{"d":{"type":"string","format":"date-time"}}}`))
		const args = `{"d":"tomorrow at noon"}`
		if got, err := r.Call(t.Context(), CallRequest{Name: "s__t", Arguments: json.RawMessage(args)}); err != nil || string(last.Arguments) != args {
			t.Errorf("%s: %v %s", draft, err, got)
		}
	}
}

func TestSchemaCacheIsBounded(t *testing.T) {
	r := routerOf(Options{}, nil)
	for i := range maxSchemas + 10 {
		tl := &catalog.Tool{ID: catalog.ID{Server: "s", Tool: "t"}, Hash: fmt.Sprint(i), Definition: json.RawMessage(`{"inputSchema":true}`)}
		if c := r.schemas.of(tl, r.log); c != r.schemas.of(tl, r.log) {
			t.Fatal("a schema was compiled twice")
		}
	}
	if n := len(r.schemas.has); n != maxSchemas {
		t.Errorf("cache holds %d schemas, want %d", n, maxSchemas)
	}
}

func TestLenientRegexp(t *testing.T) {
	for text, want := range map[string]bool{"^a": false, "^b": true, "^(?=a)": true, strings.Repeat("a", maxPattern+1): true} {
		re, err := lenientRegexp(text)
		if err != nil || re.MatchString("b") != want {
			t.Errorf("pattern %.20s matches b: %v (%v), want %v", text, !want, err, want)
		}
	}
}

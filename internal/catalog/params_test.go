package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestParamTypes(t *testing.T) {
	for _, tt := range []struct{ name, schema, want string }{
		{"plain", `{"properties":{"a":{"type":"string"}},"required":["a"]}`, "a: string"},
		{"required first", `{"properties":{"b":{"type":"integer"},"a":{"type":"string"}},"required":["a"]}`, "a: string, b?: integer"},
		{"schema order", `{"properties":{"z":{"type":"boolean"},"a":{"type":"number"}}}`, "z?: boolean, a?: number"},
		{"enum", `{"properties":{"s":{"type":"string","enum":["open","closed"]}}}`, `s?: "open"|"closed"`},
		{"long enum", `{"properties":{"s":{"enum":["a","b","c","d","e","f"]}}}`, `s?: string`},
		{"const", `{"properties":{"s":{"const":5}}}`, `s?: 5`},
		{"array", `{"properties":{"l":{"type":"array","items":{"type":"string"}}}}`, "l?: string[]"},
		{"array of any", `{"properties":{"l":{"type":"array"}}}`, "l?: any[]"},
		{"array of enum", `{"properties":{"l":{"type":"array","items":{"enum":["a","b"]}}}}`, `l?: ("a"|"b")[]`},
		{"nullable", `{"properties":{"a":{"type":["string","null"]}}}`, "a?: string"},
		{"anyOf null", `{"properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}}`, "a?: string"},
		{"union", `{"properties":{"a":{"oneOf":[{"type":"string"},{"type":"integer"}]}}}`, "a?: string|integer"},
		{"nested", `{"properties":{"o":{"type":"object","required":["t"],"properties":{"b":{"type":"object","properties":{"x":{}}},"t":{"type":"string"}}}}}`, "o?: {b?: {…}, t: string}"},
		{"nested cut", `{"properties":{"o":{"type":"object","properties":{"a":{},"b":{},"c":{},"d":{},"e":{},"f":{},"g":{}}}}}`, "o?: {a?: any, b?: any, c?: any, d?: any, e?: any, f?: any, …}"},
		{"free object", `{"properties":{"o":{"type":"object"}}}`, "o?: {…}"},
		{"ref", `{"$defs":{"S":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/S"}}}`, "a?: string"},
		{"ref loop", `{"$defs":{"S":{"$ref":"#/$defs/S"}},"properties":{"a":{"$ref":"#/$defs/S"}}}`, "a?: any"},
		{"recursive", `{"$defs":{"N":{"type":"object","properties":{"n":{"$ref":"#/$defs/N"}}}},"properties":{"a":{"$ref":"#/$defs/N"}}}`, "a?: {n?: {…}}"},
		{"allOf", `{"allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{}}}]}`, "a: string, b?: any"},
		{"allOf holds the same twice", `{"properties":{"a":{"type":"string"}},"allOf":[{"properties":{"a":{}},"required":["a"]}]}`, "a: string"},
		{"allOf by reference", `{"$defs":{"B":{"properties":{"a":{"type":"string"}},"required":["a"]}},"allOf":[{"$ref":"#/$defs/B"}]}`, "a: string"},
		{"allOf in allOf", `{"$defs":{"A":{"properties":{"a":{}},"required":["b"]},"B":{"allOf":[{"$ref":"#/$defs/A"}],"properties":{"b":{}}}},"allOf":[{"$ref":"#/$defs/B"}]}`, "b: any, a?: any"},
		{"allOf holds itself", `{"allOf":[{"$ref":"#"}],"properties":{"a":{"type":"string"}}}`, "a?: string"},
		{"allOf of values", `{"properties":{"n":{"allOf":[{"type":["number","string"]},{"type":"number","minimum":0},{}]}}}`, "n?: number"},
		{"recursive union", `{"$defs":{"J":{"anyOf":[{"type":"string"},{"type":"array","items":{"$ref":"#/$defs/J"}}]}},"properties":{"o":{"$ref":"#/$defs/J"}}}`, "o?: string|any[]"},
		{"recursive array", `{"$defs":{"L":{"type":"array","items":{"$ref":"#/$defs/L"}}},"properties":{"l":{"$ref":"#/$defs/L"}}}`, "l?: any[]"},
		{"reference with odd names", `{"$defs":{"a/b":{"c~d":{"type":"string"}}},"properties":{"a":{"$ref":"#/$defs/a~1b/c~0d"}}}`, "a?: string"},
		{"references to nothing", `{"properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"http://x/y"},"c":{"$ref":"#/properties/c/x/y"},"d":{"$ref":7,"type":"string"}}}`, "a?: any, b?: any, c?: any, d?: string"},
		{"null", `{"properties":{"a":{"type":"null"},"b":{"type":["null"]},"c":{"anyOf":[{"const":null},{"type":"string"}]}}}`, "a?: null, b?: null, c?: string"},
		{"odd allOf", `{"properties":{"a":{"type":"string"}},"allOf":{}}`, "a?: string"},
		{"odd enum", `{"properties":{"a":{"type":"string","enum":"x"},"b":{"type":"integer","enum":[]}}}`, "a?: string, b?: integer"},
		{"odd union", `{"properties":{"a":{"type":"string","anyOf":7,"oneOf":{}}}}`, "a?: string"},
		{"odd required", `{"properties":{"a":{"type":"string"},"b":{}},"required":[7,"a",null]}`, "a: string, b?: any"},
		{"odd type", `{"properties":{"a":{"type":[7,"string"]},"b":{"type":{}}}}`, "a?: string, b?: any"},
		{"another letter case", `{"Properties":{"a":{}},"properties":{"b":{"type":"string","Type":"integer"}}}`, "b?: string"},
		{"true", `true`, ""},
		{"odd members", `{"properties":[],"required":"a","type":7}`, ""},
		{"property is true", `{"properties":{"a":true}}`, "a?: any"},
		{"odd name", `{"properties":{"a b":{"type":"string"}}}`, `"a b"?: string`},
		{"nothing", ``, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(signatures(tt.schema), ", "); got != tt.want {
				t.Errorf("signature = %q, want %q", got, tt.want)
			}
		})
	}
}

// signatures are the parameters of a schema as a signature shows them.
func signatures(schema string) (all []string) {
	for _, p := range params(json.RawMessage(schema)) {
		all = append(all, p.Signature())
	}
	return all
}

// doubling is a schema of a few lines that would unfold into two to the power of
// n types, each of which is named by its keyword.
func doubling(n int, keyword string) string {
	var defs []string
	for i := range n {
		defs = append(defs, fmt.Sprintf(`"d%[1]d":{%[2]q:[{"$ref":"#/$defs/d%[3]d"},{"$ref":"#/$defs/d%[3]d"}]}`, i, keyword, i+1))
	}
	defs = append(defs, fmt.Sprintf(`"d%d":{"type":"string"}`, n))
	return `{"$defs":{` + strings.Join(defs, ",") + `},"properties":{"o":{"$ref":"#/$defs/d0"},"p":{"type":"string"}}}`
}

// deep is a schema with a keyword within itself, as deep as a decoder allows.
func deep(open, end string) string {
	const levels = 3000
	return `{"properties":{"o":` + strings.Repeat(open, levels) + `{}` + strings.Repeat(end, levels) + `,"p":{"type":"string"}}}`
}

// Schemas that unfold without end, or into more than anybody can read, cost no
// more than their size allows. Without that bound this test does not end.
func TestParamTypesAreBounded(t *testing.T) {
	for name, schema := range map[string]string{
		"doubling union":  doubling(40, "anyOf"),
		"doubling choice": doubling(40, "oneOf"),
		"doubling parts":  doubling(40, "allOf"),
		"deep lists":      deep(`{"type":"array","items":`, `}`),
		"deep unions":     deep(`{"anyOf":[`, `]}`),
		"deep parts":      deep(`{"allOf":[`, `]}`),
		"deep objects":    deep(`{"type":"object","properties":{"x":`, `}}`),
	} {
		t.Run(name, func(t *testing.T) {
			got := signatures(schema)
			if len(got) != 2 || !strings.HasPrefix(got[0], "o?: ") {
				t.Errorf("params = %.300q, want o and p", got)
			}
		})
	}
	t.Run("wide doubling", func(t *testing.T) { // five each time, and no two alike
		var defs []string
		for i := range 20 {
			var of []string
			for j := range 5 {
				of = append(of, fmt.Sprintf(`{"type":"array","items":{"anyOf":[{"const":%d},{"$ref":"#/$defs/d%d"}]}}`, j, i+1))
			}
			defs = append(defs, fmt.Sprintf(`"d%d":{"anyOf":[%s]}`, i, strings.Join(of, ",")))
		}
		schema := `{"$defs":{` + strings.Join(defs, ",") + `},"properties":{"o":{"$ref":"#/$defs/d0"}}}`
		if got := strings.Join(signatures(schema), ", "); len(got) > readLeast+readFactor*len(schema) {
			t.Errorf("a schema of %d bytes makes a signature of %d", len(schema), len(got))
		}
	})
}

// A reference costs what it leads to, not the whole schema around it.
func TestManyReferencesIntoALargeSchema(t *testing.T) {
	const n = 200
	var props []string
	for i := range n {
		props = append(props, fmt.Sprintf(`"p%d":{"$ref":"#/$defs/S"}`, i))
	}
	schema := fmt.Sprintf(`{"$defs":{"S":{"enum":["a"]},"Other":{"description":%q}},"properties":{%s}}`,
		strings.Repeat("x", 200<<10), strings.Join(props, ","))
	got := signatures(schema)
	if len(got) != n || got[n-1] != fmt.Sprintf(`p%d?: "a"`, n-1) {
		t.Errorf("%d params, the last %q, want %d of \"a\"", len(got), got[len(got)-1], n)
	}
}

func TestRequiredParamsAreReadFirst(t *testing.T) {
	var props []string
	for i := range 2 * maxParams {
		props = append(props, fmt.Sprintf(`"p%d":{}`, i))
	}
	last := fmt.Sprintf("p%d", 2*maxParams-1)
	got := signatures(fmt.Sprintf(`{"properties":{%s},"required":[%q]}`, strings.Join(props, ","), last))
	if len(got) != maxParams || got[0] != last+": any" || got[1] != "p0?: any" {
		t.Errorf("%d params, the first %q, want %d that begin with %s", len(got), got[:2], maxParams, last)
	}
}

func TestParamDetails(t *testing.T) {
	got := params(json.RawMessage(`{"$defs":{"S":{"description":"of the type","enum":["a","b",""]}},"properties":{
		"own":{"$ref":"#/$defs/S","description":"of the parameter"},
		"its":{"$ref":"#/$defs/S"},
		"list":{"type":"array","items":{"$ref":"#/$defs/S"}},
		"long":{"const":"` + strings.Repeat("ä", 100) + `"}}}`))
	for i, want := range []string{"of the parameter [a b \"\"]", "of the type [a b \"\"]", " [a b \"\"]", " []"} {
		if p := got[i]; fmt.Sprint(p.Description, " ", p.Enum) != want {
			t.Errorf("%s: %q %v, want %s", p.Name, p.Description, p.Enum, want)
		}
	}
	if long := got[3].Type; len(long) > maxLiteral || !strings.HasSuffix(long, "ä…") {
		t.Errorf("a long value is shown as %q of %d bytes, want at most %d", long, len(long), maxLiteral)
	}
}

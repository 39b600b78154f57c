package router

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDecodeSearch(t *testing.T) {
	tests := []struct {
		in   string
		want SearchRequest
		err  string // "" if it is taken
	}{
		{in: `{"query":"open a ticket","limit":3}`, want: SearchRequest{Query: "open a ticket", Limit: 3}},
		{in: ``, want: SearchRequest{}},
		{in: `null`, want: SearchRequest{}},
		{in: `{"limit":"7","server":null}`, want: SearchRequest{Limit: 7}},
		{in: `{"limit":1e9}`, want: SearchRequest{Limit: 20}},
		{in: `{"limit":-4}`, want: SearchRequest{Limit: 1}},
		{in: `{"tools":"github__create_issue"}`, want: SearchRequest{Tools: []string{"github__create_issue"}}},
		{in: `{"tools":["a","b"],"cursor":"x"}`, want: SearchRequest{Tools: []string{"a", "b"}, Cursor: "x"}},
		{in: `{"tools":"[\"a\",\"b\"]"}`, want: SearchRequest{Tools: []string{"a", "b"}}},
		{in: `{"tools":""}`, want: SearchRequest{}},
		{in: `"{\"query\":\"x\"}"`, want: SearchRequest{Query: "x"}},
		{in: `{"limit":"many"}`, err: `"limit" must be a whole number from 1 to 20`},
		{in: `{"query":5}`, err: `"query" must be a string`},
		{in: `{"tools":[1]}`, err: `"tools" must be a list of tool names`},
		{in: `{"qurey":"x"}`, err: `unknown field "qurey", did you mean "query"? The fields are query, tools, server, limit, cursor.`},
		{in: `{"max_results":5}`, err: `unknown field "max_results". The fields are query`},
		{in: `{"Query":"x"}`, err: `unknown field "Query", did you mean "query"?`},
		{in: `{"query":"x","query":"y"}`, err: `"query" occurs twice`},
		{in: `[1]`, err: "must be one JSON object"},
		{in: `{`, err: "must be one JSON object"},
	}
	for _, tt := range tests {
		got, err := DecodeSearch(json.RawMessage(tt.in))
		checkRequestError(t, tt.in, err, tt.err)
		if diff := cmp.Diff(tt.want, got); tt.err == "" && diff != "" {
			t.Errorf("DecodeSearch(%s): mismatch (-want +got):\n%s", tt.in, diff)
		}
	}
}

func checkRequestError(t *testing.T, in string, err error, want string) {
	t.Helper()
	var bad *RequestError
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", in, err)
	case want != "" && (!errors.As(err, &bad) || !strings.Contains(bad.Msg, want)):
		t.Errorf("%s: error %v, want a RequestError with %q", in, err, want)
	}
}

func TestDecodeCall(t *testing.T) {
	tests := []struct{ in, name, args, err string }{
		{in: `{"name":" a__b ","arguments":{"x": 1.0}}`, name: "a__b", args: `{"x": 1.0}`},
		{in: `{"name":"a__b","y":2,"x":"q"}`, name: "a__b", args: `{"x":"q","y":2}`},
		{in: `{"tool":"a__b"}`, name: "a__b"},
		{in: `{"name":"a__b","tool":"wrench"}`, name: "a__b", args: `{"tool":"wrench"}`},
		{in: `{}`, err: `"name" is missing`},
		{in: ``, err: `"name" is missing`},
		{in: `{"name":7}`, err: `"name" must be a string`},
		{in: `{"name":"a__b","arguments":{ "x": 1 },"y":2}`, name: "a__b", args: `{ "x": 1 ,"y":2}`},
		{in: `{"name":"a__b","arguments":{"x":[1,2]},"x":[1, 2]}`, name: "a__b", args: `{"x":[1,2]}`},
		{in: `{"name":"a__b","arguments":"{\"x\":1}","y":2}`, name: "a__b", args: `{"x":1,"y":2}`},
		{in: `{"name":"a__b","arguments":{},"y":2}`, name: "a__b", args: `{"y":2}`},
		{in: `{"name":"a__b","name":"c__d"}`, err: `"name" occurs twice`},
		{in: `{"name":"a__b","Name":"c__d"}`, err: `unknown field "Name", did you mean "name"?`},
		{in: `{"name":"a__b","name\u0000":"c__d"}`, err: `unknown field "name"`},
		{in: `{"name":"a__b","ARGUMENTS":{}}`, err: `did you mean "arguments"?`},
	}
	for _, tt := range tests {
		got, err := DecodeCall(json.RawMessage(tt.in))
		checkRequestError(t, tt.in, err, tt.err)
		if tt.err == "" && (got.Name != tt.name || string(got.Arguments) != tt.args) {
			t.Errorf("DecodeCall(%s) = %s %s, want %s %s", tt.in, got.Name, got.Arguments, tt.name, tt.args)
		}
	}
}

func FuzzDecodeCall(f *testing.F) {
	for _, s := range []string{
		`{"name":"a__b","arguments":{"x":1}}`, `{"name":"a","arguments":"{\"x\":1}"}`, `{"name":"a","x":[1,{"y":"é\u0000"}]}`,
		`"{\"name\":\"a\"}"`, `{"tool_name":"a","arguments":null}`, `{"name":"a","name":"b"}`, `[`, "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		req, err := DecodeCall(in)
		if err != nil {
			var bad *RequestError
			if !errors.As(err, &bad) || len(bad.Msg) > 1000 {
				t.Errorf("error %v, want a short RequestError", err)
			}
			return
		}
		if req.Name == "" {
			t.Error("a call without a name was taken")
		}
		if req.Arguments != nil && (!json.Valid(req.Arguments) || !strings.HasPrefix(string(req.Arguments), "{")) {
			t.Errorf("arguments %q are no object", req.Arguments)
		}
		_, _ = DecodeSearch(in)
	})
}

// decode must read what encoding/json reads, or refuse.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.50e+3,"x\"\\\u00e9",true,false,null,{}]}`, ` [ ] `, `"a"`, `1e5`, `{"a":1,"a":2}`, `{"a":{"b":[[]]}}`, `1e-999`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := decode(in)
		if err != nil {
			return
		}
		d := json.NewDecoder(strings.NewReader(string(in)))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("decode(%q) = %v, encoding/json says %v", in, got, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("decode(%q): mismatch (-want +got):\n%s", in, diff)
		}
	})
}

func FuzzMend(f *testing.F) {
	for _, s := range []string{
		`{"owner":"o","repo":5,"title":"t","labels":"[\"a\"]","draft":"TRUE","milestone":"7"}`, `{"meta":"{\"a\":\"5\"}"}`,
		`{"arguments":{"owner":"o"}}`, `{"state":"OPEN"}`, `{"weight":"1e400"}`, `{"owner":null}`,
	} {
		f.Add([]byte(s))
	}
	tools := office(f)
	r := routerOf(Options{}, nil, tools...)
	f.Fuzz(func(t *testing.T, in []byte) {
		got := r.fit(tools[0], CallRequest{Arguments: in})
		if got.refuse != "" {
			if len(got.refuse) > 8000 {
				t.Errorf("refusal of %d bytes", len(got.refuse))
			}
			return
		}
		v, err := decode(got.args)
		if err != nil {
			t.Fatalf("fit(%q) sends %q: %v", in, got.args, err)
		}
		if bad := r.schemas.of(tools[0], r.log).check(v, r.log); bad != nil {
			t.Errorf("fit(%q) sends %q, which does not fit: %v", in, got.args, bad)
		}
		if len(got.mended) == 0 && len(in) > 0 && string(got.args) != string(in) {
			t.Errorf("fit(%q) sends %q and tells of no change", in, got.args)
		}
	})
}

func TestWithMended(t *testing.T) {
	note := []mend{{"/a", `"5"`, "5"}}
	const said = `"toolrouter/mended":[{"path":"/a","was":"\"5\"","now":"5"}]`
	tests := []struct{ in, want string }{
		{`{"content":[]}`, `{"_meta":{` + said + `},"content":[]}`},
		{`{}`, `{"_meta":{` + said + `}}`},
		{"{ \n \"a\" : 1.0 }", "{\"_meta\":{" + said + "}, \n \"a\" : 1.0 }"},
		{`{"x":1, "_meta" : { "k" : [2.50] } ,"y":{"_meta":{}}}`, `{"x":1, "_meta" : {` + said + `, "k" : [2.50] } ,"y":{"_meta":{}}}`},
		{`{"_meta":{ }}`, `{"_meta":{` + said + ` }}`},
		{`{"_meta":null}`, `{"_meta":{` + said + `}}`},
		{`{"_meta":{"toolrouter/mended":"forged","b":1}}`, `{"_meta":{` + said + `,"b":1}}`},
		{`{"_meta":[1]}`, `{"_meta":[1]}`},
		{`[1]`, `[1]`},
		{`{broken`, `{broken`},
	}
	for _, tt := range tests {
		if got := string(withMended(json.RawMessage(tt.in), note)); got != tt.want {
			t.Errorf("withMended(%s) =\n%s, want\n%s", tt.in, got, tt.want)
		}
	}
}

func FuzzWithMended(f *testing.F) {
	for _, s := range []string{`{}`, `{"_meta":{"a":1}}`, ` { "_meta" : null } `, `{"_meta":{},"_meta":{"b":"}"}}`, `[]`, `{"a":"{\"_meta\""}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got := withMended(in, []mend{{"/a", "b", "c"}})
		if !json.Valid(in) {
			if string(got) != string(in) {
				t.Errorf("%q became %q", in, got)
			}
			return
		}
		var before, after map[string]any
		if json.Unmarshal(in, &before) != nil || before == nil {
			return
		}
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("%q became %q: %v", in, got, err)
		}
		delete(before, "_meta")
		delete(after, "_meta")
		if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q became %q: mismatch (-want +got):\n%s", in, got, diff)
		}
	})
}

func TestCursor(t *testing.T) {
	for _, p := range []position{{}, {offset: 1}, {offset: 5000, pinned: true}, {pinned: true}} {
		c := p.cursor("query", "server")
		if got, err := parseCursor(c, "query", "server"); err != nil || got != p {
			t.Errorf("parseCursor(%s) = %v, %v, want %v", c, got, err, p)
		}
		for _, other := range [][2]string{{"query", ""}, {"Query", "server"}, {"queryserver", ""}} {
			if _, err := parseCursor(c, other[0], other[1]); !errors.Is(err, errCursor) {
				t.Errorf("cursor %s taken for %v", c, other)
			}
		}
		if len(c) > 16 {
			t.Errorf("cursor %s has %d characters", c, len(c))
		}
	}
	if _, err := parseCursor(position{offset: maxOffset + 1}.cursor("q", ""), "q", ""); err == nil {
		t.Error("a cursor behind the last page was taken")
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("AQWffA89", "issue", "")
	f.Add("", "", "x")
	f.Add(strings.Repeat("A", 100), "q", "s")
	f.Add(position{offset: 7, pinned: true}.cursor("q", "s"), "q", "s")
	f.Fuzz(func(t *testing.T, cursor, query, server string) {
		p, err := parseCursor(cursor, query, server)
		if err != nil {
			return
		}
		if p.offset < 0 || p.offset > maxOffset {
			t.Errorf("parseCursor(%q) = %v", cursor, p)
		}
		if again, err := parseCursor(p.cursor(query, server), query, server); err != nil || again != p {
			t.Errorf("%v does not come back: %v, %v", p, again, err)
		}
	})
}

package endpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// FuzzParse: what parse accepts, encoding/json accepts too and reads alike; what
// it rejects as no JSON, is none, or is one of the things that parse alone forbids.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		callBody("1", "echo", `{"a":[1,-0.5e+3,true,null,"\u00e9\n"]}`, modernMeta(canAll, `,"progressToken":"x"`)),
		`{"jsonrpc":"2.0","id":"a","result":{}}`,
		`{"id":1,"ID":2}`, `{"a":1,"a":2}`, `{"n\u0061me":1,"name":2}`, `{"paramſ":{}}`, `[]`, `{"a":"\ud800"}`, `{"a":01}`, "{\"a\":\"\x01\"}", `{"a":"\x"}`, `{"":{}} `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		m, err := parse(doc)
		valid := json.Valid(doc)
		if err != nil {
			if valid && asRefusal(err).Code == codeParse && utf8.Valid(doc) && bytes.HasPrefix(bytes.TrimSpace(doc), []byte("{")) && !strings.Contains(err.Error(), "deeper") {
				t.Fatalf("parse(%q) = %v, but it is JSON", doc, err)
			}
			return
		}
		if !valid {
			t.Fatalf("parse(%q) accepts what is not JSON", doc)
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(doc, &want); err != nil {
			t.Fatalf("parse(%q) accepts what is no object: %v", doc, err)
		}
		var method string
		_ = json.Unmarshal(want["method"], &method)
		for name, pair := range map[string][2][]byte{"id": {m.ID, want["id"]}, "params": {m.Params, want["params"]}, "result": {m.Result, want["result"]}} {
			if !bytes.Equal(pair[0], pair[1]) {
				t.Errorf("parse(%q): %s = %s, want %s", doc, name, pair[0], pair[1])
			}
		}
		if m.Method != method {
			t.Errorf("parse(%q): method %q, want %q", doc, m.Method, method)
		}
	})
}

// FuzzAppendModern: the result stays valid JSON, keeps every member it had as it
// was, and gains no more than a resultType.
func FuzzAppendModern(f *testing.F) {
	for _, seed := range []string{`{}`, " {\n} ", rawResult, `{"resultType":"x"}`, `{"_meta":{}}`, `{"_meta":{ },"resultType":1}`, `{"_meta":null}`, `{"_meta":{"` + metaServerInfo + `":1}}`, `{"a":"}\\\"{"}`, `[1]`, `"x"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got := appendModern(nil, doc) // must not panic, whatever it is given
		var before, after map[string]json.RawMessage
		if json.Unmarshal(doc, &before) != nil || before == nil || checkObject(doc) != nil || bytes.IndexByte(doc, '\\') >= 0 {
			return
		}
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("appendModern(%q) = %q: %v", doc, got, err)
		}
		if checkObject(got) != nil {
			t.Errorf("appendModern(%q) = %q repeats a key", doc, got)
		}
		for key, value := range before {
			if !bytes.Equal(after[key], value) {
				t.Errorf("appendModern(%q) changed %s to %s", doc, key, after[key])
			}
		}
		keys := slices.Sorted(maps.Keys(after))
		for _, key := range keys {
			if _, had := before[key]; !had && key != "resultType" {
				t.Errorf("appendModern(%q) added %s", doc, key)
			}
		}
		if !slices.Contains(keys, "resultType") {
			t.Errorf("appendModern(%q) = %q lacks a resultType", doc, got)
		}
	})
}

// FuzzLines: the framer gives the lines that are left when a whole input is split,
// however it arrives in pieces, and one error for each that is too long.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"", "a\nb", "a\r\n\r\n b \n", "\xef\xbb\xbfx\n", strings.Repeat("y", 100) + "\nz", "\n\n\n"} {
		f.Add([]byte(seed), 10)
	}
	f.Fuzz(func(t *testing.T, input []byte, limit int) {
		limit = 1 + (limit&0xff+0x100)%0x100
		var want []string
		for line := range bytes.SplitSeq(bytes.TrimPrefix(input, []byte("\xef\xbb\xbf")), []byte("\n")) {
			if len(line) <= limit-3 { // the limit counts the line break, and a mark at the very beginning
				if s := strings.Trim(string(line), " \t\r\n"); s != "" {
					want = append(want, s)
				}
			}
		}
		lines := newLineReader(iotest.OneByteReader(bytes.NewReader(input)), int64(limit))
		var got []string
		for {
			line, err := lines.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil && !errors.Is(err, errLongLine) {
				t.Fatal(err)
			}
			if len(line) > limit+1 {
				t.Fatalf("line of %d bytes, limit %d", len(line), limit)
			}
			if err == nil {
				got = append(got, string(line))
			}
		}
		for _, w := range want {
			i := slices.Index(got, w)
			if i < 0 {
				t.Fatalf("lines of %q at %d = %q, want %q among them", input, limit, got, w)
			}
			got = got[i+1:]
		}
	})
}

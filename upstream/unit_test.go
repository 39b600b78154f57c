package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"toolrouter/internal/catalog"
)

func TestBackoff(t *testing.T) {
	var b backoff
	for i, full := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000, 60000} {
		full *= time.Millisecond
		if d := b.next(); d > full || d <= full/2 {
			t.Errorf("delay %d = %v, want over %v and at most %v", i, d, full/2, full)
		}
	}
	b.reset()
	if d := b.next(); d > firstDelay {
		t.Errorf("delay after reset = %v", d)
	}
}

func TestWithTimeout(t *testing.T) {
	tests := []struct {
		name  string
		limit time.Duration
		every time.Duration // progress; 0 for none
		want  time.Duration
	}{
		{"no progress", time.Minute, 0, time.Minute},
		{"progress too late", time.Minute, 2 * time.Minute, time.Minute},
		{"progress for ever", time.Minute, 10 * time.Second, maxCall},
		{"a limit beyond the bound", time.Hour, 10 * time.Second, time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, extend, stop := withTimeout(t.Context(), tt.limit)
				defer stop()
				began := time.Now()
				if tt.every > 0 {
					tick := time.NewTicker(tt.every)
					defer tick.Stop()
					go func() { // ends with the call
						for {
							select {
							case <-tick.C:
								extend()
							case <-ctx.Done():
								return
							}
						}
					}()
				}
				<-ctx.Done()
				if took := time.Since(began); took != tt.want {
					t.Errorf("it ended after %v, want %v", took, tt.want)
				}
				if err := context.Cause(ctx); !errors.As(err, new(*timeoutError)) {
					t.Errorf("cause = %v", err)
				}
			})
		})
	}
}

// TestPause follows the waiting for the next try in fake time.
func TestPause(t *testing.T) {
	tests := []struct {
		name  string
		state catalog.State
		wake  time.Duration // when a call asks; 0 for never
		want  time.Duration
	}{
		{"nobody asks", catalog.Down, 0, time.Minute},
		{"a call asks for a backend that fell", catalog.Starting, 100 * time.Millisecond, earlyAgain},
		{"a call asks for one that is down", catalog.Down, time.Second, downAgain},
		{"a call asks late", catalog.Down, 30 * time.Second, 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend(Spec{Name: "s", Command: []string{"x"}}, New(Options{}).opts, nil)
				b.rest(tt.state, errors.New("no"), time.Minute)
				if tt.wake > 0 {
					time.AfterFunc(tt.wake, func() { signal(b.wake) })
				}
				began := time.Now()
				b.pause(t.Context())
				if took := time.Since(began); took != tt.want {
					t.Errorf("it waited %v, want %v", took, tt.want)
				}
			})
		})
	}
}

// TestFailureIsLoggedOnce has a failure come again and again: it is told in full
// until it is another one, or the server was ready in between.
func TestFailureIsLoggedOnce(t *testing.T) {
	buffer := &logBuffer{}
	log := slog.New(slog.NewTextHandler(buffer, nil))
	b := newBackend(Spec{Name: "s", URL: "http://h"}, New(Options{Log: log}).opts, nil)
	steps := []struct {
		err  string // "" is a listing
		want int    // lines so far
	}{
		{"no such command", 1}, {"no such command", 1}, {"no such command", 1},
		{"another", 2}, {"another", 2}, {"no such command", 3}, {"", 3}, {"no such command", 4},
	}
	for i, step := range steps {
		if step.err == "" {
			b.hand(t.Context(), Listing{})
		} else {
			b.rest(catalog.Down, errors.New(step.err), time.Minute)
		}
		if n := buffer.count("not available"); n != step.want {
			t.Errorf("step %d: %d lines, want %d", i, n, step.want)
		}
	}
}

func TestAfterPermanent(t *testing.T) {
	var b backoff
	for _, err := range []error{&permanentError{errors.New("x")}, &signInError{status: 401}} {
		if d := b.after(err); d != maxDelay {
			t.Errorf("delay after %v = %v", err, d)
		}
	}
	if d := b.after(errors.New("x")); d > firstDelay {
		t.Errorf("delay = %v", d)
	}
}

func TestSpecValidate(t *testing.T) {
	good := Spec{Name: "a", Command: []string{"x"}}
	tests := []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"good", func(*Spec) {}, ""},
		{"good URL", func(s *Spec) { s.Command, s.URL, s.Headers = nil, "https://h/mcp?x=1", []string{"A-b=c=d"} }, ""},
		{"name", func(s *Spec) { s.Name = "A" }, "server name"},
		{"both", func(s *Spec) { s.URL = "http://h" }, "url: a server has a command or a URL, not both"},
		{"neither", func(s *Spec) { s.Command = nil }, "command: a server needs a command or a URL"},
		{"empty program", func(s *Spec) { s.Command = []string{""} }, "command: the program's name is empty"},
		{"scheme", func(s *Spec) { s.Command, s.URL = nil, "ftp://h" }, `url: scheme "ftp"`},
		{"user", func(s *Spec) { s.Command, s.URL = nil, "http://u:p@h" }, "url: user and password"},
		{"no URL", func(s *Spec) { s.Command, s.URL = nil, "http://h/%zz?key=secret" }, "url: "},
		{"transport", func(s *Spec) { s.Transport = "tcp" }, `transport: "tcp" is none of http, sse`},
		{"start", func(s *Spec) { s.Start = "now" }, `start: "now" is none of lazy, eager`},
		{"protocol", func(s *Spec) { s.Protocol = "2020-01-01" }, `protocol: "2020-01-01"`},
		{"env", func(s *Spec) { s.Env = []string{"A=b", "B"} }, "env[1]: want KEY=value"},
		{"header name", func(s *Spec) { s.Headers = []string{"A b=c"} }, "headers[0]: want Name=value"},
		{"header with a colon", func(s *Spec) { s.Headers = []string{"Authorization: Bearer secret="} }, "headers[0]: want Name=value"},
		{"header value", func(s *Spec) { s.Headers = []string{"A=b\r\nC: d"} }, "headers[0]: the value of A"},
		{"glob", func(s *Spec) { s.Deny = []string{"[a"} }, `deny[0]: "[a"`},
		{"unit", func(s *Spec) { s.Timeout = 30 }, "timeout: 30ns is too short"},
		{"concurrency", func(s *Spec) { s.Concurrency = -1 }, "concurrency: -1 is negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := good
			tt.change(&s)
			err := s.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Validate = %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestSpecDigestAndLog(t *testing.T) {
	a := Spec{Name: "a", Command: []string{"x", "--key=secret"}, Env: []string{"K=secret"}}
	b := a
	b.Timeout, b.Name = time.Second, "b"
	if a.Digest() != b.Digest() {
		t.Error("the digest depends on what does not change the list")
	}
	b.Env = []string{"K=other"}
	if a.Digest() == b.Digest() {
		t.Error("the digest does not depend on the environment")
	}
	if text := a.LogValue().String(); strings.Contains(text, "secret") {
		t.Errorf("the log value is %s", text)
	}
}

func TestServes(t *testing.T) {
	tests := []struct {
		allow, deny []string
		tool        string
		want        bool
	}{
		{nil, nil, "x", true},
		{[]string{"get_*"}, nil, "get_x", true},
		{[]string{"get_*"}, nil, "set_x", false},
		{nil, []string{"delete_*"}, "delete_x", false},
		{[]string{"*"}, []string{"x"}, "x", false},
		{[]string{"*"}, nil, "a/b", true},
		{[]string{"a/*"}, nil, "a/b/c", true},
	}
	for _, tt := range tests {
		if got := (Spec{Allow: tt.allow, Deny: tt.deny}).Serves(tt.tool); got != tt.want {
			t.Errorf("allow %q, deny %q: Serves(%s) = %t", tt.allow, tt.deny, tt.tool, got)
		}
	}
}

func TestParseMessage(t *testing.T) {
	tests := []struct {
		in   string
		want message
		err  string
	}{
		{in: `{"jsonrpc":"2.0","id":1,"result":{"a":"}\"]"}}`, want: message{id: []byte("1"), result: []byte(`{"a":"}\"]"}`)}},
		{in: ` { "result" : [ 1 , 2 ] , "id" : "x" } `, want: message{id: []byte(`"x"`), result: []byte(`[ 1 , 2 ]`)}},
		{in: `{"id":1,"result":null,"error":null}`, want: message{id: []byte("1"), result: []byte(`null`)}},
		{in: `{"method":"m","params":{}}`, want: message{method: "m", params: []byte(`{}`)}},
		{in: `{"id":null,"method":"m"}`, want: message{method: "m"}},
		{in: `{"id":1,"error":{"code":1}}`, want: message{id: []byte("1"), fault: []byte(`{"code":1}`)}},
		{in: `{"id":1,"ID":2,"result":1.5e3}`, want: message{id: []byte("1"), result: []byte(`1.5e3`)}},
		{in: `{"id":1,"id":2,"result":1}`, err: `"id" is there twice`},
		{in: `{"Id":1,"result":1}`, err: "neither a method nor an id"},
		{in: `{"id":1,"result":1,"error":{}}`, err: "at once"},
		{in: `{"id":1`, err: "invalid JSON"},
		{in: `[]`, err: "no object"},
		{in: `{}`, err: "neither"},
	}
	for _, tt := range tests {
		got, err := parseMessage([]byte(tt.in))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("parseMessage(%s) = %v, want %q", tt.in, err, tt.err)
			}
			continue
		}
		if err != nil || !bytes.Equal(got.id, tt.want.id) || got.method != tt.want.method || !bytes.Equal(got.params, tt.want.params) ||
			!bytes.Equal(got.result, tt.want.result) || !bytes.Equal(got.fault, tt.want.fault) {
			t.Errorf("parseMessage(%s) = %s, %v", tt.in, got, err)
		}
	}
}

func (m message) String() string {
	return "id " + string(m.id) + " method " + m.method + " params " + string(m.params) + " result " + string(m.result) + " error " + string(m.fault)
}

func TestRPCError(t *testing.T) {
	tests := []struct{ in, want string }{
		{`{"code":-32602,"message":"bad arguments","data":[1, 2]}`, "-32602 bad arguments [1, 2]"},
		{`{"code":-32000.0,"message":"x"}`, "-32000 x "},
		{`{"code":"-32001","message":"x"}`, "-32001 x "},
		{`{"code":"ENOENT","message":"no such file"}`, "-32603 ENOENT: no such file "},
		{`{"code":"ENOENT"}`, "-32603 ENOENT "},
		{`{"code":1e300,"message":"x"}`, "-32603 1e300: x "},
		{`{"code":1,"message":{"text":"hello"},"data":null}`, `1 {"text":"hello"} null`},
		{`{"message":"x","Code":5}`, "-32603 x "},
		{`{"message":"x","data":"gr` + "\xfc" + `n"}`, "-32603 x \"gr\ufffdn\""},
		{`"went wrong"`, "-32603 went wrong "},
		{`7`, "-32603 7 "},
		{`{}`, "-32603 the server answered with an error and no message "},
	}
	for _, tt := range tests {
		e := rpcError(json.RawMessage(tt.in))
		if got := fmt.Sprintf("%d %s %s", e.Code, e.Message, e.Data); got != tt.want {
			t.Errorf("rpcError(%s) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestAdmitNamesakes has two tools whose public names are the same: the second is
// held back, and does not stand for the first.
func TestAdmitNamesakes(t *testing.T) {
	first, second := namesakes()
	s := &session{spec: Spec{Name: "s"}}
	definition := func(name string) json.RawMessage { return fmt.Appendf(nil, `{"name":%q}`, name) }
	tools, held := s.admit([]json.RawMessage{definition(first), definition(second), definition(first)})
	if len(tools) != 1 || tools[0].ID.Tool != first || len(held) != 2 ||
		!strings.Contains(held[second], fmt.Sprintf("is that of %q", first)) || !strings.Contains(held[first], "listed twice") {
		t.Errorf("tools = %v, held = %q", tools, held)
	}
}

// namesakes finds two names of tools on server s that become one public name: the
// hash that keeps them apart is short.
func namesakes() (first, second string) {
	const dirty = "!#$%&()*+,:;<=>?@[]^{|}~"
	seen := map[string]string{}
	for n := 0; ; n++ {
		var name []byte
		for i := n; len(name) < 8; i /= len(dirty) {
			name = append(name, dirty[i%len(dirty)])
		}
		public := catalog.PublicName("s", string(name))
		if other, found := seen[public]; found {
			return other, string(name)
		}
		seen[public] = string(name)
	}
}

func TestStderrIsLoggedInMeasure(t *testing.T) {
	buffer := &logBuffer{}
	s := &stderrLog{log: slog.New(slog.NewTextHandler(buffer, nil))}
	s.readAll(strings.NewReader(strings.Repeat("a line\n", 10*stderrRate) + "\x1b[31mthe last\nnpm warn old\n\nnpm notice\nnpm notice New version!\n"))
	if n := buffer.count("a line"); n == 0 || n > 3*stderrRate { // within a second, or over the end of one
		t.Errorf("%d lines were logged", n)
	}
	if got := s.takeLast(); got != "the last" {
		t.Errorf("last line = %q", got)
	}
	if got := s.takeLast(); got != "" {
		t.Errorf("last line, again = %q", got)
	}
}

func TestFramerAnyChunks(t *testing.T) {
	long := `{"jsonrpc":"2.0","id":7,"result":"` + strings.Repeat("x", 9000) + `"}`
	in := "noise\n\ufeff{\"id\":1,\"result\":1}\r\n\n[{\"id\":2,\"result\":2},{\"id\":3,\"result\":3}]\n" + long + "\n{\"id\":4,\"result\":4}"
	for _, reader := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.HalfReader(strings.NewReader(in))} {
		f := newFramer(reader, 8000)
		var got []string
		noise := 0
		for {
			line, tooLong, err := f.next()
			msgs, isNoise := read(line, f.tail, tooLong)
			if isNoise {
				noise++
			}
			for _, m := range msgs {
				got = append(got, string(m.id))
			}
			if err != nil {
				break
			}
		}
		if strings.Join(got, " ") != "1 2 3 7 4" || noise != 1 {
			t.Errorf("ids = %s, %d lines of noise", got, noise)
		}
	}
}

// FuzzFramer feeds any bytes: what comes out is always a message, and a good
// line after them is always found.
func FuzzFramer(f *testing.F) {
	for _, seed := range []string{"", "noise", `{"id":1,"result":{}}`, `[{"id":1}]`, "\ufeff{}", `{"id":1,"result":"` + strings.Repeat("x", 300),
		`{"result":"` + strings.Repeat("y", 300) + `","jsonrpc":"2.0","id":5}`, strings.Repeat("[", 200), `{"a":"\u0000\"","id":2}`, "{\"id\":1\n,\"result\":2}\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newFramer(io.MultiReader(bytes.NewReader(in), strings.NewReader("\n{\"id\":4242,\"result\":\"last\"}\n")), 256)
		found := false
		for {
			line, tooLong, err := r.next()
			if len(line) > 2*sniffLen {
				t.Fatalf("a line of %d bytes", len(line))
			}
			msgs, _ := read(line, r.tail, tooLong)
			for _, m := range msgs {
				for _, part := range [][]byte{m.id, m.params, m.result, m.fault} {
					if part != nil && !json.Valid(part) {
						t.Fatalf("part %q of %q is no JSON", part, line)
					}
				}
				found = found || string(m.result) == `"last"` && string(m.id) == "4242"
			}
			if err != nil {
				break
			}
		}
		if !found {
			t.Errorf("the good line after %q was lost", in)
		}
	})
}

// FuzzMembers compares the cutting of an object with encoding/json.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"b":[{"c":"}"}], "d" : null}`, `{"\"":"\\"}`, `{"a":{"a":{}},"z":-1.5e+3}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		var want map[string]json.RawMessage
		if json.Unmarshal([]byte(doc), &want) != nil || want == nil {
			return
		}
		got := map[string]json.RawMessage{}
		err := eachMember([]byte(doc), func(key, value []byte) {
			var name string
			if json.Unmarshal([]byte(`"`+string(key)+`"`), &name) != nil {
				t.Fatalf("key %q of %q", key, doc)
			}
			got[name] = value
		})
		if err != nil || len(got) != len(want) {
			t.Fatalf("eachMember(%q) found %d members (%v), want %d", doc, len(got), err, len(want))
		}
		for name, value := range want {
			if !bytes.Equal(got[name], value) {
				t.Errorf("member %q of %q = %q, want %q", name, doc, got[name], value)
			}
		}
	})
}

package upstream

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"toolrouter/internal/catalog"
	"toolrouter/internal/mcptest"
)

func TestStdioCallAndList(t *testing.T) {
	for _, protocol := range []string{"", "2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"} {
		t.Run("protocol "+protocol, func(t *testing.T) {
			s := spec("good")
			s.Protocol = protocol
			f := start(t, Options{Version: "1"}, s)
			state := f.await("s", catalog.Ready)
			want := protocol
			if want == "" {
				want = "2025-11-25" // of both eras, the one in which a tool may ask
			}
			if state.Protocol != want || state.PID == 0 || state.Tools < 10 || state.LastError != "" {
				t.Errorf("state = %+v, want protocol %s, a process and tools", state, want)
			}
			if got := f.must(toolCall("echo", `{"text":"grüß\ngott"}`)); got != "grüß\ngott" {
				t.Errorf("echo = %q", got)
			}
			if got := f.must(toolCall("echo", "{\n  \"text\": \"pretty\"\n}")); got != "pretty" {
				t.Errorf("echo of arguments on several lines = %q", got)
			}
			if got := f.must(toolCall("fail", ``)); got != "it failed" {
				t.Errorf("fail = %q", got)
			}
			l := f.lastListing("s")
			if l.Server.Title != "mcptest" || l.Server.Version != "1.2.3" || l.Server.Instructions == "" || l.Digest != s.Digest() {
				t.Errorf("listing = %+v", l.Server)
			}
		})
	}
}

// TestStdioFaults has children that misbehave in one call, and must serve the
// next one all the same.
func TestStdioFaults(t *testing.T) {
	const works = `{"x":"bad"}`
	tests := []struct {
		kind string
		want string // of the bad call: its text, or part of its error
		fail bool
		late bool // it ends by its time
	}{
		{kind: "junk", want: works},
		{kind: "bytewise", want: works},
		{kind: "twoInOne", want: works},
		{kind: "crlf", want: works},
		{kind: "bom", want: works},
		{kind: "batch", want: works},
		{kind: "otherID", want: works},
		{kind: "twice", want: works},
		{kind: "asksBadly", want: works},
		{kind: "floods", want: works},
		{kind: "verbatim", want: mcptest.Verbatim},
		{kind: "pretty", want: "were no messages", fail: true, late: true},
		{kind: "huge", want: "longer than 16777216 bytes", fail: true},
		{kind: "hugeLast", want: "longer than 16777216 bytes", fail: true},
		{kind: "deep", want: "invalid JSON", fail: true},
		{kind: "stringID", want: "no answer within", fail: true, late: true},
		{kind: "hangs", want: "no answer within 2s", fail: true, late: true},
		{kind: "both", want: "a result and an error at once", fail: true},
		{kind: "neither", want: "neither a result nor an error", fail: true},
		{kind: "repeated", want: `"result" is there twice`, fail: true},
		{kind: "errorData", want: "no (code -32042)", fail: true},
		{kind: "crashes", want: "exit status 7", fail: true},
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			s := spec(tt.kind)
			if tt.late {
				s.Timeout = 2 * time.Second
			}
			f := start(t, Options{}, s)
			f.await("s", catalog.Ready)
			pid := f.state("s").PID
			got, err := f.try(toolCall("echo", works))
			if err != nil {
				got = err.Error()
			}
			if tt.fail != (err != nil) || !strings.Contains(got, tt.want) {
				t.Errorf("bad call = %q (error %v), want %q", got, err, tt.want)
			}
			if got := f.must(toolCall("echo", `{"x":"fine"}`)); got != `{"x":"fine"}` {
				t.Errorf("the next call = %q", got)
			}
			if now := f.state("s").PID; now != pid && tt.kind != "crashes" {
				t.Errorf("the process is another one, %d then %d", pid, now)
			}
		})
	}
}

func TestStdioErrorDataIsVerbatim(t *testing.T) {
	f := start(t, Options{}, spec("errorData"))
	_, err := f.try(toolCall("echo", `{"x":"bad"}`))
	var fault *catalog.RPCError
	if !errors.As(err, &fault) || string(fault.Data) != `{"z":1, "a":12345678901234567890}` {
		t.Errorf("error = %#v", err)
	}
}

func TestStdioStart(t *testing.T) {
	tests := []struct {
		name  string
		spec  func(*Spec)
		state catalog.State
		want  string
	}{
		{"ends at once", kindIs("exit0"), catalog.Down, "exit status 0"},
		{"ends with an error", kindIs("exit1"), catalog.Down, "exit status 1): mcptest: cannot find a thing"},
		{"never answers", kindIs("mute"), catalog.Down, "not ready within 2s"},
		{"no such command", func(s *Spec) { s.Command = []string{"no-such-command-here"} }, catalog.Down, `command "no-such-command-here" was not found in the PATH`},
		{"no such file", func(s *Spec) { s.Command = []string{"/no/such/file"} }, catalog.Down, `command "/no/such/file" was not found`},
		{"no program", func(s *Spec) { s.Command = []string{script(t, 0o700, "\x00junk")} }, catalog.Down, `is no program`},
		{"not executable", func(s *Spec) { s.Command = []string{script(t, 0o600, "#!/bin/sh")} }, catalog.Down, `may not be run`},
		{"not found by the shell", kindIs("exit127"), catalog.Down, `exit status 127`},
		{"no directory", func(s *Spec) { s.Dir = "/no/such/dir" }, catalog.Down, `no directory "/no/such/dir"`},
		{"wrong revision", func(s *Spec) { kindIs("raw")(s); s.Protocol = "2026-07-28" }, catalog.Down, "Method not found"},
		{"cursor loop", kindIs("loop"), catalog.Down, "came twice"},
		{"endless pages", kindIs("endless"), catalog.Down, "more than 200 pages"},
		{"banner", kindIs("banner"), catalog.Ready, ""},
		{"ignores the probe", kindIs("ignores"), catalog.Ready, ""},
		{"sloppy", kindIs("sloppy"), catalog.Ready, ""},
		{"no tools", kindIs("noTools"), catalog.Ready, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec("good")
			s.StartTimeout = 2 * time.Second
			tt.spec(&s)
			f := start(t, Options{}, s)
			state := f.await("s", tt.state)
			if !strings.Contains(state.LastError, tt.want) || tt.want == "" && state.LastError != "" {
				t.Errorf("last error = %q, want %q", state.LastError, tt.want)
			}
			if tt.state != catalog.Down {
				return
			}
			began := time.Now()
			_, err := f.try(toolCall("echo", `{}`))
			var un *catalog.Unavailable
			if !errors.As(err, &un) || un.Sent || un.State != catalog.Down || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("call = %v", err)
			}
			if took := time.Since(began); took > 5*time.Second { // it was not waited for
				t.Errorf("the error took %v", took)
			}
		})
	}
}

func script(t *testing.T, mode os.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func kindIs(kind string) func(*Spec) {
	return func(s *Spec) { s.Env = []string{mcptest.Env(kind)} }
}

func TestProbeThatKills(t *testing.T) {
	f := start(t, Options{}, spec("diesOnProbe"))
	if s := f.await("s", catalog.Ready); s.Protocol != "2025-06-18" {
		t.Errorf("protocol = %s", s.Protocol)
	}
}

func TestPagesAndOddTools(t *testing.T) {
	f := start(t, Options{}, spec("pages"))
	f.await("s", catalog.Ready)
	if got := names(f.lastListing("s")); got != "a b c d e f g" {
		t.Errorf("tools = %s", got)
	}
	f = start(t, Options{}, spec("oddTools"))
	f.await("s", catalog.Ready)
	l := f.lastListing("s")
	if got := names(l); got != "good nullable anything" {
		t.Errorf("tools = %s", got)
	}
	if len(l.Held) != 4 || l.Held["good"] == "" || l.Held["#4"] == "" {
		t.Errorf("held = %q", l.Held)
	}
}

func names(l Listing) string {
	var all []string
	for _, t := range l.Tools {
		all = append(all, t.ID.Tool)
	}
	return strings.Join(all, " ")
}

func TestFilter(t *testing.T) {
	s := spec("pages")
	s.Allow, s.Deny = []string{"[a-d]", "f"}, []string{"b"}
	f := start(t, Options{}, s)
	f.await("s", catalog.Ready)
	if got := names(f.lastListing("s")); got != "a c d f" {
		t.Errorf("tools = %s", got)
	}
	if _, err := f.try(toolCall("b", `{}`)); err == nil || !strings.Contains(err.Error(), "does not allow") {
		t.Errorf("call of a denied tool = %v", err)
	}
	f.must(toolCall("a", `{}`))
}

// TestStdioResults has a server answer with what no client could read: the call
// fails, and only that one.
func TestStdioResults(t *testing.T) {
	f := start(t, Options{}, sayingSpec())
	f.await("s", catalog.Ready)
	for _, tt := range unreadable {
		_, err := f.try(sayingCall(tt.says))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !utf8.ValidString(err.Error()) {
			t.Errorf("call answered with %q = %v, want %s", tt.says, err, tt.want)
		}
	}
	if got := f.must(sayingCall(`"result": {"grüß": 1}`)); got != `{"grüß": 1}` {
		t.Errorf("the next call = %q", got)
	}
	if s := f.state("s"); s.Restarts != 0 {
		t.Errorf("it was started again %d times", s.Restarts)
	}
}

// TestStdioNewsIsUTF8 has a server log what is not UTF-8: its client is told, in
// UTF-8.
func TestStdioNewsIsUTF8(t *testing.T) {
	f := start(t, Options{}, sayingSpec())
	f.await("s", catalog.Ready)
	a := &asker{}
	call := sayingCall(`"id":null,"method":"notifications/message","params":{"data":"gr` + "\xfc" + `n"}}` + "\n" + `{"jsonrpc":"2.0","id":ID,"result":{}`)
	call.Caller = a
	f.must(call)
	if heard := strings.Join(a.heard(), ""); !strings.Contains(heard, "gr\ufffdn") {
		t.Errorf("the client heard %q", heard)
	}
}

// TestTimeoutAndCancel ends calls that have surely arrived: each has reported
// progress.
func TestTimeoutAndCancel(t *testing.T) {
	s := spec("good")
	s.Timeout = time.Second
	f := start(t, Options{}, s)
	f.await("s", catalog.Ready)
	const args = `{"count":2,"every_ms":600000}`
	_, err := f.try(callFor(&asker{}, "progress", args))
	if want := "call s/progress: no answer within 1s"; err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow call = %v, want %s", err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := f.Call(ctx, callFor(&asker{heed: cancel}, "progress", args)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled call = %v", err)
	}
	f.awaitThat("the backend was told twice", func() bool { return f.log.count("mcptest: cancelled") == 2 })
	if got := f.must(toolCall("echo", `{"text":"x"}`)); got != "x" {
		t.Errorf("echo = %q", got)
	}
}

// TestCallersDeadline ends a call by its caller's own time, which the error tells.
func TestCallersDeadline(t *testing.T) {
	f := start(t, Options{}, spec("hangs"))
	f.await("s", catalog.Ready)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := f.Call(ctx, toolCall("echo", `{"x":"bad"}`))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "call s/echo: no answer within") {
		t.Errorf("call = %v", err)
	}
}

package endpoint

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// legacyStream begins a call that asks and gives its stream after the question,
// with the question's id.
func (f *fixture) legacyStream(t *testing.T, session, tool string) (*bufio.Scanner, string) {
	t.Helper()
	resp := f.send(t, http.MethodPost, "/mcp", callBody("5", tool, `{}`, ""), headerSession, session)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if id := askedID(lines.Text()); id != "" {
			return lines, id
		}
	}
	t.Fatalf("%s: no question on the stream", tool)
	return nil, ""
}

func TestAnswersAreMatchedBySession(t *testing.T) {
	f := start(t, Options{})
	one, two := f.legacySession(t, canAll), f.legacySession(t, canAll)
	lines, id := f.legacyStream(t, one, "elicit")
	if !strings.HasPrefix(id, askPrefix) {
		t.Fatalf("question's id = %s", id)
	}
	answer := func(session, action string) {
		t.Helper()
		status, got := f.post(t, `{"jsonrpc":"2.0","id":"`+id+`","result":{"action":"`+action+`"}}`, headerSession, session)
		if status != http.StatusAccepted {
			t.Errorf("answer = %d %s", status, got)
		}
	}
	answer(two, "stolen")
	answer(one, "accept")
	answer(one, "late")
	var last string
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data:") {
			last = lines.Text()
		}
	}
	if !strings.Contains(last, "accept") {
		t.Errorf("result = %s", last)
	}
}

func TestSecondAnswerDoesNotBlock(t *testing.T) {
	s := newSession("x")
	id, reply, forget := s.question()
	defer forget()
	m := &message{ID: []byte(`"` + id + `"`), Result: []byte("{}")}
	for range 3 {
		s.take(m) // nobody reads yet
	}
	if len(reply) != 1 {
		t.Errorf("%d answers wait, want 1", len(reply))
	}
}

func TestErrorAnswerReachesWhoAsked(t *testing.T) {
	f := start(t, Options{})
	session := f.legacySession(t, canAll)
	lines, id := f.legacyStream(t, session, "sample")
	f.post(t, `{"jsonrpc":"2.0","id":"`+id+`","error":{"code":-1,"message":"user said no"}}`, headerSession, session)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "user said no (code -1)") {
			return
		}
	}
	t.Error("the error did not arrive")
}

func TestCancelledByNotification(t *testing.T) {
	f := start(t, Options{})
	one, two := f.legacySession(t, canAll), f.legacySession(t, canAll)
	done := make(chan string, 1)
	go func() {
		_, got := f.post(t, callBody(`"c"`, "hold", `{}`, ""), headerSession, one)
		done <- got
	}()
	<-f.backend.calls
	const cancel = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c"}}`
	f.post(t, cancel, headerSession, two) // another session's call of that id
	f.post(t, cancel)                     // no session
	select {
	case got := <-done:
		t.Fatalf("cancelled by a stranger: %s", got)
	case <-time.After(50 * time.Millisecond):
	}
	if status, _ := f.post(t, cancel, headerSession, one); status != http.StatusAccepted {
		t.Errorf("cancel = %d", status)
	}
	if got := <-done; !strings.Contains(got, "cancelled") {
		t.Errorf("cancelled call = %s", got)
	}
	<-f.backend.cancelled
}

// TestBareNoticeIsTaken sends what clients of 2026-07-28 send when they give a
// call up: a notification that names its revision in the header alone.
func TestBareNoticeIsTaken(t *testing.T) {
	f := start(t, Options{})
	const cancel = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"gone"}}`
	for _, tt := range []struct {
		name, body, version string
		status              int
	}{
		{"modern header", cancel, "2026-07-28", http.StatusAccepted},
		{"unknown revision", cancel, "2099-01-01", http.StatusBadRequest},
		{"other revision in the body", strings.Replace(cancel, `"gone"`, `"gone","_meta":{"`+metaVersion+`":"2025-11-25"}`, 1), "2026-07-28", http.StatusBadRequest},
	} {
		if status, got := f.post(t, tt.body, headerVersion, tt.version, headerMethod, methodCancel); status != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.name, status, got, tt.status)
		}
	}
}

func TestSessionEnds(t *testing.T) {
	f := start(t, Options{})
	id := f.legacySession(t, canAll)
	stream := f.send(t, http.MethodGet, "/mcp", "", headerSession, id)
	if stream.StatusCode != http.StatusOK {
		t.Fatalf("GET = %d", stream.StatusCode)
	}
	if got := f.send(t, http.MethodDelete, "/mcp", "", headerSession, id).StatusCode; got != http.StatusOK {
		t.Errorf("DELETE = %d", got)
	}
	readString(t, stream.Body) // ends with the session
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPost} {
		if got := f.send(t, method, "/mcp", callBody("1", "echo", "{}", ""), headerSession, id).StatusCode; got != http.StatusNotFound {
			t.Errorf("%s after the end = %d, want 404", method, got)
		}
	}
	if got := f.send(t, http.MethodGet, "/mcp", "").StatusCode; got != http.StatusMethodNotAllowed {
		t.Errorf("GET without a session = %d, want 405", got)
	}
}

func TestIdleSessionsAreForgotten(t *testing.T) {
	f := build(t, Options{})
	var forgotten []string
	f.sessions.forget = func(id string) { forgotten = append(forgotten, id) }
	idle, standing := f.sessions.Generate(), f.sessions.Generate()
	f.sessions.get(standing).stand(1)
	f.sessions.sweep(time.Now().Add(sessionIdle - time.Minute))
	f.sessions.sweep(time.Now().Add(sessionIdle + time.Minute))
	if len(forgotten) != 1 || forgotten[0] != idle {
		t.Errorf("forgotten = %v, want %s", forgotten, idle)
	}
	for range maxSessions {
		f.sessions.Generate()
	}
	if n := len(f.sessions.live); n != maxSessions {
		t.Errorf("%d sessions, want %d", n, maxSessions)
	}
	if f.sessions.get(standing) == nil {
		t.Error("a session with a standing stream was given up before idle ones")
	}
}

func TestShutdownWithEverythingOpen(t *testing.T) {
	f := start(t, Options{DrainTimeout: 30 * time.Second})
	id := f.legacySession(t, canAll)
	f.send(t, http.MethodGet, "/mcp", "", headerSession, id)
	f.send(t, http.MethodGet, "/sse", "")
	f.send(t, http.MethodPost, "/mcp", `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}`+modernMeta("{}", "")+`}}`,
		headerVersion, "2026-07-28", headerMethod, methodListen)
	f.suspended(t, "elicit")
	began := time.Now()
	if err := f.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 15*time.Second { // none of it was waited for
		t.Errorf("shutdown took %v", took)
	}
}

func TestShutdownLetsCallsFinishThenCancels(t *testing.T) {
	f := start(t, Options{DrainTimeout: 30 * time.Second})
	results := make(chan string, 2)
	call := func(tool string) {
		resp, err := http.Post(f.url("/mcp"), "application/json", strings.NewReader(callBody("1", tool, "{}", "")))
		if err != nil {
			results <- err.Error()
			return
		}
		results <- readString(t, resp.Body)
	}
	go call("hold")
	<-f.backend.calls
	stopped := make(chan error, 1)
	go func() { stopped <- f.stop() }()
	waitFor(t, "the listener to close", func() bool {
		conn, err := net.Dial("tcp", f.addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(f.backend.release)
	if got := <-results; !strings.Contains(got, "released") {
		t.Errorf("call in flight at shutdown = %s", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}

	f = build(t, Options{DrainTimeout: 50 * time.Millisecond})
	f.afterDrain = 30 * time.Second
	serveOn(t, f)
	go call("hold")
	<-f.backend.calls
	if err := f.stop(); err != nil {
		t.Error(err)
	}
	if got := <-results; !strings.Contains(got, errCutOff.Message) {
		t.Errorf("call after the drain time = %s", got)
	}
}

func TestServeTellsOfABrokenListener(t *testing.T) {
	f := build(t, Options{})
	ln := listenLoopback(t)
	ln.Close()
	if err := f.Serve(context.Background(), ln); err == nil {
		t.Error("Serve on a closed listener gave no error")
	}
}

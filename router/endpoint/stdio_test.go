package endpoint

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// piped runs ServeStdio on a whole input and gives what it wrote.
func piped(t *testing.T, f *fixture, input string) string {
	t.Helper()
	var out strings.Builder
	if err := f.ServeStdio(t.Context(), strings.NewReader(input), &out); err != nil {
		t.Errorf("ServeStdio: %v", err)
	}
	return out.String()
}

func TestPipedRequestsAreAllAnswered(t *testing.T) {
	f := build(t, Options{})
	time.AfterFunc(100*time.Millisecond, func() { close(f.backend.release) })
	var in strings.Builder
	for i := range 100 {
		fmt.Fprintln(&in, callBody(fmt.Sprint(i), "hold", "{}", ""))
	}
	in.WriteString(callBody("100", "raw", "{}", "")) // no line break at the end
	got := piped(t, f, in.String())
	for i := range 101 {
		if !strings.Contains(got, fmt.Sprintf(`"id":%d,"result"`, i)) {
			t.Errorf("no answer to %d", i)
		}
	}
	if lines := strings.Count(got, "\n"); lines != 101 {
		t.Errorf("%d lines, want 101: a line break of a result went through", lines)
	}
}

func TestOddLines(t *testing.T) {
	f := build(t, Options{MaxBody: 4096})
	ping := func(id string) string { return `{"jsonrpc":"2.0","id":` + id + `,"method":"ping"}` }
	cases := []struct {
		name, in string
		want     []string // in the output, each on a line of its own, in this order
	}{
		{"byte order mark", "\xef\xbb\xbf" + ping("1"), []string{`"id":1`}},
		{"CRLF and empty lines", "\r\n\r\n" + ping("1") + "\r\n\n" + ping("2") + "\r\n", []string{`"id":1`, `"id":2`}},
		{"junk", "hello\n" + ping("1"), []string{`-32700`, `"id":1`}},
		{"oversize", callBody("7", "echo", `{"x":"`+strings.Repeat("x", 9000)+`"}`, "") + "\n" + ping("1"), []string{`"id":7,"error"`, `"id":1`}},
		{"oversize at the end", ping("1") + "\n" + strings.Repeat("x", 9000), []string{`"id":1`, `-32600`}},
		{"batch", "[" + ping("1") + "," + ping("2") + `,{"jsonrpc":"2.0","method":"notifications/initialized"}]`, []string{`"id":1`, `"id":2`}},
		{"broken batch", "[" + ping("1"), []string{`-32700`}},
		{"text after a batch", "[" + ping("1") + "] " + ping("2"), []string{`-32700`}},
		{"empty batch", "[ ]\n" + ping("1"), []string{`"id":null,"error":{"code":-32600`, `"id":1`}},
		{"batch of nonsense", "[1," + ping("2") + ",[]]", []string{`-32700`, `"id":2`, `-32600`}},
		{"batch over the limit", "[1" + strings.Repeat(",1", maxBatch) + "]", []string{`-32600`}},
		{"stray answer", `{"jsonrpc":"2.0","id":"router-x","result":{}}` + "\n" + ping("1"), []string{`"id":1`}},
		{"ambiguous", `{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}`, []string{`-32600`}},
		{"modern without capabilities", callBody("1", "echo", "{}", `,"_meta":{"`+metaVersion+`":"2026-07-28"}`), []string{`-32602`}},
		{"modern", callBody("1", "echo", "{}", modernMeta("{}", "")), []string{`"resultType":"complete"`}},
		{"discover", `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{` + modernMeta("{}", "")[1:] + `}}`, []string{`"2026-07-28"`}},
		{"a later version", callBody("1", "echo", "{}", strings.Replace(modernMeta("{}", ""), "2026-07-28", "2099-01-01", 1)), []string{`-32022`}},
		{"only white space", " \n\t\n", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			lines := strings.Split(strings.TrimSuffix(piped(t, f, c.in), "\n"), "\n")
			if len(c.want) == 0 && lines[0] == "" {
				return
			}
			if len(lines) != len(c.want) {
				t.Fatalf("%d lines, want %d: %q", len(lines), len(c.want), lines)
			}
			for i, want := range c.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("line %d = %s, want %s in it", i, lines[i], want)
				}
			}
		})
	}
}

func TestStdioCancelGivesNoAnswer(t *testing.T) {
	f := build(t, Options{})
	r, w := f.stdio(t)
	lines := bufio.NewReader(r)
	fmt.Fprintln(w, callBody(`"c"`, "hold", "{}", ""))
	<-f.backend.calls
	fmt.Fprintln(w, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c"}}`)
	<-f.backend.cancelled
	fmt.Fprintln(w, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	if line, _ := lines.ReadString('\n'); !strings.Contains(line, `"id":1`) {
		t.Errorf("after a cancelled call came %s", line)
	}
}

func TestStdioCancelRightAfterTheCall(t *testing.T) {
	f := build(t, Options{})
	r, w := f.stdio(t)
	for i := range 100 {
		extra := ""
		if i%2 == 1 {
			extra = modernMeta(canAll, "")
		}
		fmt.Fprintf(w, "%s\n%s\n", callBody(fmt.Sprint(i), "hold", "{}", extra),
			`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`+fmt.Sprint(i)+`}}`)
	}
	fmt.Fprintln(w, `{"jsonrpc":"2.0","id":"end","method":"ping"}`)
	if line, _ := bufio.NewReader(r).ReadString('\n'); !strings.Contains(line, `"id":"end"`) {
		t.Errorf("first answer = %s", line)
	}
	waitFor(t, "all calls to end", func() bool { return len(f.calls) == 0 })
}

func TestStdioEndOfContextCutsTheGraceShort(t *testing.T) {
	f := build(t, Options{DrainTimeout: 300 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-f.backend.calls
		cancel()
	}()
	var out strings.Builder
	began := time.Now()
	if err := f.ServeStdio(ctx, strings.NewReader(callBody("1", "hold", "{}", "")), &out); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > eofGrace/2 || !strings.Contains(out.String(), errCutOff.Message) {
		t.Errorf("after %v: %s", took, out.String())
	}
}

func TestStdioSubscription(t *testing.T) {
	f := build(t, Options{})
	r, w := f.stdio(t)
	lines := bufio.NewScanner(r)
	next := func() string { lines.Scan(); return lines.Text() }
	fmt.Fprintln(w, `{"jsonrpc":"2.0","id":"s","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}`+modernMeta("{}", "")+`}}`)
	if got := next(); !strings.Contains(got, "acknowledged") || !strings.Contains(got, `subscriptionId":"s"`) {
		t.Fatalf("acknowledgement = %s", got)
	}
	f.router.Publish(view(t, "other", "Other things."))
	if got := next(); !strings.Contains(got, "list_changed") || !strings.Contains(got, `subscriptionId":"s"`) {
		t.Errorf("change = %s", got)
	}
	fmt.Fprintln(w, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"s"}}`)
	if got := next(); !strings.Contains(got, `"id":"s"`) {
		t.Errorf("end of the subscription = %s", got)
	}
}

func TestStdioEndsWithItsContext(t *testing.T) {
	f := build(t, Options{DrainTimeout: 300 * time.Millisecond})
	up, down := newPipe(), newPipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.ServeStdio(ctx, up.r, down.w) }()
	fmt.Fprintln(up.w, callBody("1", "hold", "{}", ""))
	<-f.backend.calls
	cancel()
	line, _ := bufio.NewReader(down.r).ReadString('\n')
	if err := <-done; err != nil || !strings.Contains(line, errCutOff.Message) {
		t.Errorf("ServeStdio = %v after %s", err, line)
	}
}

func TestStdioWhoseReaderIsGone(t *testing.T) {
	f := build(t, Options{})
	up, down := newPipe(), newPipe()
	down.r.Close()
	done := make(chan error, 1)
	go func() { done <- f.ServeStdio(t.Context(), up.r, down.w) }()
	fmt.Fprintln(up.w, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	if err := <-done; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("ServeStdio = %v, want the write's error", err)
	}
}

func TestStdioWhoseReaderStops(t *testing.T) {
	f := build(t, Options{DrainTimeout: 50 * time.Millisecond})
	down := newPipe()
	defer down.r.Close()
	err := f.ServeStdio(t.Context(), strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), down.w)
	if !errors.Is(err, errSlow) {
		t.Errorf("ServeStdio = %v, want %v", err, errSlow)
	}
}

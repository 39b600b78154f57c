package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"toolrouter/internal/catalog"
)

// screen is what a program sees of a terminal.
type screen struct{ bytes.Buffer }

func (*screen) Stat() (os.FileInfo, error) { return os.Stat(os.DevNull) } // a character device as well

// Nothing that a tool or its server says steers the terminal it is shown on.
func TestNothingSteersTheTerminal(t *testing.T) {
	const evil = `\u001b[2J\u009b31m`
	raw := json.RawMessage(`{"content":[
		{"type":"text","text":"a` + evil + `"},
		{"type":"image","mimeType":"image/png` + evil + `","data":"AAAA"},
		{"type":"audio","mimeType":"` + evil + `","data":"AAAA"},
		{"type":"resource_link","uri":"u` + evil + `"},
		{"type":"t` + evil + `"}]}`)
	var w screen
	if err := printResult(&w, raw); err != nil {
		t.Fatal(err)
	}
	if err := printJSON(&w, json.RawMessage("{\"raw\":\"\u009b31m\x7f\"}")); err != nil {
		t.Fatal(err)
	}
	report(t.Context(), fail(exitFailed, "hint \x1b[2J", os.ErrNotExist), &w)
	if strings.ContainsAny(w.String(), "\x1b\x7f\u009b") {
		t.Errorf("steers the terminal: %q", w.String())
	}
	if !strings.Contains(w.String(), `"raw": "\u009b31m\u007f"`) {
		t.Errorf("JSON lost something: %q", w.String())
	}
}

func TestRemark(t *testing.T) {
	for _, tt := range []struct {
		server serverReport
		want   string
	}{
		{serverReport{Name: "a", State: catalog.Disabled}, `switched off; "router enable a" switches it on`},
		{serverReport{Name: "a", State: catalog.NeedsSignIn, LastError: "it answered 401 Unauthorized."},
			`it answered 401 Unauthorized; a token in the config signs in: headers: ["Authorization=Bearer …"]`},
		{serverReport{Name: "a", State: catalog.Down, LastError: "gone"}, "gone"},
		{serverReport{Name: "a", State: catalog.Down, LastError: "gone", NextTry: time.Now().Add(59*time.Minute + 59900*time.Millisecond)}, "gone (next try in 1h0m0s)"},
		{serverReport{Name: "a", State: catalog.Idle}, "starts with its first call"},
		{serverReport{Name: "a", State: catalog.Ready, Held: map[string]string{"x": "why"}}, "1 tool held back, see --json"},
		{serverReport{Name: "a", State: catalog.Ready}, ""},
	} {
		if got := remark(tt.server); got != tt.want {
			t.Errorf("remark(%+v)\n = %s\nwant %s", tt.server, got, tt.want)
		}
	}
}

// A state directory that cannot be written is the user's to name, with the way to.
func TestUnwritableState(t *testing.T) {
	for _, cause := range []error{os.ErrPermission, syscall.EROFS} {
		var told strings.Builder
		err := unwritable(fmt.Errorf("state directory: %w", &os.PathError{Op: "mkdir", Path: "/s", Err: cause}))
		if code := report(t.Context(), err, &told); code != exitUsage || !strings.Contains(told.String(), "--state DIR or $ROUTER_STATE") {
			t.Errorf("exit status %d\n%s", code, told.String())
		}
	}
	if err := unwritable(os.ErrInvalid); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("another error became %v", err)
	}
}

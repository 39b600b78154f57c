package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"toolrouter/configs"
)

// A reload says which of the changed keys it does not take over, as long as the
// config has other values than the process runs with.
func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	dir := t.TempDir()
	var log strings.Builder
	base := fmt.Sprintf(officeServer, "")
	a, err := openApp(t.Context(), loadConfig(t, dir, base), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	for _, tt := range []struct {
		text string
		want []string
	}{
		{base, nil},
		{base + "listen: 127.0.0.1:1\ncalls: {max_concurrent: 9}\n", []string{"calls.max_concurrent", "listen"}},
		{base + "listen: 127.0.0.1:1\n", []string{"listen"}},
		{"calls: {timeout: 9s}\nsearch: {unreviewed_prior: 0.9}\nservers: []\n", nil},
	} {
		log.Reset()
		a.reload(t.Context(), func() (*configs.Config, error) { return loadConfig(t, dir, tt.text), nil })
		if got := a.status().Restart; !slices.Equal(got, tt.want) {
			t.Errorf("after\n%s\nneeds a restart: %q, want %q", tt.text, got, tt.want)
		}
		var shown strings.Builder
		if err := printStatus(&shown, a.status()); err != nil {
			t.Fatal(err)
		}
		keys := strings.Join(tt.want, ", ")
		if told := strings.Contains(log.String(), "restart"); told != (keys != "") || !strings.Contains(log.String(), keys) {
			t.Errorf("log, want %q:\n%s", keys, log.String())
		}
		if told := strings.Contains(shown.String(), "restart"); told != (keys != "") || !strings.Contains(shown.String(), keys) {
			t.Errorf("status, want %q:\n%s", keys, shown.String())
		}
	}
}

// A file is read once it has been left alone for a moment, and while it is being
// written without end all the same.
func TestSettling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := settling{timer: time.NewTimer(time.Hour)}
		defer s.timer.Stop()
		s.changed()
		time.Sleep(settle / 2)
		s.changed()
		<-s.timer.C
		s.over()
		if got := time.Since(began); got != settle/2+settle {
			t.Errorf("read %v after the first of two changes", got)
		}

		reads := 0
		for range 100 {
			s.changed()
			select {
			case <-s.timer.C:
				s.over()
				reads++
			case <-time.After(settle / 2):
			}
		}
		if want := int(100 * (settle / 2) / maxSettle); reads < want-1 || reads > want+1 {
			t.Errorf("read %d times during steady changes, want about %d", reads, want)
		}
	})
}

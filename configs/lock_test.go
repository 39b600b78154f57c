package configs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The test binary adds a server and ends when it is told to by its environment:
// so that several processes edit one file.
func TestMain(m *testing.M) {
	name, path, asked := strings.Cut(os.Getenv("CONFIGS_TEST_ADD"), "=")
	if !asked {
		os.Exit(m.Run())
	}
	if err := Add(path, Server{Name: name, Command: []string{"x"}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Edits at the same time follow each other: what says that it was done is in the
// file, whether processes or goroutines did it, and the file was there or not.
func TestEditsAtTheSameTime(t *testing.T) {
	const each = 4
	path := filepath.Join(t.TempDir(), "new", "config.yaml")
	var wg sync.WaitGroup
	for i := range each {
		wg.Go(func() {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), fmt.Sprintf("CONFIGS_TEST_ADD=process-%d=%s", i, path))
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("process %d: %v\n%s", i, err, out)
			}
		})
		wg.Go(func() {
			if err := Add(path, Server{Name: fmt.Sprintf("goroutine-%d", i), Command: []string{"x"}}); err != nil {
				t.Errorf("goroutine %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if c := load(t, LoadOptions{Path: path, Environ: []string{"HOME=/h"}}); len(c.Servers) != 2*each {
		t.Errorf("%d servers, want %d\n%s", len(c.Servers), 2*each, read(t, path))
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A lock has one holder, and what a process left behind that ended is no lock.
func TestLock(t *testing.T) {
	at := write(t, "left.lock", "")
	unlock, err := tryLock(at)
	must(t, err)
	if _, err := tryLock(at); !errors.Is(err, errHeld) {
		t.Errorf("a second holder: %v", err)
	}
	unlock()
	unlock, err = tryLock(at)
	must(t, err)
	unlock()
}

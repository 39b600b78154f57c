//go:build unix

package configs

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Opening a pipe would wait for a writer; Load must not.
func TestPipeIsNoConfigFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.yaml")
	must(t, syscall.Mkfifo(pipe, 0o600))
	if _, err := Load(LoadOptions{Path: pipe}); err == nil || !strings.Contains(err.Error(), "is a pipe, not a file") {
		t.Errorf("Load = %v", err)
	}
}

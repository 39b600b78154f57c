package configs

import (
	"os"
	"path/filepath"
	"testing"
)

// write makes a file in a folder of its own and gives its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

func load(t testing.TB, o LoadOptions) *Config {
	t.Helper()
	if o.Environ == nil {
		o.Environ = []string{"HOME=/home/u"}
	}
	c, err := Load(o)
	must(t, err)
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

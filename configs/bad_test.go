package configs

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Every testdata/*.bad.* has its exact messages beside it, in *.want.
func TestBadFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.bad.*")
	if err != nil || len(paths) == 0 {
		t.Fatal("no bad files", err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".want") {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			c, err := Load(LoadOptions{Path: path, Environ: []string{"HOME=/home/u"}})
			if c != nil || err == nil {
				t.Fatalf("Load(%s) = %v, %v, want mistakes", path, c, err)
			}
			if !errors.As(err, new(Mistakes)) {
				t.Errorf("%T is not Mistakes", err)
			}
			got := err.Error() + "\n"
			if *update {
				must(t, os.WriteFile(path+".want", []byte(got), 0o644))
			}
			if diff := cmp.Diff(read(t, path+".want"), got); diff != "" {
				t.Errorf("messages differ (-want +got):\n%s", diff)
			}
		})
	}
}

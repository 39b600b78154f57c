package configs

import (
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// StateDir finds the state directory without checking the rest of the config,
// for commands that only want to reach a running router: a mistake in the file
// must not keep a person from asking how the router is.
func StateDir(o LoadOptions) (string, error) {
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	env := environ(o.Environ)
	for _, dir := range []string{o.Overrides["state"], env["ROUTER_STATE"], stateInFile(o.Path, env)} {
		if dir != "" {
			return filepath.Abs(dir)
		}
	}
	return defaultState(env)
}

// stateInFile reads the one key from a YAML or JSON file, "" if it is not there
// or cannot be read without the rest.
func stateInFile(path string, env map[string]string) string {
	if path == "" {
		path = env["ROUTER_CONFIG"]
	}
	if path == "" {
		path, _ = defaultPath(env)
	}
	src, _, err := readRegular(path, maxFile)
	if err != nil {
		return ""
	}
	var file struct{ State string }
	if yaml.Unmarshal(src, &file) != nil || strings.Contains(file.State, "${") || file.State == "" {
		return ""
	}
	if filepath.IsAbs(file.State) {
		return file.State
	}
	return filepath.Join(filepath.Dir(path), file.State)
}

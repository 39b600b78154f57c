package configs

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	program  = "toolrouter"
	fileName = "config.yaml"
)

// environ makes a map of "NAME=value" strings; the last of one name counts.
func environ(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, entry := range list {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			env[name] = value
		}
	}
	return env
}

func homeOf(env map[string]string) string {
	if runtime.GOOS == "windows" {
		return env["USERPROFILE"]
	}
	return env["HOME"]
}

// DefaultPath is where the config file is looked for when neither --config nor
// $ROUTER_CONFIG says so: toolrouter/config.yaml in the platform's folder for
// configuration. It is an error if the environment names no such folder.
func DefaultPath(env []string) (string, error) { return defaultPath(environ(env)) }

func defaultPath(env map[string]string) (string, error) {
	switch home := homeOf(env); {
	case runtime.GOOS == "windows" && env["APPDATA"] != "":
		return filepath.Join(env["APPDATA"], program, fileName), nil
	case runtime.GOOS == "darwin" && home != "":
		return filepath.Join(home, "Library", "Application Support", program, fileName), nil
	case filepath.IsAbs(env["XDG_CONFIG_HOME"]):
		return filepath.Join(env["XDG_CONFIG_HOME"], program, fileName), nil
	case home != "":
		return filepath.Join(home, ".config", program, fileName), nil
	}
	return "", errors.New("no folder for the config file is known: set $HOME, or give --config")
}

// defaultState is the platform's folder for what the router keeps.
func defaultState(env map[string]string) (string, error) {
	switch home := homeOf(env); {
	case runtime.GOOS == "windows" && env["LOCALAPPDATA"] != "":
		return filepath.Join(env["LOCALAPPDATA"], program, "state"), nil
	case runtime.GOOS == "darwin" && home != "":
		return filepath.Join(home, "Library", "Application Support", program, "state"), nil
	case filepath.IsAbs(env["XDG_STATE_HOME"]):
		return filepath.Join(env["XDG_STATE_HOME"], program), nil
	case home != "":
		return filepath.Join(home, ".local", "state", program), nil
	}
	return "", errors.New("no folder for the state is known: set $HOME, or give --state")
}

package upstream

import (
	"os"
	"runtime"
	"slices"
	"strings"
)

// inherited are the variables a child gets from the router's own environment:
// what a program needs to find others, its home, its language and a place for
// temporary files. Everything else has to be declared.
var inherited = []string{"PATH", "HOME", "USER", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP"}

// inheritedWindows are the ones without which hardly a program starts there.
var inheritedWindows = []string{
	"SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERNAME", "USERPROFILE",
	"HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES",
}

// childEnv is the whole environment of a child: the few inherited variables and
// the declared ones, which win.
func childEnv(declared []string) []string {
	env := []string{} // not nil: that would mean our own
	for _, pair := range os.Environ() {
		if key, _, ok := strings.Cut(pair, "="); ok && inherits(key) {
			env = append(env, pair)
		}
	}
	return append(env, declared...) // the last of several with one name counts
}

func inherits(key string) bool {
	if strings.HasPrefix(key, "LC_") {
		return true
	}
	if slices.Contains(inherited, key) {
		return true
	}
	if runtime.GOOS != "windows" {
		return false
	}
	for _, k := range append(inherited, inheritedWindows...) {
		if strings.EqualFold(key, k) {
			return true
		}
	}
	return false
}

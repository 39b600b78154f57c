package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

const (
	maxReferred = 64 << 10 // bytes of one file that a value refers to
	maxExpanded = 16 << 20 // bytes of all values together, references replaced
	maxRefDepth = 8        // defaults inside defaults
)

var errUnset = errors.New("is not set")

var (
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	secretName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	dollars      = regexp.MustCompile(`\$+\{`)
)

// expander replaces the references in values.
type expander struct {
	env     map[string]string
	dir     string                                                         // of the config file: where relative paths begin
	secrets string                                                         // folder of secret files, "" if secrets cannot be had
	dialect func(x *expander, ref string) (v string, mine bool, err error) // a client's own references; nil: none
	read    func(path string)                                              // told each file that was read
	size    int                                                            // bytes made so far
}

// expand replaces the references in s. An odd number of dollars before a brace
// ends in a reference, two stand for one.
func (x *expander) expand(s string) (string, error) { return x.expandDeep(s, 0) }

func (x *expander) expandDeep(s string, depth int) (string, error) {
	if depth > maxRefDepth {
		return "", fmt.Errorf("references are nested deeper than %d", maxRefDepth)
	}
	var b strings.Builder
	for {
		at := dollars.FindStringIndex(s)
		if at == nil {
			b.WriteString(s)
			return b.String(), nil
		}
		run := at[1] - at[0] - 1
		b.WriteString(s[:at[0]])
		b.WriteString(strings.Repeat("$", run/2))
		s = s[at[1]:]
		if run%2 == 0 {
			b.WriteByte('{')
			continue
		}
		end := closing(s)
		if end < 0 {
			return "", errors.New("a ${ is never closed; write $${ for the text ${ itself")
		}
		value, err := x.resolve(s[:end], depth)
		if err != nil {
			return "", err
		}
		if x.size += len(value); x.size > maxExpanded {
			return "", fmt.Errorf("references make the config larger than %d MiB", maxExpanded>>20)
		}
		b.WriteString(value)
		s = s[end+1:]
	}
}

// closing finds the brace that closes a reference, past those of references in
// its default; -1 if there is none.
func closing(s string) int {
	open := 0
	for i := range len(s) {
		switch {
		case s[i] == '{' && i > 0 && s[i-1] == '$':
			open++
		case s[i] == '}' && open > 0:
			open--
		case s[i] == '}':
			return i
		}
	}
	return -1
}

// resolve gives the value of what stands between ${ and }.
func (x *expander) resolve(ref string, depth int) (string, error) {
	if x.dialect != nil {
		if v, mine, err := x.dialect(x, ref); mine {
			return v, err
		}
	}
	if path, ok := strings.CutPrefix(ref, "file:"); ok {
		return x.file(path)
	}
	if name, ok := strings.CutPrefix(ref, "secret:"); ok {
		return x.secret(name)
	}
	name, def, hasDefault := strings.Cut(ref, ":-")
	if !variableName.MatchString(name) {
		return "", fmt.Errorf("${%s} is no reference: use ${NAME}, ${NAME:-default}, ${file:PATH} or ${secret:NAME}, and $${ for the text ${ itself", ref)
	}
	value, set := x.env[name]
	switch {
	case hasDefault && value == "":
		return x.expandDeep(def, depth+1)
	case !set:
		return "", fmt.Errorf("${%s} %w: set it, or write ${%s:-default}", name, errUnset, name)
	}
	return value, nil
}

// file reads a small file that a value refers to.
func (x *expander) file(path string) (string, error) {
	if path == "" {
		return "", errors.New("${file:} names no file")
	}
	full := under(x.dir, x.env, path)
	text, _, err := readRegular(full, maxReferred)
	if err != nil {
		return "", fmt.Errorf("${file:%s}: %w", path, err)
	}
	x.told(full)
	return trimLine(text), nil
}

// secret finds a secret in the environment or in a file that only its owner may
// read.
func (x *expander) secret(name string) (string, error) {
	if !secretName.MatchString(name) {
		return "", fmt.Errorf("${secret:%s}: a secret's name has letters, digits, '.', '_' and '-', at most 64", name)
	}
	variable := variableFor("ROUTER_SECRET_", name)
	if v, ok := x.env[variable]; ok {
		return v, nil
	}
	if x.secrets == "" {
		return "", fmt.Errorf("${secret:%s}: set $%s; the folder of secrets is not known here", name, variable)
	}
	path := filepath.Join(x.secrets, name)
	text, info, err := readRegular(path, maxReferred)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("${secret:%s} is not set: set $%s, or write it to %s with mode 0600", name, variable, path)
	case err != nil:
		return "", fmt.Errorf("${secret:%s}: %w", name, err)
	case exposed(info):
		return "", fmt.Errorf("${secret:%s}: others may read %s: chmod 600 it", name, path)
	}
	x.told(path)
	return trimLine(text), nil
}

func (x *expander) told(path string) {
	if x.read != nil {
		x.read(path)
	}
}

// variableFor makes the name of an environment variable out of any name.
func variableFor(prefix, name string) string {
	return prefix + strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}

// literal writes a text so that expanding gives it back.
func literal(s string) string {
	return dollars.ReplaceAllStringFunc(s, func(run string) string {
		return strings.Repeat("$", len(run)-1) + run
	})
}

// trimLine cuts one line end off the end.
func trimLine(text []byte) string {
	s := strings.TrimSuffix(string(text), "\n")
	return strings.TrimSuffix(s, "\r")
}

// under resolves a path that a config file names.
func under(dir string, env map[string]string, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home := homeOf(env); home != "" {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// readRegular reads a file that must be a plain one of at most limit bytes. It
// looks before it opens, since opening a pipe would wait for a writer. Errors
// do not name the path: the caller does, as the user wrote it.
func readRegular(path string, limit int64) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, pathless(err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("is %s, not a file", kindOf(info))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, pathless(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, nil, pathless(err)
	}
	if int64(len(text)) > limit {
		return nil, nil, fmt.Errorf("larger than %s", Size(limit))
	}
	return text, info, nil
}

func pathless(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}

func kindOf(info fs.FileInfo) string {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}

// exposed reports whether others than the owner may read a file, where the
// system has such modes.
func exposed(info fs.FileInfo) bool {
	return runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0
}

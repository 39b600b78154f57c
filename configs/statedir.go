package configs

import (
	"cmp"
	"path/filepath"
)

// StateDir finds the state directory as Load does, without checking the rest of
// the config, for commands that only want to reach a running router: a mistake
// in the file must not keep a person from asking how the router is. Where the
// file does not tell, since it cannot be read so far, the error says why and the
// directory is the default one.
func StateDir(o LoadOptions) (string, error) {
	l := newLoader(o)
	if l.stateOutside() == "" {
		if err := l.read(o.Path); err != nil {
			l.mistakes = append(l.mistakes, Mistake{Text: err.Error()})
		}
		unreadable := l.mistakes
		l.translate()
		l.mistakes = unreadable // what is wrong with servers does not matter here
	}
	l.findState()
	if len(l.mistakes) == 0 {
		return l.state, nil
	}
	if l.state == "" {
		l.state, _ = defaultState(l.env)
	}
	return l.state, l.mistakes.sorted()
}

// stateOutside is what flags or the environment say of the state directory.
func (l *loader) stateOutside() string { return cmp.Or(l.flags["state"], l.env["ROUTER_STATE"]) }

// findState settles the state directory, which must be known before a secret
// can be looked up. Flags and the environment name it from where the router was
// started, a file from where the file is.
func (l *loader) findState() {
	state, dir := l.stateOutside(), ""
	if n := field(l.root, "state"); state == "" && n != nil && !isNull(n) {
		if !l.str(n, "state") {
			return
		}
		state, dir = n.Value, l.dir()
	}
	if state == "" {
		var err error
		if state, err = defaultState(l.env); err != nil {
			l.mistakes = append(l.mistakes, Mistake{Key: "state", Text: err.Error()})
			return
		}
	}
	l.state = under(dir, l.env, state)
	if full, err := filepath.Abs(l.state); err == nil {
		l.state = full
	}
	l.expander.secrets = filepath.Join(l.state, "secrets")
}

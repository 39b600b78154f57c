package configs

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// What is shown of a config leaves out what looks like a secret wherever it
// stands. Hiding too much costs a person a look into the file; hiding too little
// costs a key.

var (
	// secretive is in the names of what is secret.
	secretive = regexp.MustCompile(`(?i)key|token|secret|passw|auth|cookie|credential`)
	// secretPrefix begins the keys of well-known services.
	secretPrefix = regexp.MustCompile(`^(?:sk|pk|rk)[-_]|^gh[a-z]_|^github_pat_|^glpat-|^xox[a-z]-|^AKIA|^eyJ|^npm_|^hf_|^AIza`)
	uuid         = regexp.MustCompile(`(?i)^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// carriesPair is a flag whose value is a variable or a header.
	carriesPair = regexp.MustCompile(`^(?:-e|-H|--env|--header|--set-env)$`)
	bearer      = regexp.MustCompile(`(?i)^\s*(?:bearer|basic|token)\s+\S`)
)

// secretLooking reports whether a word is a key rather than a name: it begins
// like one, is a UUID, or has a part that is long and mixes digits and letters.
func secretLooking(word string) bool {
	if len(word) >= 12 && secretPrefix.MatchString(word) || uuid.MatchString(word) {
		return true
	}
	return slices.ContainsFunc(strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune("-_.~+=", r) }), random)
}

// random reports whether a word without separators looks thrown together.
func random(part string) bool {
	digits, letters := 0, 0
	for _, r := range part {
		switch {
		case unicode.IsDigit(r):
			digits++
		case unicode.IsLetter(r):
			letters++
		default:
			return false
		}
	}
	return len(part) >= 32 || len(part) >= 12 && letters > 0 && digits > 1 || len(part) >= 16 && digits > 0
}

// hideURL hides what of a URL may be a secret: user, query, fragment, and the
// parts of its path that look like one.
func hideURL(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return ""
	case err != nil:
		return hidden
	}
	steps := strings.Split(u.EscapedPath(), "/")
	kept := u.User == nil && u.RawQuery == "" && u.Fragment == ""
	for i, step := range steps {
		if secretLooking(step) {
			steps[i], kept = hidden, false
		}
	}
	if kept {
		return raw
	}
	out := u.Scheme + "://" + u.Host + strings.Join(steps, "/")
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		out += "?" + hidden
	}
	return out
}

// hideArguments hides what may be a secret in a command line: the values of
// arguments whose name says so, what follows a flag for variables or headers, and
// what looks like a key.
func hideArguments(command []string) []string {
	out := slices.Clone(command)
	for i := 1; i < len(command); i++ {
		out[i] = hideArgument(command[i-1], command[i])
	}
	return out
}

// hideArgument hides a secret in an argument that follows another.
func hideArgument(before, arg string) string {
	at := strings.IndexAny(arg, "=:")
	switch {
	case strings.Contains(arg, "://") && (at < 0 || strings.HasPrefix(arg[at:], "://")):
		return hideURL(arg)
	case at > 0 && !strings.HasPrefix(arg[at:], "://") && (carriesPair.MatchString(before) || secretive.MatchString(arg[:at])):
		return arg[:at+1] + hidden
	case at > 0 && arg[at] == '=':
		return arg[:at+1] + hideArgument("", arg[at+1:])
	case namesSecret(before), bearer.MatchString(arg):
		return hidden
	case !strings.ContainsAny(arg, "/@") && secretLooking(arg):
		return hidden
	}
	return arg
}

// namesSecret reports whether a flag stands before a secret: --token, but neither
// --token=x, which has its value, nor a word that is no flag.
func namesSecret(flag string) bool {
	return strings.HasPrefix(flag, "-") && !strings.Contains(flag, "=") && secretive.MatchString(flag)
}

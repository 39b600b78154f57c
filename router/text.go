package router

import (
	"strconv"
	"strings"
	"unicode"

	"toolrouter/internal/catalog"
)

// shown is text from outside on one line, at most max bytes long.
func shown(s string, max int) string {
	if len(s) > 8*max { // what is cut anyway need not be cleaned
		s = s[:8*max]
	}
	return catalog.Clip(catalog.Printable(s), max)
}

// quoted is a name from outside as it may stand in a message.
func quoted(name string) string { return strconv.Quote(shown(name, 60)) }

// thousands writes 4633 as 4,633.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted writes "1 tool" and "94 tools".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// words splits an identifier or a title into lower-case words: at everything that
// is no letter or digit, and where camelCase begins a new one.
func words(s string) []string {
	var out []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			out = append(out, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	var last rune
	for _, r := range s {
		if !isWordRune(r) || unicode.IsUpper(r) && unicode.IsLower(last) {
			flush()
		}
		if isWordRune(r) {
			word.WriteRune(r)
		}
		last = r
	}
	flush()
	return out
}

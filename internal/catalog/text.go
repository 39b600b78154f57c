package catalog

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FirstSentence is the start of a description up to the end of its first
// sentence, without control characters and at most max bytes long. Text that is
// cut for its length ends in an ellipsis.
func FirstSentence(description string, max int) string {
	s := strings.TrimSpace(Printable(description))
	for i, r := range s {
		if (r == '.' || r == '!' || r == '?') && endsSentence(s[:i], s[i+1:]) {
			s = s[:i+1]
			break
		}
	}
	if len(s) <= max {
		return s
	}
	cut := s[:max-len("…")]
	for !utf8.ValidString(cut) {
		cut = cut[:len(cut)-1]
	}
	if i := strings.LastIndexByte(cut, ' '); i > max/2 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " ,;:") + "…"
}

// endsSentence tells a full stop from an abbreviation: white space must follow,
// and what stands before must not be one of the usual short forms.
func endsSentence(before, after string) bool {
	if after == "" {
		return true
	}
	if after[0] != ' ' {
		return false
	}
	for _, short := range []string{"e.g", "i.e", "etc", "vs", "approx", " no"} {
		if strings.HasSuffix(strings.ToLower(before), short) {
			return false
		}
	}
	return true
}

// steering matches whole commands to a terminal: CSI, OSC and the short ones. A
// command that loses only its first character would leave its rest in the text.
var steering = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|\x1b(?:[#-/]?[0-~])?")

// Printable makes text from a backend fit to be shown on one line: white space
// of every kind becomes one space, and what could steer a terminal or hide
// words (control, format, bidi and private characters) is dropped.
func Printable(s string) string {
	if strings.ContainsAny(s, "\x1b\u009b") {
		s = steering.ReplaceAllString(s, "")
	}
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = true
		case !unicode.IsPrint(r), r == utf8.RuneError, unicode.Is(unicode.Cf, r):
		default:
			if space && b.Len() > 0 {
				b.WriteByte(' ')
			}
			space = false
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Clip cuts text to at most max bytes, never within a character, and shows with
// an ellipsis that it did. max is at least 3, the size of that.
func Clip(s string, max int) string {
	if len(s) <= max {
		return s
	}
	end := max - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

package index

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
	"golang.org/x/text/unicode/norm"
)

// Limits on what is read of one text. A tool may not win by length, and a
// query may not cost more than a few thousand comparisons.
const (
	maxTextBytes = 4 << 10 // of one field of a tool, or of a query
	maxWordBytes = 40      // longer words are data, not language
)

// analyzer turns text into terms. It remembers the stems it has made, which is
// most of the work, and is for one goroutine.
type analyzer struct {
	stems map[string]string
	env   *snowballstem.Env
}

func newAnalyzer() *analyzer {
	return &analyzer{stems: map[string]string{}, env: snowballstem.NewEnv("")}
}

// terms gives the terms of a text in their order, repetitions included and stop
// words left out.
func (a *analyzer) terms(text string) []string {
	var out []string
	for _, w := range words(text) {
		if !stopWords[w] {
			out = append(out, a.stem(w))
		}
	}
	return out
}

// stem takes the ending off an English word; others it leaves alone.
func (a *analyzer) stem(word string) string {
	if s, ok := a.stems[word]; ok {
		return s
	}
	s := word
	if len(word) > 2 && isASCII(word) {
		a.env.SetCurrent(word)
		english.Stem(a.env)
		s = a.env.Current()
	}
	if len(a.stems) < 1<<16 {
		a.stems[word] = s
	}
	return s
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// words splits a text into lower-case words: at everything that is no letter or
// digit, where letters and digits meet, and inside identifiers, so that
// getHTTPResponseV2 is get http response v 2. Scripts written without spaces
// are split into pairs of characters.
func words(text string) []string {
	text = clip(text, maxTextBytes)
	if !isASCII(text) {
		text = foldMarks(text)
	}
	var out []string
	start := -1 // of the word being read
	runes := []rune(text)
	flush := func(end int) {
		if start >= 0 {
			out = appendWord(out, runes[start:end])
		}
		start = -1
	}
	for i, r := range runes {
		kind := kindOf(r)
		if kind == other {
			flush(i)
			continue
		}
		if start >= 0 && splits(runes, i) {
			flush(i)
		}
		if start < 0 {
			start = i
		}
	}
	flush(len(runes))
	return out
}

// appendWord adds one word, or the pairs of an unspaced script.
func appendWord(out []string, word []rune) []string {
	if kindOf(word[0]) == unspaced {
		for i := range max(len(word)-1, 1) {
			out = append(out, string(word[i:min(i+2, len(word))]))
		}
		return out
	}
	w := strings.ToLower(string(word))
	if len(w) > maxWordBytes {
		return out
	}
	return append(out, w)
}

type kind int

const (
	other kind = iota
	lower
	upper
	digit
	unspaced
)

func kindOf(r rune) kind {
	switch {
	case r >= 'a' && r <= 'z':
		return lower
	case r >= 'A' && r <= 'Z':
		return upper
	case r >= '0' && r <= '9':
		return digit
	case r < utf8.RuneSelf:
		return other
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer):
		return unspaced
	case unicode.IsUpper(r):
		return upper
	case unicode.IsLetter(r):
		return lower
	case unicode.IsDigit(r):
		return digit
	}
	return other
}

// splits reports whether a new word begins at runes[i], which continues one.
func splits(runes []rune, i int) bool {
	before, here := kindOf(runes[i-1]), kindOf(runes[i])
	switch {
	case before == here && here != upper:
		return false
	case before == upper && here == upper: // HTTPResponse: the R begins a word
		return i+1 < len(runes) && kindOf(runes[i+1]) == lower && !pluralS(runes, i+1)
	case before == upper && here == lower:
		return false
	}
	return true
}

// pluralS reports whether runes[i] is the s of URLs or IDs.
func pluralS(runes []rune, i int) bool {
	return runes[i] == 's' && (i+1 == len(runes) || kindOf(runes[i+1]) != lower)
}

// foldMarks writes letters without their accents, and full-width and other
// compatibility forms as the plain ones.
func foldMarks(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(s))
}

// clip cuts a text at a limit in bytes, not inside a character.
func clip(s string, max int) string {
	if len(s) <= max {
		return s
	}
	s = s[:max]
	for len(s) > 0 {
		if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s
}

// stopWords say nothing about which tool is meant: the small words of English
// and the wrapping of requests.
var stopWords = set(`
a an the this that these those some any such
i me my mine we us our you your he him his she her it its they them their
am is are was were be been being do does did doing done has have had having
will would shall should can could may might must
and or but if then else so than too very just also only both either neither nor not no
of in on at by for with about against between into through during before after above below to from
as while when where which who whom whose what why how
here there now please help want wants wanted need needs needed like let lets make sure able
thank thanks hi hello hey kindly
e g i.e etc via per
s t d ll re ve m don isn doesn
`)

func set(text string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(text) {
		m[w] = true
	}
	return m
}

package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	// MaxServerName is the most characters that a server's name may have.
	MaxServerName = 32

	maxPublicName = 64 // the most that clients and model APIs take
	hashBytes     = 4
	separator     = "__"
)

// CheckServerName reports why a name cannot be a server's, or nil. A server is
// called [a-z0-9][a-z0-9._-]{0,31}.
func CheckServerName(name string) error {
	if name == "" {
		return fmt.Errorf("a server needs a name")
	}
	if len(name) > MaxServerName {
		return fmt.Errorf("server name %q is longer than %d characters", name, MaxServerName)
	}
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("._-", r)) {
			return fmt.Errorf("server name %q: use lower-case letters, digits, '.', '_' and '-', and begin with a letter or digit", name)
		}
	}
	return nil
}

// PublicName is the name a client sees and calls: server__tool, at most 64
// characters of [A-Za-z0-9_-]. It comes out the same every time, and no two tools
// share one, as long as no two servers' names differ only in a dot for an
// underscore.
//
// For that a name ends in eight hexadecimal digits of a hash where it would not
// be the tool's alone: where it has to be cleaned or shortened, where the
// server's name blurs how far it goes (a__b + c is a + b__c), and where the
// tool's own name ends as if it had such a hash.
func PublicName(server, tool string) string {
	clean := strings.Map(func(r rune) rune {
		if isNameRune(r) {
			return r
		}
		return '_'
	}, tool)
	prefix := PublicServer(server) + separator
	if clean == tool && len(prefix)+len(clean) <= maxPublicName && !blurs(prefix) && !endsInHash(tool) {
		return prefix + clean
	}
	sum := sha256.Sum256([]byte(server + "\x00" + tool))
	suffix := "_" + hex.EncodeToString(sum[:hashBytes])
	return prefix + clean[:min(len(clean), maxPublicName-len(prefix)-len(suffix))] + suffix
}

// blurs tells whether the separator at the end of a prefix is not its first.
func blurs(prefix string) bool {
	return strings.Index(prefix, separator) < len(prefix)-len(separator)
}

// endsInHash tells whether a name ends like one that a hash was put to.
func endsInHash(name string) bool {
	start := len(name) - 2*hashBytes
	return start > 0 && name[start-1] == '_' && strings.Trim(name[start:], "0123456789abcdef") == ""
}

// PublicServer is a server's part of a public name: no dots.
func PublicServer(server string) string { return strings.ReplaceAll(server, ".", "_") }

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
}

// fold maps every spelling of a name to one: letter case and the kind of
// separator do not count. It keeps where words begin apart from where they
// don't, so that get_alerts and get-alerts meet and getalerts stays away.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '-', '.', '/', ':', ' ':
			return '_'
		}
		return r
	}, strings.ToLower(name))
}

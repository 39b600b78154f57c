package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// What a zero field of Options means, and how far the others may go.
const (
	DefaultBatch  = 64
	maxBatch      = 2048
	maxDimensions = 4096
	maxPrefix     = 500
)

// Options say which model to ask, and where.
type Options struct {
	URL            string   // of the endpoint, with or without /v1 and /embeddings at its end
	Model          string   // "" leaves the choice to the endpoint
	Key            string   // sent as a bearer token; "" sends none
	Headers        []string // "Name=value", sent with every request, stronger than Key
	Batch          int      // texts in one request; 0 is 64
	Dimensions     int      // length of vectors to ask for; 0 takes what the model gives
	QueryPrefix    string   // put before every query, for models that are made so
	DocumentPrefix string   // put before every tool's text
}

// Validate tells everything that is wrong with the settings, each mistake
// beginning with the key it is in.
func (o Options) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...)))
	}
	if _, err := o.endpoint(); err != nil {
		bad("url", "%w", err)
	}
	for i, pair := range o.Headers {
		name, value, ok := strings.Cut(pair, "=")
		switch key := fmt.Sprintf("headers[%d]", i); {
		case !ok || name == "":
			bad(key, "want Name=value")
		case strings.Trim(name, tokenChars) != "":
			bad(key, "want Name=value, without a colon or space in the name") // which may hold the secret
		case strings.ContainsAny(value, "\x00\r\n"):
			bad(key, "the value of %s holds a character it cannot", name)
		}
	}
	if strings.ContainsAny(o.Key, "\x00\r\n") {
		bad("key", "holds a character that a header cannot")
	}
	if o.Batch < 0 || o.Batch > maxBatch {
		bad("batch", "%d is out of range: 1 to %d", o.Batch, maxBatch)
	}
	if o.Dimensions < 0 || o.Dimensions > maxDimensions {
		bad("dimensions", "%d is out of range: 1 to %d, or 0 for what the model gives", o.Dimensions, maxDimensions)
	}
	if len(o.QueryPrefix) > maxPrefix {
		bad("query_prefix", "longer than %d bytes", maxPrefix)
	}
	if len(o.DocumentPrefix) > maxPrefix {
		bad("document_prefix", "longer than %d bytes", maxPrefix)
	}
	return errors.Join(errs...)
}

// tokenChars may make up a header's name.
const tokenChars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// endpoint is the address that is asked. People write it in three ways: the
// server alone, its API's root, and the route itself.
func (o Options) endpoint() (*url.URL, error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return nil, errors.Unwrap(err) // without the URL, which may hold a secret
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("scheme %q is neither http nor https", u.Scheme)
	case u.Host == "":
		return nil, errors.New("no host")
	case u.User != nil:
		return nil, errors.New("user and password belong into a header")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	switch {
	case u.Path == "":
		u.Path = "/v1/embeddings"
	case !strings.HasSuffix(u.Path, "/embeddings"):
		u.Path += "/embeddings"
	}
	u.RawPath, u.Fragment = "", ""
	return u, nil
}

// name tells models and settings apart of which the same text gets other
// vectors. The query of the URL holds versions and keys, and does not count.
func (o Options) name(u *url.URL) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s://%s%s\x00%s\x00%d\x00%q\x00%q",
		u.Scheme, u.Host, u.Path, o.Model, o.Dimensions, o.QueryPrefix, o.DocumentPrefix))
	return o.Model + "@" + u.Host + "/" + hex.EncodeToString(sum[:6])
}

// label names the model for people.
func (o Options) label(u *url.URL) string {
	if o.Model == "" {
		return u.Host
	}
	return o.Model + " @ " + u.Host
}

// Unencrypted reports whether a key would cross a network in the clear.
func (o Options) Unencrypted() bool {
	u, err := o.endpoint()
	if err != nil || u.Scheme != "http" || o.Key == "" && len(o.Headers) == 0 {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}

// header is what every request carries.
func (o Options) header() http.Header {
	h := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
	if o.Key != "" {
		h.Set("Authorization", "Bearer "+o.Key)
	}
	for _, pair := range o.Headers {
		name, value, _ := strings.Cut(pair, "=")
		h.Set(name, value)
	}
	return h
}

// secrets are the texts that no message may hold.
func (o Options) secrets(u *url.URL) (all []string) {
	if o.Key != "" {
		all = append(all, o.Key)
	}
	for _, pair := range o.Headers {
		_, value, _ := strings.Cut(pair, "=")
		all = append(all, value)
		if _, token, ok := strings.Cut(value, " "); ok { // Bearer …
			all = append(all, token)
		}
	}
	for _, values := range u.Query() {
		all = append(all, values...)
	}
	return all
}

// LogValue leaves out everything that may be secret.
func (o Options) LogValue() slog.Value {
	u, err := o.endpoint()
	if err != nil {
		return slog.StringValue("no endpoint")
	}
	return slog.StringValue(o.label(u))
}

// String is what may be printed of the settings.
func (o Options) String() string { return o.LogValue().String() }

// GoString keeps %#v from printing secrets.
func (o Options) GoString() string { return o.String() }

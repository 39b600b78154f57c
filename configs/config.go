package configs

import (
	"crypto/sha256"
	"encoding/hex"
	"reflect"
	"slices"
	"time"

	"toolrouter/index/remote"
)

// Config is what a config file says, with defaults, environment and flags
// worked in. Load and Default make one; nothing changes it afterwards.
//
// The json tags are the names of the keys in the file.
type Config struct {
	Listen  string   `json:"listen"` // host:port of the HTTP endpoint
	State   string   `json:"state"`  // the state directory, absolute
	Log     Log      `json:"log"`
	Search  Search   `json:"search"`
	Calls   Calls    `json:"calls"`
	HTTP    HTTP     `json:"http"`
	Servers []Server `json:"servers"`

	Path     string   `json:"-"` // where the file is or would be, absolute; "" if there is no place for one
	Source   Source   `json:"-"` // what kind of file was read
	Digest   string   `json:"-"` // of the file's bytes, as of FileDigest; "" without a file
	Reads    []string `json:"-"` // every file the values came from, the config file first: what a reload watches
	Warnings []string `json:"-"` // what is odd but stops nothing, one line each

	expanded map[string]bool // key paths of values that references were replaced in
}

// Log says what is logged and how.
type Log struct {
	Level  string `json:"level"`  // debug, info, warn or error
	Format string `json:"format"` // text or json
}

// The values that Log takes.
var (
	LogLevels  = []string{"debug", "info", "warn", "error"}
	LogFormats = []string{"text", "json"}
)

// Search says what a search answers and by which means.
type Search struct {
	Limit           int      `json:"limit"`            // hits a search gives unless it asks for another number, 1 to 20
	MaxTokens       int      `json:"max_tokens"`       // budget of one result, counted as bytes/4
	UnreviewedPrior float64  `json:"unreviewed_prior"` // factor on the scores of servers with trust: unreviewed, above 0 up to 1
	Embedder        Embedder `json:"embedder"`
}

// Calls bounds tool calls.
type Calls struct {
	MaxConcurrent int      `json:"max_concurrent"` // calls under way at once, all clients together
	Timeout       Duration `json:"timeout"`        // for one call, where a server has none of its own
}

// HTTP says who may speak to the endpoint. Loopback names are always welcome.
type HTTP struct {
	Hosts   []string `json:"hosts"`    // further Host names, with or without a port
	Origins []string `json:"origins"`  // further Origins, scheme://host[:port]
	MaxBody Size     `json:"max_body"` // of one request
}

// Source is the kind of file a Config was read from.
type Source string

// The kinds of files.
const (
	SourceNone   Source = "none"       // there is no file: defaults
	SourceYAML   Source = "yaml"       // our own keys, as YAML: the kind that Add, Remove and SetDisabled edit
	SourceJSON   Source = "json"       // our own keys, as JSON
	SourceTOML   Source = "toml"       // our own keys, as TOML
	SourceClient Source = "mcpServers" // Claude Desktop, Claude Code, Cursor and others
	SourceVSCode Source = "vscode"     // VS Code's mcp.json, or settings.json with mcp.servers
)

const defaultListen = "127.0.0.1:7411"

// Default gives the config of an empty file, without a state directory.
func Default() *Config {
	return &Config{
		Listen:  defaultListen,
		Log:     Log{Level: "info", Format: "text"},
		Search:  Search{Limit: 5, MaxTokens: 1200, UnreviewedPrior: 0.7, Embedder: defaultEmbedder()},
		Calls:   Calls{MaxConcurrent: 512, Timeout: Duration(time.Minute)},
		HTTP:    HTTP{Hosts: []string{}, Origins: []string{}, MaxBody: 4 << 20},
		Servers: []Server{},
		Source:  SourceNone,
	}
}

func defaultEmbedder() Embedder {
	return Embedder{Headers: []string{}, Timeout: Duration(remote.DefaultTimeout), Batch: remote.DefaultBatch}
}

// Changed lists the keys that have another value in next. What is said of single
// servers counts as the one key servers.
func (c *Config) Changed(next *Config) []string {
	before, after := settingsOf(c), settingsOf(next)
	return slices.DeleteFunc(sortedKeys(before), func(path string) bool {
		return reflect.DeepEqual(before[path].val, after[path].val)
	})
}

// FileDigest is the same as long as the bytes of a config file are, and "" while
// there is no file to read. Compared with [Config.Digest] it tells whether a
// config was read from the file as it is now.
func FileDigest(path string) string {
	src, _, err := readRegular(path, maxFile)
	if err != nil {
		return ""
	}
	return digestOf(src)
}

func digestOf(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:])
}

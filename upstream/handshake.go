package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

// How long a server may take to answer the question whether it speaks revision
// 2026-07-28. One that ignores unknown methods costs this much at its first
// start; a child that is slow to come up is asked again if the older handshake
// fails.
const (
	probeStdio = 1500 * time.Millisecond
	probeHTTP  = 5 * time.Second
)

// errNotModern says that a server does not speak revision 2026-07-28.
var errNotModern = errors.New("the server does not speak revision " + mcp.ProtocolVersion20260728)

// discovery is the part of a server/discover result that we read.
type discovery struct {
	SupportedVersions []string `json:"supportedVersions"`
	Instructions      string   `json:"instructions"`
	Capabilities      struct {
		Tools struct {
			ListChanged bool `json:"listChanged"`
		} `json:"tools"`
	} `json:"capabilities"`
	Meta map[string]json.RawMessage `json:"_meta"`
}

// discover asks a server whether it speaks revision 2026-07-28. An older one
// that answers whatever it does not know with an empty result is not taken for
// one that does.
func discover(ctx context.Context, w wire, version string, limit time.Duration) (about, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	protocol := mcp.ProtocolVersion20260728
	raw, err := w.request(ctx, string(mcp.MethodServerDiscover), newRequestMeta(protocol, version).plainParams(""),
		http.Header{mcp.HeaderMethod: {string(mcp.MethodServerDiscover)}})
	if err != nil {
		return about{}, err
	}
	var d discovery
	if json.Unmarshal(raw, &d) != nil || !slices.Contains(d.SupportedVersions, protocol) {
		return about{}, errNotModern
	}
	var info mcp.Implementation
	_ = json.Unmarshal(d.Meta[mcp.MetaKeyServerInfo], &info) // it need not be there
	a := newAbout(info, protocol, d.Instructions)
	a.listChanged = d.Capabilities.Tools.ListChanged
	a.older = slices.Contains(d.SupportedVersions, mcp.LATEST_LEGACY_PROTOCOL_VERSION)
	return a, nil
}

// final reports whether an error of discover leaves nothing to try on the same
// connection.
func final(err error) bool {
	var lost *lostError
	var signIn *signInError
	return errors.As(err, &lost) || errors.As(err, &signIn)
}

// initialize makes the handshake of the revisions before 2026-07-28, with
// mcp-go's client. All that a client can do is declared: whose call it will be
// is not known yet, and some servers list more tools then.
func initialize(ctx context.Context, w wire, protocol, version string) (about, error) {
	if protocol == "" {
		protocol = mcp.LATEST_LEGACY_PROTOCOL_VERSION
	}
	c := client.NewClient(w, client.WithProtocolVersion(protocol), client.WithClientCapabilities(mcp.ClientCapabilities{
		Sampling:    &mcp.SamplingCapability{},
		Elicitation: &mcp.ElicitationCapability{Form: &struct{}{}, URL: &struct{}{}},
		Roots: &struct {
			ListChanged bool `json:"listChanged,omitempty"`
		}{ListChanged: true},
	}))
	r, err := c.Initialize(ctx, mcp.InitializeRequest{Params: mcp.InitializeParams{ClientInfo: clientInfo(version)}})
	if err != nil {
		return about{}, fmt.Errorf("handshake: %w", handshakeError(err))
	}
	a := newAbout(r.ServerInfo, r.ProtocolVersion, r.Instructions)
	a.listChanged = r.Capabilities.Tools != nil && r.Capabilities.Tools.ListChanged
	a.logging = r.Capabilities.Logging != nil
	return a, nil
}

// handshakeError finds our own error in what mcp-go's client makes of it.
func handshakeError(err error) error {
	var signIn *signInError
	var lost *lostError
	switch {
	case errors.As(err, &signIn):
		return signIn
	case errors.As(err, &lost):
		return lost
	}
	return plainHTTPError(err)
}

// Limits of what a server says of itself.
const (
	maxTitle        = 200
	maxInstructions = 16 << 10
)

func newAbout(info mcp.Implementation, protocol, instructions string) about {
	title := info.Title
	if title == "" {
		title = info.Name
	}
	return about{
		title:        catalog.Clip(catalog.Printable(title), maxTitle),
		version:      catalog.Clip(catalog.Printable(info.Version), maxTitle),
		protocol:     protocol,
		instructions: catalog.Clip(instructions, maxInstructions),
	}
}

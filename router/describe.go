package router

import "encoding/json"

// The two tools as a client sees them. Their names never change.
const (
	SearchTool = "search_tools"
	CallTool   = "call_tool"
)

const searchDescription = `Find tools on the connected servers listed below. Say what you need in plain words and get the few tools that fit, as one-line signatures ready for call_tool.
Use it first for anything these servers cover: before a shell, curl, a web search or your own code, and before saying that something can't be done. One search per kind of task is enough; keep the names you were given.
A signature usually says all that a call needs. If it ends in … or {…} and you need more, load the full schema with "tools".
Examples: {"query":"open a ticket"} · {"server":"github"} lists one server · {"tools":["github__create_issue"]} loads a schema.

Servers:
`

const callDescription = `Call a tool that search_tools found, by the name shown there, with its arguments as an object.
Example: {"name":"github__create_issue","arguments":{"owner":"octo","repo":"app","title":"Crash on start"}}
Arguments are checked before anything is sent: if they don't fit, nothing was done, and the answer says what to change. Otherwise the answer is the tool's own, unchanged. Tools marked [write] or [destructive] change things: be sure that is wanted.`

// definition is one entry of tools/list.
type definition struct {
	Name        string          `json:"name"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"inputSchema"`
	Annotations hints           `json:"annotations"`
}

// hints are all four annotations, since what a client assumes of a missing one
// differs.
type hints struct {
	ReadOnly    bool `json:"readOnlyHint"`
	Destructive bool `json:"destructiveHint"`
	Idempotent  bool `json:"idempotentHint"`
	OpenWorld   bool `json:"openWorldHint"`
}

// property is one parameter of our own two tools. Only keywords that every
// client takes are used: none of them at the top level of a schema.
type property struct {
	Type        string         `json:"type"`
	Description string         `json:"description"`
	Items       map[string]any `json:"items,omitempty"`
	MaxItems    int            `json:"maxItems,omitempty"`
	MaxLength   int            `json:"maxLength,omitempty"`
	Minimum     int            `json:"minimum,omitempty"`
	Maximum     int            `json:"maximum,omitempty"`
	Default     int            `json:"default,omitempty"`
	Open        bool           `json:"additionalProperties,omitempty"`
}

// objectSchema lists properties in the order in which a model should meet them.
type objectSchema struct {
	Type       string   `json:"type"`
	Properties any      `json:"properties"`
	Required   []string `json:"required,omitempty"`
}

func searchSchema(limit int) objectSchema {
	return objectSchema{Type: "object", Properties: struct {
		Query  property `json:"query"`
		Tools  property `json:"tools"`
		Server property `json:"server"`
		Limit  property `json:"limit"`
		Cursor property `json:"cursor"`
	}{
		Query: property{Type: "string", MaxLength: maxQuery,
			Description: `What you need, in plain words or keywords, or a tool's name: "unread mail from Ada"`},
		Tools: property{Type: "array", Items: map[string]any{"type": "string"}, MaxItems: maxLoaded,
			Description: "Names of tools whose full schemas to load"},
		Server: property{Type: "string",
			Description: "Only this server; alone, it lists the server's tools"},
		Limit: property{Type: "integer", Minimum: 1, Maximum: maxLimit, Default: limit,
			Description: "How many hits"},
		Cursor: property{Type: "string",
			Description: `From the "more" line of an answer: the next page of the same search`},
	}}
}

func callSchema() objectSchema {
	return objectSchema{Type: "object", Required: []string{"name"}, Properties: struct {
		Name      property `json:"name"`
		Arguments property `json:"arguments"`
	}{
		Name:      property{Type: "string", Description: "The tool's name as search_tools shows it: server__tool"},
		Arguments: property{Type: "object", Open: true, Description: "The tool's arguments, as its signature says; leave it out if there are none"},
	}}
}

// toolsJSON is the tools array of a tools/list answer.
func toolsJSON(overview string, limit int) json.RawMessage {
	return mustMarshal([]definition{
		{
			Name: SearchTool, Title: "Find tools",
			Description: searchDescription + overview,
			InputSchema: mustMarshal(searchSchema(limit)),
			Annotations: hints{ReadOnly: true, Idempotent: true},
		},
		{
			Name: CallTool, Title: "Call a tool",
			Description: callDescription,
			InputSchema: mustMarshal(callSchema()),
			Annotations: hints{Destructive: true, OpenWorld: true},
		},
	})
}

func instructionsText(overview string) string {
	return "This endpoint reaches the tools of the servers below through two tools. search_tools finds the right one from a few plain words; call_tool calls it. " +
		"Search here before using a shell or the web for anything these servers cover, and before giving up.\n\n" + overview
}

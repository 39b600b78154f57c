package demo

import (
	"context"
	"embed"
	"io"
	"log"
	"os"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

//go:embed sample
var samples embed.FS

const version = "1.0.0" // of the bundled servers, which change together

// Hints of a tool, all four said aloud: left out, they mean the worst.
var (
	reads    = hints(true, false, true)
	writes   = hints(false, false, false)
	replaces = hints(false, true, true)
	deletes  = hints(false, true, false)
)

func hints(readOnly, destructive, idempotent bool) mcp.ToolOption {
	openWorld := false
	return mcp.WithToolAnnotation(mcp.ToolAnnotation{
		ReadOnlyHint: &readOnly, DestructiveHint: &destructive, IdempotentHint: &idempotent, OpenWorldHint: &openWorld,
	})
}

func newServer(name, title, instructions string) *server.MCPServer {
	return server.NewMCPServer(name, version,
		server.WithTitle(title),
		server.WithInstructions(instructions),
		server.WithToolCapabilities(false),
		server.WithInputSchemaValidation(),
		server.WithRecovery(),
	)
}

// add adds a tool that answers in text.
func add[In any](s *server.MCPServer, name, description string, hint mcp.ToolOption, do func(context.Context, In) (string, error)) {
	t := mcp.NewTool(name, mcp.WithDescription(description), mcp.WithInputSchema[In](), hint)
	s.AddTool(t, mcp.NewTypedToolHandler(func(ctx context.Context, _ mcp.CallToolRequest, in In) (*mcp.CallToolResult, error) {
		text, err := do(ctx, in)
		if err != nil {
			return mcp.NewToolResultError(err.Error()), nil
		}
		return mcp.NewToolResultText(text), nil
	}))
}

// addRecord adds a tool that answers with a record, described by an output
// schema and given as text too.
func addRecord[In, Out any](s *server.MCPServer, name, description string, hint mcp.ToolOption, do func(context.Context, In) (Out, error)) {
	t := mcp.NewTool(name, mcp.WithDescription(description), mcp.WithInputSchema[In](), mcp.WithOutputSchema[Out](), hint)
	s.AddTool(t, mcp.NewTypedToolHandler(func(ctx context.Context, _ mcp.CallToolRequest, in In) (*mcp.CallToolResult, error) {
		record, err := do(ctx, in)
		if err != nil {
			return mcp.NewToolResultError(err.Error()), nil
		}
		return mcp.NewToolResultStructuredOnly(record), nil
	}))
}

// serve speaks MCP on in and out until in ends or ctx does.
func serve(ctx context.Context, s *server.MCPServer, in io.Reader, out io.Writer) error {
	stdio := server.NewStdioServer(s)
	stdio.SetErrorLogger(log.New(os.Stderr, "", 0))
	return stdio.Listen(ctx, in, out)
}

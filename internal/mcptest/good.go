package mcptest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// NewServer is a well-behaved server of every revision. Its tools:
//
//	echo      gives its text back
//	sleep     answers after ms milliseconds
//	pid       tells its process
//	calls     counts the calls of echo, sleep and itself
//	fail      is a tool error
//	progress  reports count times, then answers
//	log       sends one log message
//	elicit    asks the client's user
//	sample    asks the client's model
//	roots     asks for the client's roots
//	grow      adds a tool, whose name is given
func NewServer() *server.MCPServer {
	s := server.NewMCPServer("mcptest", "1.2.3",
		server.WithToolCapabilities(true), server.WithLogging(), server.WithElicitation(), server.WithRoots(),
		server.WithInstructions("A server for tests."))
	s.EnableSampling()
	var calls atomic.Int64
	add := func(name, description string, f func(context.Context, mcp.CallToolRequest) (string, error), options ...mcp.ToolOption) {
		s.AddTool(mcp.NewTool(name, append(options, mcp.WithDescription(description))...),
			func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				text, err := f(ctx, r)
				if err != nil {
					return mcp.NewToolResultError(err.Error()), nil
				}
				return mcp.NewToolResultText(text), nil
			})
	}
	add("echo", "Gives its text back.", func(_ context.Context, r mcp.CallToolRequest) (string, error) {
		calls.Add(1)
		return r.GetString("text", ""), nil
	}, mcp.WithString("text"))
	add("sleep", "Answers after a while.", func(ctx context.Context, r mcp.CallToolRequest) (string, error) {
		calls.Add(1)
		return "slept", sleep(ctx, time.Duration(r.GetInt("ms", 0))*time.Millisecond)
	}, mcp.WithNumber("ms"))
	add("pid", "Tells its process.", func(context.Context, mcp.CallToolRequest) (string, error) {
		return fmt.Sprint(os.Getpid()), nil
	})
	add("calls", "Counts calls.", func(context.Context, mcp.CallToolRequest) (string, error) {
		return fmt.Sprint(calls.Add(1)), nil
	})
	add("fail", "Is a tool error.", func(context.Context, mcp.CallToolRequest) (string, error) {
		return "", errors.New("it failed")
	})
	add("grow", "Adds a tool.", func(_ context.Context, r mcp.CallToolRequest) (string, error) {
		s.AddTool(mcp.NewTool(r.GetString("name", "grown")), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultText("grown"), nil
		})
		return "added", nil
	}, mcp.WithString("name"))
	addTalk(s, add)
	return s
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		fmt.Fprintln(os.Stderr, "mcptest: cancelled")
		return ctx.Err()
	}
}

type toolAdder func(name, description string, f func(context.Context, mcp.CallToolRequest) (string, error), options ...mcp.ToolOption)

// addTalk adds the tools that talk to the client during a call.
func addTalk(s *server.MCPServer, add toolAdder) {
	add("progress", "Reports progress.", func(ctx context.Context, r mcp.CallToolRequest) (string, error) {
		count, every := r.GetInt("count", 3), time.Duration(r.GetInt("every_ms", 5))*time.Millisecond
		for i := range count {
			if r.Params.Meta != nil && r.Params.Meta.ProgressToken != nil {
				_ = s.SendNotificationToClient(ctx, "notifications/progress", map[string]any{
					"progressToken": r.Params.Meta.ProgressToken, "progress": i + 1, "total": count,
				})
			}
			if err := sleep(ctx, every); err != nil {
				return "", err
			}
		}
		return "done", nil
	}, mcp.WithNumber("count"), mcp.WithNumber("every_ms"))
	add("log", "Sends a log message.", func(ctx context.Context, _ mcp.CallToolRequest) (string, error) {
		err := s.SendNotificationToClient(ctx, "notifications/message", map[string]any{"level": "warning", "data": "a log message"})
		time.Sleep(10 * time.Millisecond) // or the answer might overtake it
		return "logged", err
	})
	add("elicit", "Asks the user.", func(ctx context.Context, _ mcp.CallToolRequest) (string, error) {
		r, err := s.RequestElicitation(ctx, mcp.ElicitationRequest{Params: mcp.ElicitationParams{
			Message: "what is your name?", RequestedSchema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"}}}`),
		}})
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s %v", r.Action, r.Content), nil
	})
	add("sample", "Asks the model.", func(ctx context.Context, _ mcp.CallToolRequest) (string, error) {
		r, err := s.RequestSampling(ctx, mcp.CreateMessageRequest{CreateMessageParams: mcp.CreateMessageParams{
			Messages:  []mcp.SamplingMessage{{Role: mcp.RoleUser, Content: mcp.NewTextContent("say something")}},
			MaxTokens: 10,
		}})
		if err != nil {
			return "", err
		}
		return r.Model, nil
	})
	add("roots", "Asks for roots.", func(ctx context.Context, _ mcp.CallToolRequest) (string, error) {
		r, err := s.RequestRoots(ctx, mcp.ListRootsRequest{})
		if err != nil {
			return "", err
		}
		return fmt.Sprint(len(r.Roots)), nil
	})
}

// serveGood serves NewServer on standard input and output.
func serveGood([]string) {
	if err := server.ServeStdio(NewServer(), server.WithWorkerPoolSize(64), server.WithQueueSize(1000)); err != nil {
		fmt.Fprintln(os.Stderr, "mcptest:", err)
		os.Exit(1)
	}
}

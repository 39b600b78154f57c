package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// maxArguments bounds what is read from standard input as arguments.
const maxArguments = 4 << 20

func newCallCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "call NAME [JSON | - | KEY=VALUE …]",
		Short: "Call a tool and print its result",
		Long: `Call a tool and print its result. The arguments are a JSON object, "-" for one on
standard input, or KEY=VALUE pairs; a value that is a number, true, false, null, an
object or an array in JSON counts as that, every other one as text.

` + exitCodesHelp,
		Example: `  router call time__current_time timezone=Europe/Berlin
  router call files__read_file '{"path":"welcome.md"}'
  echo '{"path":"welcome.md"}' | router call files__read_file - --json`,
		Args: wants(1, 0, "the name of a tool"),
		RunE: func(c *cobra.Command, args []string) error {
			arguments, err := callArguments(args[1:], e.in)
			if err != nil {
				return fail(exitUsage, "", err)
			}
			return runCall(c.Context(), e, args[0], arguments)
		},
	}
}

// errUncertain is told of a call that a person has interrupted.
var errUncertain = fmt.Errorf("%w; the tool may or may not have carried it out", errInterrupted)

func runCall(ctx context.Context, e *env, name string, arguments json.RawMessage) error {
	var raw json.RawMessage
	err := e.withRouter(ctx, needTools, func(inner context.Context, d doer) (err error) {
		if raw, err = d.Call(inner, name, arguments); err != nil && ctx.Err() != nil {
			return errUncertain
		}
		return err
	})
	if err != nil {
		return err
	}
	if e.json {
		if err := printJSON(e.out, raw); err != nil {
			return err
		}
	} else if err := printResult(e.out, raw); err != nil {
		return err
	}
	if _, isError := resultText(raw); isError {
		e.hintToAdd()
		return fail(exitToolError, "", errSilent)
	}
	return nil
}

// callArguments reads the arguments in the three ways they can be given.
func callArguments(args []string, in io.Reader) (json.RawMessage, error) {
	switch {
	case len(args) == 0:
		return nil, nil
	case len(args) == 1 && args[0] == "-":
		text, err := io.ReadAll(io.LimitReader(in, maxArguments+1))
		if err != nil {
			return nil, fmt.Errorf("read arguments: %w", err)
		}
		if len(text) > maxArguments {
			return nil, fmt.Errorf("arguments of over %d bytes", maxArguments)
		}
		return object(text)
	case len(args) == 1 && strings.HasPrefix(strings.TrimSpace(args[0]), "{"):
		return object([]byte(args[0]))
	}
	pairs := map[string]json.RawMessage{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("argument %q is not KEY=VALUE, and one JSON object, or - for one on standard input, stands alone", arg)
		}
		if _, twice := pairs[key]; twice {
			return nil, fmt.Errorf("argument %q is given twice", key)
		}
		pairs[key] = literal(value)
	}
	return json.Marshal(pairs)
}

func object(text []byte) (json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("the arguments are not a JSON object: %w", err)
	}
	return text, nil
}

// literal reads a value as JSON if it is that, and as text if not. Quoted text
// stays as it was typed.
func literal(value string) json.RawMessage {
	if json.Valid([]byte(value)) && !strings.HasPrefix(value, `"`) {
		return json.RawMessage(value)
	}
	text, _ := json.Marshal(value) // strings always marshal
	return text
}

// content is the little of a result that a terminal can show.
type content struct {
	Type     string          `json:"type"`
	Text     string          `json:"text"`
	Data     string          `json:"data"`
	MimeType string          `json:"mimeType"`
	URI      string          `json:"uri"`
	Resource json.RawMessage `json:"resource"`
}

type result struct {
	Content    []content       `json:"content"`
	Structured json.RawMessage `json:"structuredContent"`
	IsError    bool            `json:"isError"`
}

// resultText gives a result's text items and whether the tool failed.
func resultText(raw json.RawMessage) (text string, isError bool) {
	var r result
	_ = json.Unmarshal(raw, &r)
	var parts []string
	for _, c := range r.Content {
		if c.Type == "text" {
			parts = append(parts, c.Text)
		}
	}
	return strings.Join(parts, "\n"), r.IsError
}

// printResult shows a result to a person: text as it is, the rest by kind and size.
func printResult(w io.Writer, raw json.RawMessage) error {
	var r result
	if err := json.Unmarshal(raw, &r); err != nil {
		return errors.New("the tool's result is not one that can be shown; --json prints it as it came")
	}
	for _, c := range r.Content {
		switch c.Type {
		case "text":
			fmt.Fprintln(w, terminalSafe(w, c.Text))
		case "image", "audio":
			fmt.Fprintf(w, "[%s %s, %d bytes of base64; --json prints it]\n", c.Type, terminalSafe(w, c.MimeType), len(c.Data))
		case "resource_link":
			fmt.Fprintf(w, "[link %s]\n", terminalSafe(w, c.URI))
		default:
			fmt.Fprintf(w, "[%s; --json prints it]\n", terminalSafe(w, c.Type))
		}
	}
	if len(r.Content) == 0 && r.Structured != nil {
		return printJSON(w, r.Structured)
	}
	return nil
}

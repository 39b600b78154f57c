package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// roleVariable makes the test binary be the echo backend instead.
const roleVariable = "BENCH_ECHO"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "stdio":
		_ = server.ServeStdio(echoServer(), server.WithWorkerPoolSize(64))
	case "http":
		serveHTTP()
	default:
		code := m.Run()
		if program.dir != "" {
			os.RemoveAll(program.dir)
		}
		os.Exit(code)
	}
}

func echoServer() *server.MCPServer {
	s := server.NewMCPServer("echo", "1")
	s.AddTool(mcp.NewTool("echo", mcp.WithString("text", mcp.Required())), func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText(r.GetString("text", "")), nil
	})
	return s
}

// serveHTTP tells where it listens on standard output, and ends with its input.
func serveHTTP() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(ln.Addr())
	go http.Serve(ln, server.NewStreamableHTTPServer(echoServer())) // ends with the process
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

// program is the router, built once, when the first benchmark wants it.
var program struct {
	once sync.Once
	dir  string
	path string
	err  error
}

func routerBinary(b *testing.B) string {
	b.Helper()
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "bench"); program.err != nil {
			return
		}
		program.path = filepath.Join(program.dir, "router")
		if out, err := exec.Command("go", "build", "-o", program.path, "toolrouter/cmd/router").CombinedOutput(); err != nil {
			program.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if program.err != nil {
		b.Fatal(program.err)
	}
	return program.path
}

// BenchmarkCall makes calls of 200 bytes. A pair of sub-benchmarks differs only
// in what stands between client and backend.
func BenchmarkCall(b *testing.B) {
	for _, wire := range []string{"http", "stdio"} {
		for _, revision := range []string{"2025-11-25", "2026-07-28"} {
			direct := map[int]float64{} // ns a call, by callers
			b.Run(fmt.Sprintf("%s/%s/direct", wire, revision), func(b *testing.B) {
				c := connect(b, directTransport(b, wire), revision)
				measure(b, c, "echo", echoArguments, direct, nil)
			})
			b.Run(fmt.Sprintf("%s/%s/router", wire, revision), func(b *testing.B) {
				c := connect(b, routedTransport(b, wire, revision), revision)
				arguments := json.RawMessage(fmt.Sprintf(`{"name":"echo__echo","arguments":%s}`, echoArguments))
				awaitBackend(b, c, arguments)
				measure(b, c, "call_tool", arguments, nil, direct)
			})
		}
	}
}

var echoArguments = json.RawMessage(`{"text":"` + strings.Repeat("0123456789", 20) + `"}`)

// measure calls from one caller and from 64. It keeps the times in out, or
// compares them with those in with.
func measure(b *testing.B, c *client.Client, tool string, arguments json.RawMessage, out, with map[int]float64) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			b.ReportAllocs()
			if callers == 1 {
				for b.Loop() {
					call(b, c, tool, arguments)
				}
			} else {
				b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0)))
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						call(b, c, tool, arguments)
					}
				})
			}
			each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			b.ReportMetric(1e9/each, "calls/s")
			if out != nil {
				out[callers] = each
			} else if with[callers] > 0 {
				b.ReportMetric(each/with[callers], "x-direct")
				b.ReportMetric((each-with[callers])/1e3, "added-µs")
			}
		})
	}
}

func call(b *testing.B, c *client.Client, tool string, arguments json.RawMessage) {
	r, err := c.CallTool(context.Background(), mcp.CallToolRequest{Params: mcp.CallToolParams{Name: tool, Arguments: arguments}})
	if err != nil {
		b.Error(err)
	} else if text, ok := r.Content[0].(mcp.TextContent); !ok || r.IsError || len(text.Text) != 200 {
		b.Errorf("the call gives %v", r.Content)
	}
}

func connect(b *testing.B, t transport.Interface, revision string) *client.Client {
	b.Helper()
	c := client.NewClient(t, client.WithProtocolVersion(revision))
	b.Cleanup(func() { _ = c.Close() })
	if err := c.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	if _, err := c.Initialize(context.Background(), mcp.InitializeRequest{Params: mcp.InitializeParams{
		ProtocolVersion: revision, ClientInfo: mcp.Implementation{Name: "bench", Version: "1"},
	}}); err != nil {
		b.Fatal(err)
	}
	return c
}

// awaitBackend calls until the router has listed the backend.
func awaitBackend(b *testing.B, c *client.Client, arguments json.RawMessage) {
	b.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		r, err := c.CallTool(context.Background(), mcp.CallToolRequest{Params: mcp.CallToolParams{Name: "call_tool", Arguments: arguments}})
		if err == nil && !r.IsError {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("the router cannot call the backend: %v, %v", err, r)
		}
	}
}

// directTransport talks to an echo backend.
func directTransport(b *testing.B, wire string) transport.Interface {
	if wire == "stdio" {
		return transport.NewStdio(os.Args[0], []string{roleVariable + "=stdio"})
	}
	return httpTransport(b, echoURL(b))
}

// routedTransport talks to a router in front of an echo backend that is reached
// by the same wire in the same revision.
func routedTransport(b *testing.B, wire, revision string) transport.Interface {
	b.Helper()
	bin := routerBinary(b)
	echo := map[string]any{"name": "echo", "protocol": revision, "concurrency": 64}
	if wire == "stdio" {
		echo["command"], echo["env"] = []string{os.Args[0]}, []string{roleVariable + "=stdio"}
	} else {
		echo["url"] = echoURL(b)
	}
	state, err := os.MkdirTemp("", "bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(state) })
	config, err := json.Marshal(map[string]any{"servers": []any{echo}})
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(state, "config.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		b.Fatal(err)
	}
	global := []string{"--state", state, "--config", file, "--log-level", "error"}
	if wire == "stdio" {
		return transport.NewStdio(bin, nil, append(global, "stdio")...)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free now
	if err != nil {
		b.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	startProcess(b, exec.Command(bin, append(global, "serve", "--listen", addr)...))
	awaitHTTP(b, "http://"+addr+"/healthz")
	return httpTransport(b, "http://"+addr+"/mcp")
}

// echoURL starts an echo backend over HTTP.
func echoURL(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=http")
	if _, err := cmd.StdinPipe(); err != nil { // open as long as this process lives
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	startProcess(b, cmd)
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr) + "/mcp"
}

func startProcess(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if b.Failed() {
			b.Log(said.String())
		}
	})
}

func awaitHTTP(b *testing.B, url string) {
	b.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get(url)
		if err == nil {
			resp.Body.Close()
			return
		}
		if time.Now().After(end) {
			b.Fatal(err)
		}
	}
}

// httpTransport keeps a connection for every caller.
func httpTransport(b *testing.B, url string) transport.Interface {
	b.Helper()
	pool := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t, err := transport.NewStreamableHTTP(url, transport.WithHTTPBasicClient(pool))
	if err != nil {
		b.Fatal(err)
	}
	return t
}

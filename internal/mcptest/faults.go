package mcptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// kinds are the servers that a process can be. Those that misbehave in a call do
// so when its arguments hold the word "bad", and else answer well.
var kinds = map[string]func(args []string){
	"good": serveGood,
	"raw":  func([]string) { (&rawServer{}).serve() },

	// Starting.
	"exit0":       func([]string) {},
	"exit1":       func([]string) { fmt.Fprintln(os.Stderr, "mcptest: cannot find a thing"); os.Exit(1) },
	"exit127":     func([]string) { os.Exit(127) },
	"mute":        func([]string) { select {} },
	"diesOnProbe": onMethod("server/discover", func(*rawServer, Message) { os.Exit(1) }),
	"ignores":     onMethod("server/discover", func(*rawServer, Message) {}), // as some do with what they do not know
	"sloppy":      onMethod("server/discover", func(s *rawServer, m Message) { s.result(m.ID, `{}`) }),
	"banner": func([]string) {
		fmt.Println("Welcome!\nServer is running on stdio")
		(&rawServer{}).serve()
	},
	"counted": counted,

	// Framing.
	"junk": inCall(func(s *rawServer, m Message) {
		s.write("debug: got %s\n", m.Method)
		s.answer(m)
		s.write("[1,2\nok\n")
	}),
	"bytewise": inCall(bytewise),
	"twoInOne": inCall(func(s *rawServer, m Message) {
		s.write(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}`+"\n"+reply, m.ID, echoed(m))
	}),
	"crlf":  inCall(func(s *rawServer, m Message) { s.write("\r\n\r\n"+strings.TrimSpace(reply)+"\r\n", m.ID, echoed(m)) }),
	"bom":   inCall(func(s *rawServer, m Message) { s.write("\ufeff"+reply, m.ID, echoed(m)) }),
	"batch": inCall(func(s *rawServer, m Message) { s.write("["+strings.TrimSpace(reply)+"]\n", m.ID, echoed(m)) }),
	"pretty": inCall(func(s *rawServer, m Message) {
		s.write("{\n  \"jsonrpc\": \"2.0\",\n  \"id\": %s,\n  \"result\": {}\n}\n", m.ID)
	}),
	"huge": inCall(func(s *rawServer, m Message) {
		huge(s, `{"jsonrpc":"2.0","id":`+string(m.ID)+`,"result":{"x":"`, `"}}`)
	}),
	"hugeLast": inCall(func(s *rawServer, m Message) {
		huge(s, `{"result":{"x":"`, `"},"jsonrpc":"2.0","id":`+string(m.ID)+`}`)
	}),
	"deep":     inCall(deep),
	"stringID": inCall(func(s *rawServer, m Message) { s.result([]byte(`"`+string(m.ID)+`"`), echoed(m)) }),
	"otherID":  inCall(func(s *rawServer, m Message) { s.result([]byte("987654321"), `{}`); s.answer(m) }),
	"twice":    inCall(func(s *rawServer, m Message) { s.answer(m); s.result(m.ID, `{"content":[]}`) }),
	"both": inCall(func(s *rawServer, m Message) {
		s.write(`{"jsonrpc":"2.0","id":%s,"result":{},"error":{"code":1,"message":"x"}}`+"\n", m.ID)
	}),
	"neither": inCall(func(s *rawServer, m Message) { s.write(`{"jsonrpc":"2.0","id":%s}`+"\n", m.ID) }),
	"repeated": inCall(func(s *rawServer, m Message) {
		s.write(`{"jsonrpc":"2.0","id":%s,"result":{},"result":{"content":[]}}`+"\n", m.ID)
	}),
	"errorData": inCall(func(s *rawServer, m Message) {
		s.write(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32042,"message":"no","data":{"z":1, "a":12345678901234567890}}}`+"\n", m.ID)
	}),
	"verbatim": inCall(func(s *rawServer, m Message) { s.result(m.ID, Verbatim) }),

	// Behaviour.
	"hangs":   inCall(func(*rawServer, Message) {}),
	"deaf":    inCall(func(*rawServer, Message) { select {} }),
	"crashes": inCall(func(*rawServer, Message) { os.Exit(7) }),
	"floods":  inCall(floods),
	"asksBadly": inCall(func(s *rawServer, m Message) {
		s.write(`{"jsonrpc":"2.0","id":"q1","method":"no/such","params":{}}` + "\n")
		s.answer(m)
	}),
	"stubborn":   stubborn,
	"grandchild": grandchild,
	"stderrs":    stderrs,
	"leaky":      leaky,

	// Listing.
	"oddTools": func([]string) { (&rawServer{tools: oddTools}).serve() },
	"loop":     onMethod("tools/list", func(s *rawServer, m Message) { s.result(m.ID, `{"tools":[],"nextCursor":"again"}`) }),
	"endless":  endless,
	"pages":    onMethod("tools/list", pages),
	"noTools":  onMethod("tools/list", func(s *rawServer, m Message) { s.fault(m.ID, -32601, "Method not found") }),
}

// Verbatim is a result that typed code would change: unknown fields and content
// types, an odd order, a number that does not fit, and spaces.
const Verbatim = `{"zeta":1,"content":[{"type":"hologram","x":1.0,"big":12345678901234567890}],  "structuredContent":[1,2],"_meta":{"b":1,"a":2}}`

// oddTools are one good tool among what breaks typed readers.
const oddTools = `{"name":"good","inputSchema":{"type":"object"}},` +
	`{"name":"nullable","inputSchema":{"type":["object","null"]}},` +
	`{"name":"anything","inputSchema":true,"annotations":[]},` +
	`{"name":7},{"inputSchema":{}},"text",` +
	`{"name":"good","description":"the second of that name"}`

// onMethod makes a server that deals with one method in its own way.
func onMethod(method string, f func(*rawServer, Message)) func([]string) {
	return on(func(m Message) bool { return m.Method == method }, f)
}

// inCall makes a server that misbehaves in a bad call.
func inCall(f func(*rawServer, Message)) func([]string) {
	return on(func(m Message) bool { return calls(m, "bad") }, f)
}

// on makes a server that deals with certain messages in its own way.
func on(fits func(Message) bool, f func(*rawServer, Message)) func([]string) {
	return func([]string) {
		s := &rawServer{before: func(s *rawServer, m Message) bool {
			if !fits(m) {
				return false
			}
			f(s, m)
			return true
		}}
		s.serve()
	}
}

func bytewise(s *rawServer, m Message) {
	for _, c := range fmt.Appendf(nil, reply, m.ID, echoed(m)) {
		s.write("%c", c)
	}
}

// huge writes a line of 24 MiB.
func huge(s *rawServer, head, tail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	part := bytes.Repeat([]byte("x"), 1<<20)
	fmt.Print(head)
	for range 24 {
		os.Stdout.Write(part)
	}
	fmt.Print(tail + "\n")
}

// deep nests three million levels.
func deep(s *rawServer, m Message) {
	s.result(m.ID, strings.Repeat("[", 3_000_000)+strings.Repeat("]", 3_000_000))
}

// floods reports progress 20,000 times before it answers.
func floods(s *rawServer, m Message) {
	var p struct {
		Meta struct {
			Token json.RawMessage `json:"progressToken"`
		} `json:"_meta"`
	}
	_ = json.Unmarshal(m.Params, &p)
	for i := range 20_000 {
		s.write(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d}}`+"\n", p.Meta.Token, i)
	}
	s.answer(m)
}

// stubborn ends neither with its input nor by TERM.
func stubborn([]string) {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	(&rawServer{}).serve()
	select {}
}

// grandchild starts a process that holds its pipes, and tells its id in the
// list of tools.
func grandchild([]string) {
	cmd := exec.Command("sleep", "600")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "mcptest:", err)
		os.Exit(1)
	}
	s := &rawServer{tools: fmt.Sprintf(`{"name":"pid_%d"}`, cmd.Process.Pid), before: func(_ *rawServer, m Message) bool {
		if calls(m, "bad") {
			os.Exit(0) // and leaves the other behind
		}
		return false
	}}
	s.serve()
}

// stderrs writes as much to standard error as args say, in lines of 64 bytes.
func stderrs(args []string) {
	go func() {
		var n int
		_, _ = fmt.Sscan(strings.Join(args, " "), &n)
		line := strings.Repeat("e", 63) + "\n"
		for i := 0; i < n; i += len(line) {
			fmt.Fprint(os.Stderr, line)
		}
		fmt.Fprintln(os.Stderr, "the very end")
	}()
	(&rawServer{}).serve()
}

// leaky tells its open files and its environment in the list of tools.
func leaky([]string) {
	var files []string
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		for _, e := range entries {
			target, err := os.Readlink("/proc/self/fd/" + e.Name())
			if err == nil && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/proc/") && !strings.HasPrefix(target, "/sys/") {
				files = append(files, e.Name())
			}
		}
	}
	text, _ := json.Marshal(strings.Join(os.Environ(), "\n"))
	s := &rawServer{tools: fmt.Sprintf(`{"name":"fds_%s","description":%s}`, strings.Join(files, "_"), text)}
	s.serve()
}

// counted appends a line to the file it is given at each start, and to it each
// call that it was sent, before it answers.
func counted(args []string) {
	note := func(what string) {
		f, err := os.OpenFile(args[0], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			os.Exit(1)
		}
		fmt.Fprintln(f, what)
		f.Close()
	}
	note("start")
	s := &rawServer{before: func(_ *rawServer, m Message) bool {
		if m.Method == "tools/call" {
			note("call")
		}
		if calls(m, "bad") {
			time.Sleep(10 * time.Millisecond)
			os.Exit(9)
		}
		if calls(m, "once") { // falls in the first process only
			if b, err := os.ReadFile(args[0]); err == nil && strings.Count(string(b), "start") == 1 {
				os.Exit(9)
			}
		}
		return false
	}}
	s.serve()
}

// endless invents a new cursor for every page.
func endless([]string) {
	page := 0
	onMethod("tools/list", func(s *rawServer, m Message) {
		page++
		s.result(m.ID, fmt.Sprintf(`{"tools":[{"name":"t%d"}],"nextCursor":"c%d"}`, page, page))
	})(nil)
}

// pages lists seven tools on four pages.
func pages(s *rawServer, m Message) {
	var p struct {
		Cursor string `json:"cursor"`
	}
	_ = json.Unmarshal(m.Params, &p)
	page := map[string]string{
		"":  `{"tools":[{"name":"a"},{"name":"b"}],"nextCursor":"x"}`,
		"x": `{"tools":[],"nextCursor":"y"}`,
		"y": `{"tools":[{"name":"c"},{"name":"d"},{"name":"e"}],"nextCursor":"\"z\""}`,
	}[p.Cursor]
	if page == "" {
		page = `{"tools":[{"name":"f"},{"name":"g"}]}`
	}
	s.result(m.ID, page)
}

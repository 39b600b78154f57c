//go:build e2e

package e2e

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// npmServer gives the command of a reference server from npm.
func npmServer(t *testing.T, name string) []string {
	t.Helper()
	dir := os.Getenv("ROUTER_E2E_NPM")
	if dir == "" {
		t.Fatal("ROUTER_E2E_NPM does not name a folder with the npm servers; .ci/run installs them and runs this")
	}
	script := filepath.Join(dir, "node_modules", "@modelcontextprotocol", "server-"+name, "dist", "index.js")
	if _, err := os.Stat(script); err != nil {
		t.Fatal(err)
	}
	return []string{"node", script}
}

// realServers gives the three servers working on files below dir.
func realServers(t *testing.T, dir string) []backend {
	t.Helper()
	layOut(t, filepath.Join(dir, "files"))
	return []backend{
		{Name: "everything", Command: npmServer(t, "everything"), Env: []string{"E2E_DECLARED=yes"}},
		{Name: "filesystem", Command: append(npmServer(t, "filesystem"), filepath.Join(dir, "files"))},
		{Name: "memory", Command: npmServer(t, "memory"), Env: []string{"MEMORY_FILE_PATH=" + filepath.Join(dir, "memory.jsonl")}},
	}
}

// startInstance starts a router and waits until its backends have been listed.
func startInstance(t *testing.T, backends ...backend) *instance {
	t.Helper()
	r := newInstance(t, backends...)
	r.start()
	r.awaitServers(len(backends), 30*time.Second)
	return r
}

// process makes the command that talks to the server directly.
func (b backend) process() *exec.Cmd {
	cmd := exec.Command(b.Command[0], b.Command[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, b.Env...)
	return cmd
}

// layOut fills a folder; two of them are alike but for where they are.
func layOut(t *testing.T, dir string) {
	t.Helper()
	const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
	image, err := base64.StdEncoding.DecodeString(pixel)
	if err != nil {
		t.Fatal(err)
	}
	then := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for name, content := range map[string][]byte{
		"a.txt": []byte("one\ntwo\nthree\n"), "b.txt": []byte("héllo\n"), "sub/c.txt": []byte("deep\n"), "pixel.png": image,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, then, then); err != nil {
			t.Fatal(err)
		}
	}
}

// step is one call. Paths in its arguments begin with {dir}.
type step struct{ tool, arguments string }

// steps calls every tool of the three servers, in this order; a tool that is
// listed and not called here fails the test.
var steps = map[string][]step{
	"everything": {
		{"echo", `{"message":"héllo \u0000 😀"}`},
		{"get-annotated-message", `{"messageType":"error","includeImage":true}`},
		{"get-annotated-message", `{"messageType":"debug"}`},
		{"get-env", `{}`},
		{"get-resource-links", `{"count":4}`},
		{"get-resource-reference", `{"resourceType":"Text","resourceId":3}`},
		{"get-resource-reference", `{"resourceType":"Blob","resourceId":2}`},
		{"get-structured-content", `{"location":"Chicago"}`},
		{"get-sum", `{"a":0.1,"b":40}`},
		{"get-tiny-image", `{}`},
		{"gzip-file-as-resource", `{"name":"a.gz","data":"data:text/plain;base64,aGVsbG8=","outputType":"resource"}`},
		{"gzip-file-as-resource", `{"name":"a.gz","data":"data:text/plain;base64,aGVsbG8="}`},
		{"toggle-simulated-logging", `{}`},
		{"toggle-simulated-logging", `{}`},
		{"toggle-subscriber-updates", `{}`},
		{"toggle-subscriber-updates", `{}`},
		{"trigger-long-running-operation", `{"duration":0.2,"steps":2}`},
		{"get-roots-list", `{}`},
		{"trigger-elicitation-request", `{}`},
		{"trigger-url-elicitation", `{"url":"https://example.com/","elicitationId":"e2e"}`},
		{"trigger-url-elicitation", `{"url":"https://example.com/","elicitationId":"e2e","errorPath":true}`},
		{"trigger-sampling-request", `{"prompt":"hello","maxTokens":20}`},
		{"simulate-research-query", `{"topic":"tides"}`},
	},
	"filesystem": {
		{"list_allowed_directories", `{}`},
		{"list_directory", `{"path":"{dir}"}`},
		{"list_directory_with_sizes", `{"path":"{dir}","sortBy":"size"}`},
		{"directory_tree", `{"path":"{dir}"}`},
		{"read_file", `{"path":"{dir}/a.txt"}`},
		{"read_text_file", `{"path":"{dir}/a.txt","head":2}`},
		{"read_media_file", `{"path":"{dir}/pixel.png"}`},
		{"read_multiple_files", `{"paths":["{dir}/a.txt","{dir}/missing.txt"]}`},
		{"search_files", `{"path":"{dir}","pattern":"**/*.txt"}`},
		{"get_file_info", `{"path":"{dir}/a.txt"}`},
		{"write_file", `{"path":"{dir}/new.txt","content":"fresh"}`},
		{"edit_file", `{"path":"{dir}/new.txt","edits":[{"oldText":"fresh","newText":"stale"}],"dryRun":false}`},
		{"create_directory", `{"path":"{dir}/made"}`},
		{"move_file", `{"source":"{dir}/new.txt","destination":"{dir}/made/old.txt"}`},
		{"read_text_file", `{"path":"{dir}/made/old.txt"}`},
		{"read_text_file", `{"path":"/etc/hostname"}`},
	},
	"memory": {
		{"create_entities", `{"entities":[{"name":"Ada","entityType":"person","observations":["wrote programs"]},{"name":"Engine","entityType":"machine","observations":[]}]}`},
		{"create_relations", `{"relations":[{"from":"Ada","to":"Engine","relationType":"programmed"}]}`},
		{"add_observations", `{"observations":[{"entityName":"Ada","contents":["born 1815"]}]}`},
		{"add_observations", `{"observations":[{"entityName":"Nobody","contents":["x"]}]}`},
		{"read_graph", `{}`},
		{"search_nodes", `{"query":"program"}`},
		{"open_nodes", `{"names":["Engine"]}`},
		{"delete_observations", `{"deletions":[{"entityName":"Ada","observations":["born 1815"]}]}`},
		{"delete_relations", `{"relations":[{"from":"Ada","to":"Engine","relationType":"programmed"}]}`},
		{"delete_entities", `{"entityNames":["Engine"]}`},
		{"read_graph", `{}`},
	},
}

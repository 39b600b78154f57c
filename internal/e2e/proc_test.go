//go:build e2e || scale

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// process is a line of /proc.
type process struct {
	pid, parent int
	state       string // R, S, Z …
	name        string
}

func (p process) String() string { return fmt.Sprintf("%d %s (%s)", p.pid, p.name, p.state) }

// processes reads /proc.
func processes() (out []process) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		data, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended meanwhile
		}
		head, rest, ok := strings.Cut(string(data), " (")
		end := strings.LastIndex(rest, ") ") // a name may hold anything
		if !ok || end < 0 {
			continue
		}
		fields := strings.Fields(rest[end+2:])
		p := process{name: rest[:end], state: fields[0]}
		p.pid, _ = strconv.Atoi(head)
		p.parent, _ = strconv.Atoi(fields[1])
		out = append(out, p)
	}
	return out
}

// descendants gives the processes below one, zombies included.
func descendants(pid int) (out []process) {
	all, below := processes(), []int{pid}
	for grew := true; grew; {
		grew = false
		for _, p := range all {
			if slices.Contains(below, p.parent) && !slices.Contains(below, p.pid) {
				below, out, grew = append(below, p.pid), append(out, p), true
			}
		}
	}
	return out
}

// servers gives those of the processes that are MCP servers; the router keeps a
// shell of its own beside them, which watches over their end.
func servers(ps []process) (out []process) {
	for _, p := range ps {
		if p.name == "node" || p.name == "MainThread" { // newer Node names its thread so
			out = append(out, p)
		}
	}
	return out
}

// alive gives those of the processes that still run. One that has ended and is
// a zombie counts as gone: when the router is gone too, it is init's to reap.
func alive(before []process) (out []process) {
	for _, p := range processes() {
		if p.state != "Z" && slices.ContainsFunc(before, func(b process) bool { return b.pid == p.pid && b.name == p.name }) {
			out = append(out, p)
		}
	}
	return out
}

// zombies gives those that have ended and were not waited for.
func zombies(ps []process) (out []process) {
	for _, p := range ps {
		if p.state == "Z" {
			out = append(out, p)
		}
	}
	return out
}

// memory reads a field of /proc/PID/status, such as VmRSS, in MiB.
func memory(pid int, field string) float64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

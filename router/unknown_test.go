package router

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"toolrouter/internal/catalog"
)

func TestCallUnknownNames(t *testing.T) {
	tools := append(office(t), toolNamed(t, "my.db", "run_query", "Query the data.", `{}`))
	for _, n := range []string{"ask", "add", "echo", "fail", "sleep", "stream"} {
		tools = append(tools, toolNamed(t, "one", n, "", `{}`))
	}
	r := routerOf(Options{}, &fakeUpstream{servers: []catalog.Server{
		{Name: "mail", State: catalog.Starting},
		{Name: "dead", State: catalog.Down, Since: time.Date(1999, 12, 31, 23, 59, 0, 0, time.UTC), LastError: "exec: no such file"},
		{Name: "one", State: catalog.Down},
	}}, tools...)
	tests := []struct{ name, want string }{
		{"create_issue", `"create_issue" is the name of 2 tools. Say which: github__create_issue, jira__create_issue.`},
		{"github__creat_isue", `no tool "github__creat_isue" here. Nearest: github__create_issue, jira__create_issue, github__`},
		{"github__make_repository", `, github__delete_repository, github__`},
		{"mcp__router__github__make_repository", `, github__delete_repository, github__`},
		{"GitHub/make_repository", `, github__delete_repository, github__`},
		{"jira__create_pull_request", `Nearest: github__create_pull_request, jira__create_issue, `},
		{"githbu__create_issue", `Nearest: github__create_issue, jira__create_issue, `},
		{"my_db__run", `Nearest: my_db__run_query, `},
		{"one__frobnicate", `here. Server one is down. The router keeps trying to reach it. Nearest: one__`},
		{"frob", `no tool "frob" here. Nearest: `},
		{"mail__send", `no tool "mail__send" here: the tools of mail are not known. Server mail is starting. ` + SearchTool},
		{"dead__x", `no tool "dead__x" here: the tools of dead are not known. Server dead is down (since 1999-12-31 23:59:00 UTC, 1m0s ago): exec: no such file. The router keeps trying to reach it. ` + SearchTool},
		{"__", `no tool "__" here. ` + SearchTool},
		{strings.Repeat("x", 5000), SearchTool + " finds tools by what they do."},
	}
	for _, tt := range tests {
		t.Run(shown(tt.name, 40), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // a server that is starting is waited for
				got, err := r.Call(t.Context(), CallRequest{Name: tt.name})
				if err != nil {
					t.Fatal(err)
				}
				text, isError := textOf(t, got)
				if !isError {
					t.Error("isError is not set")
				}
				mustContain(t, text, tt.want)
				_, near, _ := strings.Cut(text, "Nearest: ")
				near, _, _ = strings.Cut(near, ". ")
				names := strings.Split(near, ", ")
				if near != "" && len(names) != maxNear {
					t.Errorf("%d names, want %d: %s", len(names), maxNear, text)
				}
				if strings.Contains(tt.want, "Nearest: one__") && strings.Count(near, "one__") != maxNear {
					t.Errorf("want names of the server alone: %s", text)
				}
			})
		})
	}
	var bad *RequestError
	if _, err := r.Call(t.Context(), CallRequest{}); !errors.As(err, &bad) {
		t.Errorf("Call without a name = %v, want a RequestError", err)
	}
}

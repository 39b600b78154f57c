package router

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"toolrouter/internal/catalog"
)

// fixedIndex finds the same hits every time, at no cost.
type fixedIndex struct{ found catalog.Found }

func (x fixedIndex) Search(context.Context, catalog.Query) (catalog.Found, error) {
	return x.found, nil
}

func BenchmarkSearchPacking(b *testing.B) {
	tools := randomTools(b, rand.New(rand.NewPCG(5, 6)), 4000)
	snap := catalog.NewSnapshot(tools)
	var servers []catalog.Server
	for _, name := range snap.Servers() {
		servers = append(servers, catalog.Server{Name: name, State: catalog.Ready})
	}
	for _, limit := range []int{5, 20} {
		b.Run(fmt.Sprintf("limit=%d", limit), func(b *testing.B) {
			var x fixedIndex
			x.found.Total = 4000
			for _, t := range tools[:limit] {
				x.found.Hits = append(x.found.Hits, catalog.Hit{ID: t.ID, Score: 1})
			}
			r := New(x, &fakeUpstream{servers: servers}, Options{})
			r.Publish(&View{Snapshot: snap})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Search(b.Context(), SearchRequest{Query: "do some work for me", Limit: limit}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCall(b *testing.B) {
	up := &fakeUpstream{call: func(context.Context, catalog.Call) (json.RawMessage, error) {
		return json.RawMessage(`{"content":[{"type":"text","text":"done"}]}`), nil
	}}
	r := routerOf(Options{}, up, office(b)...)
	for name, args := range map[string]string{
		"right":  `{"owner":"octo","repo":"app","title":"Crash on start","labels":["bug"]}`,
		"long":   `{"owner":"octo","repo":"app","title":"` + strings.Repeat(`some words and \n `, 600) + `"}`,
		"mended": `{"owner":"octo","repo":"app","title":"Crash on start","milestone":"5"}`,
	} {
		b.Run(name, func(b *testing.B) {
			raw := json.RawMessage(`{"name":"github__create_issue","arguments":` + args + `}`)
			b.ReportAllocs()
			for b.Loop() {
				req, err := DecodeCall(raw)
				if err == nil {
					_, err = r.Call(b.Context(), req)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPublish(b *testing.B) {
	tools := randomTools(b, rand.New(rand.NewPCG(7, 8)), 4000)
	snap := catalog.NewSnapshot(tools)
	r := routerOf(Options{}, nil)
	b.ReportAllocs()
	for b.Loop() { // as after a listing of one server: the others' topics are kept
		r.Publish(&View{Snapshot: snap})
	}
}

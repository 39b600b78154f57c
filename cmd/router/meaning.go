package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"toolrouter/configs"
	"toolrouter/index/remote"
	"toolrouter/internal/catalog"
)

// openRemote takes an embeddings endpoint into use, if one is configured. It
// asks nothing: stored vectors serve at once, missing ones are Run's business.
func (a *app) openRemote(ctx context.Context) error {
	e := a.cfg.Search.Embedder
	if e.URL == "" {
		return nil
	}
	var err error
	if a.model, err = remote.New(e.Remote()); err != nil {
		return fmt.Errorf("search.embedder: %w", err)
	}
	a.remote = remote.NewFiller(remote.FillerOptions{
		Model: a.model, Store: a.store, Index: a.index, Documents: a.documents,
		Timeout: time.Duration(e.Timeout), Chunk: 4 * e.Batch, Log: a.log,
	})
	a.index.SetRemote(a.remote)
	if err := a.remote.Load(ctx); err != nil {
		a.log.Warn("stored vectors cannot be used and are made anew", "err", err)
	}
	return nil
}

// documents is the catalogue as it is embedded.
func (a *app) documents() []remote.Document {
	snap := a.router.Snapshot()
	all := make([]remote.Document, 0, snap.Len())
	for t := range snap.All() {
		all = append(all, remote.Document{ID: t.ID, Text: a.index.RemoteText(t)})
	}
	return all
}

// runRemote keeps the vectors complete until ctx ends.
func (a *app) runRemote(ctx context.Context) error {
	if a.remote == nil {
		return nil
	}
	return a.remote.Run(ctx)
}

// catalogueChanged has missing vectors made.
func (a *app) catalogueChanged() {
	if a.remote != nil {
		a.remote.Poke()
	}
}

// applyWords takes over the operator's own words. If they are others than those
// the index was made with, it is made anew.
func (a *app) applyWords(ctx context.Context, cfg *configs.Config) error {
	a.index.SetWords(cfg.Words(), cfg.Priors())
	if a.index.Seq() != 0 {
		return nil
	}
	return a.syncer.Load(ctx)
}

// warnOfWords tells of words for tools that their servers do not have, which are
// mostly misspelt names.
func (a *app) warnOfWords(cfg *configs.Config) {
	snap := a.router.Snapshot()
	var lost []string
	for id := range cfg.Words() {
		if len(snap.Server(id.Server)) > 0 && snap.Tool(id) == nil {
			lost = append(lost, id.String())
		}
	}
	slices.Sort(lost)
	for _, id := range lost {
		a.log.Warn("words in the config for a tool that its server does not have", "tool", id)
	}
}

// remoteReport is how an embeddings endpoint is.
type remoteReport struct {
	Model    string    `json:"model"`
	Embedded int       `json:"embedded"` // tools that have a vector
	Tools    int       `json:"tools"`
	Refused  int       `json:"refused,omitempty"`    // tools whose text the endpoint does not take
	Dim      int       `json:"dimensions,omitempty"` // 0 while the built-in model answers
	Problem  string    `json:"problem,omitempty"`    // why the built-in model answers, or may
	Since    time.Time `json:"since,omitzero"`       // of the problem
}

// indexReport tells how the index is.
func (a *app) indexReport() indexReport {
	r := indexReport{Documents: a.index.Len(), Seq: a.index.Seq(), Embedder: a.index.Embedder()}
	if a.remote == nil {
		return r
	}
	s := a.remote.Status()
	r.Embedder = s.String()
	r.Remote = &remoteReport{Model: s.Label, Embedded: s.Done, Tools: s.Total, Refused: s.Refused, Dim: s.Dim, Problem: s.Problem, Since: s.Since}
	return r
}

// meaning is the line of the status about an embeddings endpoint.
func (r *remoteReport) meaning(embedder string) string {
	line := "meaning: " + embedder
	switch {
	case r.Problem != "":
		line += fmt.Sprintf("\n  the built-in model has stood in for %s: %s", ago(time.Since(r.Since)), catalog.FirstSentence(r.Problem, 300))
	case r.Dim == 0:
		line += "; until then the built-in model answers"
	}
	return line
}

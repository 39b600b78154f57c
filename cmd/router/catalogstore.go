package main

import (
	"context"
	"time"

	"toolrouter/internal/catalog"
	"toolrouter/router"
	"toolrouter/store"
)

// catalogStore is the store as the router's Syncer knows it: the two packages
// do not know each other.
type catalogStore struct{ *store.Store }

func (s catalogStore) Load(ctx context.Context) (router.Stored, error) {
	st, err := s.Store.Load(ctx)
	if err != nil {
		return router.Stored{}, err
	}
	out := router.Stored{Tools: st.Tools, Seq: st.Seq}
	for _, server := range st.Servers {
		out.Servers = append(out.Servers, router.Listing{
			Server: server.Name, Digest: server.Digest, Title: server.Title, Version: server.Version,
			Protocol: server.Protocol, Instructions: server.Instructions, Held: server.Held,
		})
	}
	return out, nil
}

func (s catalogStore) Replace(ctx context.Context, l router.Listing) (catalog.Change, error) {
	return s.Store.Replace(ctx, store.Server{
		Name: l.Server, Digest: l.Digest, Title: l.Title, Version: l.Version,
		Protocol: l.Protocol, Instructions: l.Instructions, Held: l.Held, Listed: time.Now().UTC(),
	}, l.Tools)
}

// Package router is the product without its transports: it finds tools for a
// model and calls them, and keeps the catalogue that both work on.
//
// A [Router] answers the two tools that a client sees. [Router.Search] turns a
// wish in plain words into a few one-line signatures that fit a token budget.
// [Router.Call] takes a name in any spelling, mends and checks the arguments
// against the tool's schema, and passes the backend's answer through as it came.
// What goes wrong with a tool is told to the model as a tool result; an error is
// returned only for a request that makes no sense, a [*RequestError], and for
// one whose context has ended.
//
// A [Syncer] is the one writer. It takes each new listing of a backend through
// store and index to an immutable [View], which it publishes to the Router:
//
//	r := router.New(index, upstream, router.Options{})
//	s := router.NewSyncer(store, index, r, log)
//	err := s.Load(ctx)        // yesterday's catalogue, searchable at once
//	err = s.Sync(ctx, listing) // called for every listing of a backend
//
// Searches and calls read one View for the whole request and take no lock. They
// may run at any time, also while a listing is taken in or the index is rebuilt.
//
// Everything that comes from a backend is data here. In text for a model it is
// put on one line and limited in length; schemas and results travel as bytes.
package router

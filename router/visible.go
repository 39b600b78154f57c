package router

import (
	"slices"

	"toolrouter/internal/catalog"
)

// This file says what a client may see. A search sees one state from its beginning
// to its end, and so does a call: whatever is not visible in it is neither found,
// listed, loaded nor called.

// visible is the one predicate that says whether a client may see a tool: its
// server is one that the overview tells of, and the tool itself is not hidden.
func (s *state) visible(id catalog.ID) bool {
	_, told := s.about[id.Server]
	return told && (s.may == nil || s.may(id))
}

// hides reports whether there may be tools that may not be seen.
func (s *state) hides() bool { return s.may != nil || len(s.about) < len(s.view.Snapshot.Servers()) }

// keep is visible for an index, within one server if there is a wish; nil where
// everything counts.
func (s *state) keep(server string) func(catalog.ID) bool {
	switch {
	case server != "":
		return func(id catalog.ID) bool { return id.Server == server && s.visible(id) }
	case s.hides():
		return s.visible
	}
	return nil
}

// resolve gives the visible tools that a name can mean.
func (s *state) resolve(name string) []*catalog.Tool {
	found := s.view.Snapshot.Resolve(name)
	if !s.hides() {
		return found
	}
	return slices.DeleteFunc(slices.Clone(found), func(t *catalog.Tool) bool { return !s.visible(t.ID) })
}

// resolveOn gives the visible tools of one server that a name can mean, those of
// all servers if there is no wish.
func (s *state) resolveOn(server, name string) []*catalog.Tool {
	found := s.resolve(name)
	if server == "" {
		return found
	}
	elsewhere := func(t *catalog.Tool) bool { return t.ID.Server != server }
	if here := slices.DeleteFunc(slices.Clone(found), elsewhere); len(here) > 0 {
		return here
	}
	// A tool's own name may look like that of another server's tool.
	return slices.DeleteFunc(slices.Clone(s.resolve(server+"__"+name)), elsewhere)
}

package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"toolrouter/internal/catalog"
)

// Notifications that one call may pass on: so many at once, and a second.
const (
	notifyBurst = 256
	notifyRate  = 200
)

// flight is a call under way whose client wants to hear, or can be asked.
type flight struct {
	ctx    context.Context // of the call, so that a question ends with it
	caller catalog.Caller
	client any    // identifies the client among others
	number int    // counts the calls of the session
	token  string // the progress token; "" if the client gave none
	extend func() // gives the call its time anew

	mu    sync.Mutex
	spent int       // notifications of the burst that are used up
	since time.Time // when spent was brought up to date
}

// flights are the calls under way on one session.
type flights struct {
	nameless atomic.Int64 // calls that have no client to tell or ask

	mu   sync.Mutex
	last int
	all  map[*flight]bool
}

type flightKey struct{}

// clientOf identifies the client of a call. One that is unknown counts as a
// client of its own.
func clientOf(x *flight) any {
	if client := x.caller.Client(); client != nil {
		return client
	}
	return x
}

// add registers a call. It gives a context by which a question that comes in on
// the call's own stream finds it, and the function that ends it.
func (f *flights) add(ctx context.Context, caller catalog.Caller, extend func()) (context.Context, *flight, func()) {
	x := &flight{caller: caller, extend: extend, since: time.Now()}
	x.client = clientOf(x)
	ctx = context.WithValue(ctx, flightKey{}, x)
	x.ctx = ctx
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	x.number = f.last
	if caller.WantsProgress() {
		x.token = "p" + strconv.Itoa(x.number)
	}
	if f.all == nil {
		f.all = map[*flight]bool{}
	}
	f.all[x] = true
	return ctx, x, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.all, x)
	}
}

// none reports whether no call is under way.
func (f *flights) none() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.all) == 0 && f.nameless.Load() == 0
}

// some gives the calls that fit.
func (f *flights) some(fits func(*flight) bool) (found []*flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for x := range f.all {
		if fits(x) {
			found = append(found, x)
		}
	}
	return found
}

// progress passes on notifications/progress to the call it is about.
func (f *flights) progress(params json.RawMessage) {
	token, rest, ok := cutProgressToken(params)
	if !ok {
		return
	}
	for _, x := range f.some(func(x *flight) bool { return x.token == token }) {
		x.extend()
		x.notify("notifications/progress", rest)
	}
}

// cutProgressToken takes the token out of a progress notification.
func cutProgressToken(params json.RawMessage) (token string, rest json.RawMessage, ok bool) {
	b := bytes.NewBufferString("{")
	err := eachMember(params, func(key, value []byte) {
		if string(key) == "progressToken" {
			ok = json.Unmarshal(value, &token) == nil && token != ""
			return
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.Write(key)
		b.WriteString(`":`)
		b.Write(value)
	})
	b.WriteByte('}')
	return token, b.Bytes(), ok && err == nil
}

// toOnly passes a notification on to the client whose calls are the only ones
// under way. If there are several it cannot be told whose it is: what a tool
// logs for one client is not for another to read.
func (f *flights) toOnly(method string, params json.RawMessage) {
	all := f.some(func(*flight) bool { return true })
	if len(all) > 0 && sameClient(all) && f.nameless.Load() == 0 {
		all[0].notify(method, bytes.Clone(params))
	}
}

// sameClient reports whether calls are all of one client.
func sameClient(calls []*flight) bool {
	for _, x := range calls {
		if x.client != calls[0].client {
			return false
		}
	}
	return true
}

// notify passes a notification on unless there are too many.
func (x *flight) notify(method string, params json.RawMessage) {
	if x.takeToken(time.Now()) {
		x.caller.Notify(method, inUTF8(params))
	}
}

func (x *flight) takeToken(now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if earned := int(now.Sub(x.since) * notifyRate / time.Second); earned > 0 {
		x.spent, x.since = max(0, x.spent-earned), now
	}
	if x.spent >= notifyBurst {
		return false
	}
	x.spent++
	return true
}

// toAsk finds the call a question of the backend belongs to: the one on whose
// stream it came, or else the last one, if all whose client can answer are of one.
func (f *flights) toAsk(ctx context.Context, capability string) (*flight, *catalog.RPCError) {
	if x, ok := ctx.Value(flightKey{}).(*flight); ok {
		if x.caller.Can(capability) {
			return x, nil
		}
		return nil, &catalog.RPCError{Code: codeNoCaller, Message: "the client of this call cannot answer: it has no " + capability}
	}
	able := f.some(func(x *flight) bool { return x.caller.Can(capability) })
	switch {
	case len(able) == 0:
		return nil, &catalog.RPCError{Code: codeNoCaller, Message: "no call is under way whose client has " + capability}
	case !sameClient(able):
		return nil, &catalog.RPCError{Code: codeNoCaller, Message: "calls of several clients are under way and it is not clear whose client is asked; ask during a single call"}
	}
	return slices.MaxFunc(able, func(x, y *flight) int { return x.number - y.number }), nil
}

package upstream

import "sync"

// group is a sync.WaitGroup that may be added to while somebody waits: from
// then on it takes no more.
type group struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// Go runs f in a goroutine that Wait waits for, or not at all after Wait.
func (g *group) Go(f func()) {
	if g.enter() {
		go func() { // ends with f; Wait waits
			defer g.exit()
			f()
		}()
	}
}

// enter has Wait wait until exit. It reports false after Wait.
func (g *group) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.wg.Add(1)
	return true
}

func (g *group) exit() { g.wg.Done() }

// Wait takes no more, and waits for what has entered.
func (g *group) Wait() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wg.Wait()
}

package configs

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// How long an edit waits for the ones before it. Each takes milliseconds.
const (
	lockPatience = 5 * time.Second
	lockPoll     = 10 * time.Millisecond
)

// errHeld says that another process, or another goroutine, holds a lock.
var errHeld = errors.New("another command is editing it")

// lockFile makes edits of the config file at path follow each other, from the
// reading to the writing, so that none is lost. The lock stands beside the file,
// because a lock on the file itself would be on what the rename replaces, and
// ends with the process that holds it. unlock also takes it away.
func lockFile(path string) (unlock func(), err error) {
	at := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".lock")
	for end := time.Now().Add(lockPatience); ; time.Sleep(lockPoll) {
		unlock, err = tryLock(at)
		if !errors.Is(err, errHeld) {
			return unlock, pathless(err)
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%w for over %v (its lock is %s)", err, lockPatience, at)
		}
	}
}

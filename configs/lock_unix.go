//go:build unix

package configs

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock or gives errHeld. Who has it removes its file before
// letting go, so one that was waited for may be gone by then: only a lock that
// still stands under its name counts.
func tryLock(at string) (unlock func(), err error) {
	f, err := os.OpenFile(at, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil && stands(f, at) {
		return func() { os.Remove(at); f.Close() }, nil
	}
	f.Close()
	if err == nil || errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return nil, errHeld
	}
	return nil, err
}

// stands reports whether f is the file of that name.
func stands(f *os.File, name string) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(held, there)
}

package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"runtime/debug"
	"strings"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// errDamaged marks a file whose pages cannot be read.
var errDamaged = errors.New("damaged")

// isDamage tells a file that is no use from one that only cannot be had now.
func isDamage(err error) bool {
	return errors.Is(err, errDamaged) ||
		errors.Is(err, bolterrors.ErrInvalid) ||
		errors.Is(err, bolterrors.ErrChecksum) ||
		errors.Is(err, bolterrors.ErrVersionMismatch) ||
		// A file cut between the two meta pages; bbolt has no name for it.
		strings.Contains(err.Error(), "file size too small")
}

// guarded turns what bbolt does with a damaged file into an error. It panics on
// a page that makes no sense, already while opening, and a file that was cut
// short faults where the memory map goes past its end, which only
// SetPanicOnFault makes a panic that can be caught. A handle that is lost that
// way holds a lock on the damaged file alone.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // of this goroutine alone
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return f()
}

// readWhole touches every page that is in use.
func readWhole(db *bolt.DB) error {
	return db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error { return readBucket(b) })
	})
}

func readBucket(b *bolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			if sub := b.Bucket(k); sub != nil {
				return readBucket(sub)
			}
			return fmt.Errorf("%w: a bucket that is not there", errDamaged)
		}
		_ = crc32.ChecksumIEEE(v)
		return nil
	})
}

// moveAside renames a file that another may be looking at already.
func moveAside(path, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s is there already", to)
	}
	return os.Rename(path, to)
}

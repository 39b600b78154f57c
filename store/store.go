package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"toolrouter/internal/catalog"
)

// Errors that callers branch on.
var (
	// ErrLocked means that another process owns the state directory.
	ErrLocked = errors.New("another process owns the state directory")
	// ErrNewer means that a later version of the program wrote the file.
	ErrNewer = errors.New("written by a newer version of this program")
)

// schemaVersion is the layout of the file. A file of a later one is refused and
// left as it is.
const schemaVersion = 1

var (
	metaBucket    = []byte("meta")    // version, seq
	serversBucket = []byte("servers") // server's name → Server as JSON
	toolsBucket   = []byte("tools")   // server's name → bucket: tool's own name → record
	vectorsBucket = []byte("vectors") // model → bucket: hash of the text → vector

	versionKey = []byte("version")
	seqKey     = []byte("seq")
)

// Server is what is kept of a backend beside its tools.
type Server struct {
	Name         string            `json:"name"`
	Digest       string            `json:"digest"` // of the configuration that was listed
	Title        string            `json:"title,omitempty"`
	Version      string            `json:"version,omitempty"`
	Protocol     string            `json:"protocol,omitempty"`
	Instructions string            `json:"instructions,omitempty"`
	Held         map[string]string `json:"held,omitempty"` // tools that were refused, with the reason
	Listed       time.Time         `json:"listed"`
}

// State is everything the catalogue holds.
type State struct {
	Tools   []*catalog.Tool // by server, then by name
	Servers []Server        // by name
	Seq     uint64          // of the last change that is searched; 0 if there never was one
}

// Options are a Store's settings.
type Options struct {
	Log *slog.Logger // nil logs nothing
}

// Store is an open state file. All methods may be called from several
// goroutines.
type Store struct {
	db  *bolt.DB
	log *slog.Logger
}

// Open opens the file, or makes it, and takes its lock. It fails with ErrLocked
// after a second if another process holds that, and with ErrNewer if it cannot
// know what the file means. A damaged file is moved aside.
func Open(path string, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db, err := openFile(path)
	if err != nil && isDamage(err) {
		aside := fmt.Sprintf("%s.damaged-%s", path, time.Now().UTC().Format("20060102T150405.000"))
		if moveErr := moveAside(path, aside); moveErr != nil {
			return nil, fmt.Errorf("state file %s is damaged (%w) and cannot be moved aside: %w", path, err, moveErr)
		}
		o.Log.Warn("state file was damaged: moved aside, servers are listed again", "file", path, "aside", aside, "err", err)
		db, err = openFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("state file %s: %w", path, err)
	}
	return &Store{db: db, log: o.Log}, nil
}

// openFile opens, checks and prepares the file.
func openFile(path string) (db *bolt.DB, err error) {
	err = guarded(func() error {
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
		if err != nil {
			return err
		}
		// The lock is held from here on, so that nobody else mends the same file.
		if err := readWhole(db); err != nil {
			return errors.Join(err, db.Close())
		}
		if err := db.Update(prepare); err != nil {
			return errors.Join(err, db.Close())
		}
		return nil
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

// prepare makes the buckets of a new file and checks the version of an old one.
func prepare(tx *bolt.Tx) error {
	for _, name := range [][]byte{metaBucket, serversBucket, toolsBucket, vectorsBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(metaBucket)
	switch v := number(meta.Get(versionKey)); {
	case v > schemaVersion:
		return fmt.Errorf("layout %d: %w", v, ErrNewer)
	case v == 0:
		return meta.Put(versionKey, numberBytes(schemaVersion))
	}
	return nil
}

func number(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func numberBytes(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// Close lets go of the file. Running transactions end first.
func (s *Store) Close() error { return s.db.Close() }

// Load reads the whole catalogue. A record that cannot be read hides no other:
// its server is given without a Digest, as one that has to be listed again.
func (s *Store) Load(ctx context.Context) (State, error) {
	var st State
	err := s.db.View(func(tx *bolt.Tx) error {
		st.Seq = number(tx.Bucket(metaBucket).Get(seqKey))
		tools := tx.Bucket(toolsBucket)
		return tx.Bucket(serversBucket).ForEach(func(name, v []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			server := s.loadServer(string(name), v)
			if b := tools.Bucket(name); b != nil {
				var whole bool
				if st.Tools, whole = s.loadTools(st.Tools, server.Name, b); !whole {
					server.Digest = ""
				}
			}
			st.Servers = append(st.Servers, server)
			return nil
		})
	})
	if err != nil {
		return State{}, fmt.Errorf("read state file: %w", err)
	}
	return st, nil
}

func (s *Store) loadServer(name string, record []byte) Server {
	var server Server
	if err := json.Unmarshal(record, &server); err != nil {
		s.log.Warn("stored server cannot be read and is listed again", "server", name, "err", err)
		return Server{Name: name}
	}
	return server
}

// loadTools appends a server's tools and tells whether all could be read.
func (s *Store) loadTools(tools []*catalog.Tool, server string, b *bolt.Bucket) (_ []*catalog.Tool, whole bool) {
	whole = true
	_ = b.ForEach(func(name, v []byte) error { // fails only if the function does
		t, err := decodeTool(server, string(name), v)
		if err != nil {
			s.log.Warn("stored tool cannot be read: its server is listed again", "server", server, "tool", string(name), "err", err)
			whole = false
			return nil
		}
		tools = append(tools, t)
		return nil
	})
	return tools, whole
}

// Replace keeps a listing in place of the server's last one, in one
// transaction, and tells what it changed. The sequence number moves by one if a
// tool was added, changed or removed, or the server says something else of
// itself, and stays otherwise.
func (s *Store) Replace(ctx context.Context, server Server, tools []*catalog.Tool) (catalog.Change, error) {
	c := catalog.Change{Server: server.Name, About: server.text()}
	if err := ctx.Err(); err != nil {
		return c, err
	}
	record, err := json.Marshal(server)
	if err != nil {
		return c, fmt.Errorf("keep server %s: %w", server.Name, err)
	}
	err = s.db.Update(func(tx *bolt.Tx) error {
		servers, key := tx.Bucket(serversBucket), []byte(server.Name)
		c.Retold = saidIn(servers.Get(key)) != c.About
		if err := servers.Put(key, record); err != nil {
			return err
		}
		b, err := tx.Bucket(toolsBucket).CreateBucketIfNotExists(key)
		if err != nil {
			return err
		}
		if c.Upserted, c.Removed, err = replaceTools(b, server.Name, tools); err != nil {
			return err
		}
		c.Seq, err = nextSeq(tx, !c.Empty())
		return err
	})
	if err != nil {
		return catalog.Change{}, fmt.Errorf("keep listing of %s: %w", server.Name, err)
	}
	return c, nil
}

// text is what a server says of itself that is searched.
func (s Server) text() catalog.ServerText {
	return catalog.ServerText{Title: s.Title, Instructions: s.Instructions}
}

// saidIn reads that out of a server's record. One that is not there, or cannot be
// read, says nothing.
func saidIn(record []byte) catalog.ServerText {
	var s Server
	if json.Unmarshal(record, &s) != nil {
		return catalog.ServerText{}
	}
	return s.text()
}

// replaceTools makes a server's bucket hold exactly the given tools.
func replaceTools(b *bolt.Bucket, server string, tools []*catalog.Tool) (upserted []*catalog.Tool, removed []catalog.ID, err error) {
	wanted := make(map[string]bool, len(tools))
	for _, t := range tools {
		wanted[t.ID.Tool] = true
		key := []byte(t.ID.Tool)
		if holds(b.Get(key), t) {
			continue
		}
		if err := b.Put(key, encodeTool(t)); err != nil {
			return nil, nil, fmt.Errorf("tool %s: %w", t.ID.Tool, err)
		}
		upserted = append(upserted, t)
	}
	err = b.ForEach(func(name, _ []byte) error {
		if !wanted[string(name)] {
			removed = append(removed, catalog.ID{Server: server, Tool: string(name)})
		}
		return nil
	})
	for _, id := range removed { // not in the loop above: bbolt forbids it
		err = errors.Join(err, b.Delete([]byte(id.Tool)))
	}
	return upserted, removed, err
}

// nextSeq gives the sequence number after a transaction.
func nextSeq(tx *bolt.Tx, changed bool) (uint64, error) {
	meta := tx.Bucket(metaBucket)
	seq := number(meta.Get(seqKey))
	if !changed {
		return seq, nil
	}
	seq++
	return seq, meta.Put(seqKey, numberBytes(seq))
}

// Remove forgets a server and its tools. An unknown server is an empty change.
func (s *Store) Remove(ctx context.Context, server string) (catalog.Change, error) {
	c := catalog.Change{Server: server}
	if err := ctx.Err(); err != nil {
		return c, err
	}
	err := s.db.Update(func(tx *bolt.Tx) (err error) {
		servers := tx.Bucket(serversBucket)
		c.Retold = saidIn(servers.Get([]byte(server))) != catalog.ServerText{}
		if err := servers.Delete([]byte(server)); err != nil {
			return err
		}
		tools := tx.Bucket(toolsBucket)
		if b := tools.Bucket([]byte(server)); b != nil {
			if _, c.Removed, err = replaceTools(b, server, nil); err != nil {
				return err
			}
			if err := tools.DeleteBucket([]byte(server)); err != nil {
				return err
			}
		}
		c.Seq, err = nextSeq(tx, !c.Empty())
		return err
	})
	if err != nil {
		return catalog.Change{}, fmt.Errorf("forget %s: %w", server, err)
	}
	return c, nil
}

// Vectors gives the kept vectors of a model, by the hash of their text.
func (s *Store) Vectors(_ context.Context, model string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(vectorsBucket).Bucket([]byte(model))
		if b == nil {
			return nil
		}
		return b.ForEach(func(hash, v []byte) error {
			out[string(hash)] = slices.Clone(v)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("load vectors of %s: %w", model, err)
	}
	return out, nil
}

// PutVectors keeps vectors of a model beside those it has.
func (s *Store) PutVectors(_ context.Context, model string, byHash map[string][]byte) error {
	err := s.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.Bucket(vectorsBucket).CreateBucketIfNotExists([]byte(model))
		if err != nil {
			return err
		}
		for hash, v := range byHash {
			if err := b.Put([]byte(hash), v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep vectors of %s: %w", model, err)
	}
	return nil
}

// PruneVectors forgets the vectors of a model whose texts are no longer wanted,
// and those of every other model.
func (s *Store) PruneVectors(_ context.Context, model string, keep func(hash string) bool) error {
	err := s.db.Update(func(tx *bolt.Tx) error {
		vectors := tx.Bucket(vectorsBucket)
		var others [][]byte
		if err := vectors.ForEachBucket(func(name []byte) error {
			if string(name) != model {
				others = append(others, slices.Clone(name))
			}
			return nil
		}); err != nil {
			return err
		}
		for _, name := range others {
			if err := vectors.DeleteBucket(name); err != nil {
				return err
			}
		}
		return pruneBucket(vectors.Bucket([]byte(model)), keep)
	})
	if err != nil {
		return fmt.Errorf("prune vectors of %s: %w", model, err)
	}
	return nil
}

func pruneBucket(b *bolt.Bucket, keep func(string) bool) error {
	if b == nil {
		return nil
	}
	var gone [][]byte
	if err := b.ForEach(func(hash, _ []byte) error {
		if !keep(string(hash)) {
			gone = append(gone, slices.Clone(hash))
		}
		return nil
	}); err != nil {
		return err
	}
	for _, hash := range gone {
		if err := b.Delete(hash); err != nil {
			return err
		}
	}
	return nil
}

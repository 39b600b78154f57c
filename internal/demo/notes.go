package demo

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/server"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"toolrouter/internal/catalog"
)

const (
	maxNote  = 64 << 10 // bytes of a note's text
	maxTitle = 200      // bytes of a title
	maxTags  = 20
	maxTag   = 50 // bytes of a tag
	maxNotes = 10000
	maxShown = 100 // notes in one answer
)

var notesBucket = []byte("notes")

// note is one note as it is stored and shown.
type note struct {
	ID      uint64    `json:"id"`
	Title   string    `json:"title"`
	Text    string    `json:"text,omitempty"`
	Tags    []string  `json:"tags,omitempty"`
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"`
}

type noteList struct {
	Notes []note `json:"notes" jsonschema:"without their texts; get_note gives one whole"`
	Total int    `json:"total" jsonschema:"how many there are, shown or not"`
}

// notebook is what the tools of the server "notes" work on.
type notebook struct {
	db  *bbolt.DB
	now func() time.Time
}

func runNotes(ctx context.Context, file string, in io.Reader, out io.Writer) (err error) {
	n, err := openNotebook(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.db.Close()) }()
	return serve(ctx, notesServer(n), in, out)
}

func openNotebook(file string) (*notebook, error) {
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: 2 * time.Second})
	if err != nil {
		if errors.Is(err, bolterrors.ErrTimeout) {
			return nil, fmt.Errorf("open notes: another process has %s open", file)
		}
		return nil, fmt.Errorf("open notes %s: %w", file, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(notesBucket)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open notes %s: %w", file, err), db.Close())
	}
	return &notebook{db: db, now: func() time.Time { return time.Now().UTC().Truncate(time.Second) }}, nil
}

func notesServer(n *notebook) *server.MCPServer {
	s := newServer("notes", "Notes", "Notes with tags, kept on this machine.")
	addRecord(s, "add_note", "Write a new note and keep it.", writes, n.add)
	addRecord(s, "list_notes", "List the notes, newest first, all or those with a tag.", reads, n.list)
	addRecord(s, "get_note", "Read one note whole.", reads, n.get)
	addRecord(s, "search_notes", "Find notes that contain all the given words in title, text or tags.", reads, n.search)
	addRecord(s, "update_note", "Replace the title or the text of a note.", replaces, n.update)
	add(s, "delete_note", "Delete a note for good.", deletes, n.remove)
	addRecord(s, "tag_note", "Add tags to a note or take tags away.", hints(false, false, true), n.tag)
	return s
}

type addNoteIn struct {
	Title string   `json:"title" jsonschema:"what the note is about, in a few words"`
	Text  string   `json:"text" jsonschema:"the note itself"`
	Tags  []string `json:"tags,omitempty" jsonschema:"words to group notes by"`
}

func (n *notebook) add(_ context.Context, in addNoteIn) (out note, err error) {
	out = note{Title: strings.TrimSpace(in.Title), Text: in.Text, Tags: cleanTags(in.Tags), Created: n.now(), Changed: n.now()}
	err = n.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(notesBucket)
		if b.Stats().KeyN >= maxNotes {
			return fmt.Errorf("there are %d notes already, which is the most: delete some with delete_note", maxNotes)
		}
		id, err := b.NextSequence()
		if err != nil {
			return err
		}
		out.ID = id
		return put(b, out)
	})
	return out, err
}

type listNotesIn struct {
	Tag   string `json:"tag,omitempty" jsonschema:"only notes with this tag"`
	Limit int    `json:"limit,omitempty" jsonschema:"how many at most; left out, 20"`
}

func (n *notebook) list(_ context.Context, in listNotesIn) (noteList, error) {
	tag := strings.Join(cleanTags([]string{in.Tag}), "")
	return n.choose(in.Limit, func(m note) bool { return tag == "" || slices.Contains(m.Tags, tag) })
}

type searchNotesIn struct {
	Query string `json:"query" jsonschema:"the words to look for"`
	Limit int    `json:"limit,omitempty" jsonschema:"how many at most; left out, 20"`
}

func (n *notebook) search(_ context.Context, in searchNotesIn) (noteList, error) {
	words := strings.Fields(strings.ToLower(in.Query))
	if len(words) == 0 {
		return noteList{}, errors.New("query is empty: list_notes gives all notes")
	}
	return n.choose(in.Limit, func(m note) bool {
		all := strings.ToLower(m.Title + "\n" + m.Text + "\n" + strings.Join(m.Tags, " "))
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(all, w) })
	})
}

// choose gives the wanted notes without their texts, newest first.
func (n *notebook) choose(limit int, wanted func(note) bool) (noteList, error) {
	if limit <= 0 {
		limit = 20
	}
	limit = min(limit, maxShown)
	out := noteList{Notes: []note{}}
	err := n.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(notesBucket).Cursor()
		for k, v := c.Last(); k != nil; k, v = c.Prev() {
			var m note
			if err := json.Unmarshal(v, &m); err != nil {
				return fmt.Errorf("note %d is damaged: %w", binary.BigEndian.Uint64(k), err)
			}
			if !wanted(m) {
				continue
			}
			if out.Total++; len(out.Notes) < limit {
				m.Text = ""
				out.Notes = append(out.Notes, m)
			}
		}
		return nil
	})
	return out, err
}

type noteIn struct {
	ID uint64 `json:"id" jsonschema:"the note's number"`
}

func (n *notebook) get(_ context.Context, in noteIn) (out note, err error) {
	err = n.db.View(func(tx *bbolt.Tx) error {
		out, err = find(tx.Bucket(notesBucket), in.ID)
		return err
	})
	return out, err
}

type updateNoteIn struct {
	ID    uint64  `json:"id" jsonschema:"the note's number"`
	Title *string `json:"title,omitempty" jsonschema:"the new title; left out, it stays"`
	Text  *string `json:"text,omitempty" jsonschema:"the new text; left out, it stays"`
}

func (n *notebook) update(_ context.Context, in updateNoteIn) (note, error) {
	if in.Title == nil && in.Text == nil {
		return note{}, errors.New("nothing to change: give title, text or both")
	}
	return n.change(in.ID, func(m *note) {
		if in.Title != nil {
			m.Title = strings.TrimSpace(*in.Title)
		}
		if in.Text != nil {
			m.Text = *in.Text
		}
	})
}

type tagNoteIn struct {
	ID     uint64   `json:"id" jsonschema:"the note's number"`
	Add    []string `json:"add,omitempty" jsonschema:"tags to add"`
	Remove []string `json:"remove,omitempty" jsonschema:"tags to take away"`
}

func (n *notebook) tag(_ context.Context, in tagNoteIn) (note, error) {
	if len(in.Add) == 0 && len(in.Remove) == 0 {
		return note{}, errors.New("no tags given: name some in add or remove")
	}
	gone := cleanTags(in.Remove)
	return n.change(in.ID, func(m *note) {
		m.Tags = slices.DeleteFunc(m.Tags, func(t string) bool { return slices.Contains(gone, t) })
		m.Tags = cleanTags(append(m.Tags, in.Add...))
	})
}

func (n *notebook) remove(_ context.Context, in noteIn) (string, error) {
	err := n.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(notesBucket)
		if _, err := find(b, in.ID); err != nil {
			return err
		}
		return b.Delete(noteKey(in.ID))
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("deleted note %d", in.ID), nil
}

// change applies edit to a stored note and gives the note as it is then.
func (n *notebook) change(id uint64, edit func(*note)) (out note, err error) {
	err = n.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(notesBucket)
		if out, err = find(b, id); err != nil {
			return err
		}
		edit(&out)
		out.Changed = n.now()
		return put(b, out)
	})
	return out, err
}

func find(b *bbolt.Bucket, id uint64) (out note, err error) {
	data := b.Get(noteKey(id))
	if data == nil {
		return out, fmt.Errorf("there is no note %d: list_notes and search_notes give the numbers", id)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("note %d is damaged: %w", id, err)
	}
	return out, nil
}

// put checks a note's sizes and stores it.
func put(b *bbolt.Bucket, m note) error {
	switch {
	case m.Title == "" || len(m.Title) > maxTitle:
		return fmt.Errorf("a title has 1 to %d bytes, this one %d", maxTitle, len(m.Title))
	case len(m.Text) > maxNote:
		return fmt.Errorf("the text has %d bytes, more than the %d of a note: split it", len(m.Text), maxNote)
	case len(m.Tags) > maxTags:
		return fmt.Errorf("a note has at most %d tags, this one would have %d", maxTags, len(m.Tags))
	}
	for _, t := range m.Tags {
		if len(t) > maxTag {
			return fmt.Errorf("tag %q is longer than %d bytes", catalog.Clip(t, maxTag), maxTag)
		}
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return b.Put(noteKey(m.ID), data)
}

func noteKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// cleanTags gives tags in lower case, sorted, each once.
func cleanTags(tags []string) (out []string) {
	for _, t := range tags {
		if t = strings.ToLower(strings.Trim(t, " #")); t != "" {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

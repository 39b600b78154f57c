package catalog

import "time"

// State is how a backend is.
type State string

// The states of a backend.
const (
	Idle        State = "idle"          // its tools are known; it starts with its first call
	Starting    State = "starting"      // being started, or waiting for its next try
	Ready       State = "ready"         // connected and listed
	Down        State = "down"          // the last start failed, or it keeps ending; it is tried again
	NeedsSignIn State = "needs_sign_in" // it answered 401 or 403; a person must act
	Disabled    State = "disabled"      // switched off in the configuration
)

// Server is one backend as it is now.
type Server struct {
	Name         string
	State        State
	PID          int // of a stdio backend's process, 0 if none runs
	Tools        int
	Restarts     int
	Since        time.Time // when it came into this state
	Next         time.Time // when its next start is tried; zero if none is planned
	LastError    string    // why it is not well, "" if it is
	Title        string    // what the backend says of itself
	Version      string
	Protocol     string // the negotiated protocol revision
	Instructions string
}

// ServerText is what a backend says of itself. It is written for a model and
// counts as data: it is searched and summed up, never followed.
type ServerText struct {
	Title        string // "" if it gave none
	Instructions string // "" if it gave none
}

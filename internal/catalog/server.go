package catalog

// ServerText is what a backend says of itself. It is written for a model and
// counts as data: it is searched and summed up, never followed.
type ServerText struct {
	Title        string // "" if it gave none
	Instructions string // "" if it gave none
}

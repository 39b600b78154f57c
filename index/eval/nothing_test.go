package eval

import (
	"testing"

	"toolrouter/internal/catalog"
)

func TestAsk(t *testing.T) {
	own := fourQueries()
	own.Tools = nil
	other := Set{Name: "other"}
	for _, name := range []string{"d", "z"} {
		tool, err := catalog.NewTool("s", []byte(`{"name":"`+name+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		other.Tools = append(other.Tools, tool)
	}
	search := fixed(map[string][]catalog.ID{"a": ids("z"), "d": ids("d")}, 0)
	for _, tt := range []struct {
		of   Set
		want Foreign
	}{
		{other, Foreign{"four", "other", 3, 2. / 3}}, // d has its answer there and is not asked
		{own, Foreign{"four", "four", 4, 0.5}},
	} {
		got, err := Ask(t.Context(), own, tt.of, search)
		if err != nil || got != tt.want {
			t.Errorf("Ask of %s = %+v, %v; want %+v", tt.of.Name, got, err, tt.want)
		}
	}
}

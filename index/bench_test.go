package index

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"toolrouter/index/embed"
	"toolrouter/internal/catalog"
)

// vocabulary is what made-up tools talk about. Real catalogues have a few words
// that many tools use and many that few do, and so have these.
var vocabulary = strings.Fields(`
account action address admin agent alert alias amount analytics api app archive article asset assignment attachment audit
author backup badge balance banner batch billing block board body booking branch browser bucket budget build bundle button
cache calendar campaign card cart case category certificate channel chart chat check city class client cluster code
collection color column comment commit company component condition contact container content contract copy cost country
coupon course credit currency customer dashboard data database dataset date deal default delivery deployment description
device diagram dictionary directory discount dispute document domain draft driver edge email employee endpoint entity entry
environment error estimate event exchange expense export extension factor feature feed field file filter flag flight folder
font forecast form frame function gallery gateway goal graph group guide header health history hook host hotel icon image
import inbox incident index input instance instruction integration invoice issue item job journal key keyword label lambda
language layer lead league lesson level library license limit link list location lock log lookup machine mailbox manager
map market match matrix media meeting member memory menu merge message metadata method metric milestone mirror mode model
module monitor mount movie music namespace network news node note notebook notification number object offer order organization
owner package page panel parameter participant partner password path payment payout performance permission person phone
pipeline place plan platform player playlist plugin point policy poll pool portfolio position post preference price printer
priority process product profile project promotion property protocol provider proxy publication pull purchase query question
queue quota quote rating reaction record recipe refund region registry release reminder replica report repository request
resource response restaurant result review revision role room route rule runner sample schedule schema scope screen script
search season secret section segment sensor server service session setting shape share sheet shipment shop signal site size
slot snapshot song source space sprint stack stage standard state statement station statistic status step stock storage store
story stream string style subject subscription summary supplier support survey switch symbol table tag target task tax team
template tenant test text theme thread ticket time timer token topic trace track trade traffic transaction transcript
transfer translation trend trigger trip type unit update upload usage user value variable vehicle vendor version video view
visitor volume vote wallet warehouse weather webhook website widget window word workflow workspace zone`)

var verbs = strings.Fields("get list create update delete search find add remove set send read write run start stop check export import sync")

// madeUp gives tools on servers of about thirty.
func madeUp(tb testing.TB, n int) []*catalog.Tool {
	tb.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	word := func() string { return vocabulary[int(float64(len(vocabulary))*rng.Float64()*rng.Float64())] }
	tools := make([]*catalog.Tool, n)
	for i := range tools {
		verb, a, b := verbs[rng.IntN(len(verbs))], word(), word()
		def := fmt.Sprintf(`{"name":"%s_%s_%s_%d","description":"%s the %s of a %s. Works with %s and %s; see also %s.","inputSchema":{"properties":{"%s":{"type":"string","description":"The %s of the %s"},"%s_id":{"type":"string"}}}}`,
			verb, a, b, i, verb, a, b, word(), word(), word(), a, word(), b, b)
		t, err := catalog.NewTool(fmt.Sprintf("server%d", i/30), []byte(def))
		if err != nil {
			tb.Fatal(err)
		}
		tools[i] = t
	}
	return tools
}

// asked are queries that were not asked before, so that each finds some of its
// words read already and some not, as in use.
func asked() func() string {
	rng := rand.New(rand.NewPCG(3, 4))
	return func() string {
		text := "please " + verbs[rng.IntN(len(verbs))]
		for range 2 + rng.IntN(5) {
			text += " " + vocabulary[rng.IntN(len(vocabulary))]
		}
		return text
	}
}

func benchIndex(tb testing.TB, n int) (*Index, []*catalog.Tool, time.Duration) {
	tb.Helper()
	model, err := embed.Builtin()
	if err != nil {
		tb.Fatal(err)
	}
	x, err := Open(tb.TempDir(), Options{Embedder: model})
	if err != nil {
		tb.Fatal(err)
	}
	tools := madeUp(tb, n)
	began := time.Now()
	if err := x.Rebuild(context.Background(), tools, nil, 1, nil); err != nil {
		tb.Fatal(err)
	}
	return x, tools, time.Since(began)
}

// BenchmarkSearch shows how a search grows with the catalogue, out of the box.
func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x, _, built := benchIndex(b, n)
			defer x.Close()
			next := asked()
			var took []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				began := time.Now()
				if _, err := x.Search(context.Background(), catalog.Query{Text: next(), Limit: 5}); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(built.Seconds(), "build-s")
		})
	}
}

// BenchmarkUpdate changes one tool of a server of thirty.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x, tools, _ := benchIndex(b, n)
			defer x.Close()
			seq := uint64(1)
			for b.Loop() {
				seq++
				c := catalog.Change{Server: "server1", Seq: seq, Upserted: tools[30:31], All: tools[30:60]}
				if err := x.Update(context.Background(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

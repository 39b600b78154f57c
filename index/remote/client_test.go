package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"toolrouter/index"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) // bleve's workers start with the program
}

const secret = "sk-very-secret"

// request is what an endpoint is asked.
type request struct {
	Model      string   `json:"model"`
	Input      []string `json:"input"`
	Dimensions int      `json:"dimensions"`
}

// vectorOf is what the tests' model gives a text: how often each letter occurs.
// The calibration texts alone it understands.
func vectorOf(text string) []float32 {
	v := make([]float32, 26)
	_, bare, prefixed := strings.Cut(text, ": ")
	queries, tools := index.CalibrationTexts()
	for i := range queries {
		if text == queries[i] || text == tools[i] || prefixed && (bare == queries[i] || bare == tools[i]) {
			v[i] = 1
			return v
		}
	}
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' {
			v[r-'a']++
		}
	}
	v[0] += 0.01
	return v
}

// answerTo writes the vectors of a request.
func answerTo(w http.ResponseWriter, r *http.Request) { answerWith(w, r, 26) }

// answerWith writes vectors of so many numbers.
func answerWith(w http.ResponseWriter, r *http.Request, dim int) {
	var req request
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	type item struct {
		Object    string    `json:"object"`
		Index     int       `json:"index"`
		Embedding []float32 `json:"embedding"`
	}
	data := make([]item, len(req.Input))
	for i, text := range req.Input { // the last first: the index counts, not the order
		data[len(data)-1-i] = item{"embedding", i, vectorOf(text)[:dim]}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "model": req.Model, "data": data})
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func client(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestEmbed(t *testing.T) {
	var requests, texts, together, most atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		now := together.Add(1)
		defer together.Add(-1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		requests.Add(1)
		if r.URL.Path != "/v1/embeddings" || r.Header.Get("Authorization") != "Bearer "+secret || r.Header.Get("X-Org") != "o=1" {
			t.Errorf("asked %s with %v", r.URL.Path, r.Header)
		}
		body, _ := io.ReadAll(r.Body)
		var req request
		if err := json.Unmarshal(body, &req); err != nil || req.Model != "letters" {
			t.Errorf("body %s: %v", body, err)
		}
		texts.Add(int64(len(req.Input)))
		time.Sleep(2 * time.Millisecond)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		answerTo(w, r)
	})
	c := client(t, Options{URL: s.URL, Model: "letters", Key: secret, Headers: []string{"X-Org=o=1"}, Batch: 7})
	var in []string
	for i := range 100 {
		in = append(in, strings.Repeat(string(rune('a'+i%26)), i%5+1))
	}
	got, err := c.Embed(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		var sum float64
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		if math.Abs(sum-1) > 1e-5 || v[i%26] < 0.99 {
			t.Fatalf("vector %d of %q has length %v and is %v", i, in[i], sum, v)
		}
	}
	if requests.Load() != 15 || texts.Load() != 100 || most.Load() > concurrency || c.Dim() != 26 {
		t.Errorf("%d requests of %d texts, %d at once, dim %d", requests.Load(), texts.Load(), most.Load(), c.Dim())
	}
	if none, err := c.Embed(t.Context(), nil); len(none) != 0 || err != nil {
		t.Errorf("Embed(nothing) = %v, %v", none, err)
	}
}

// Every fault is a clear error, quickly, without the secrets.
func TestFaults(t *testing.T) {
	vectors := func(list ...string) string {
		var data []string
		for i, v := range list {
			data = append(data, fmt.Sprintf(`{"index":%d,"embedding":%s}`, i, v))
		}
		return `{"data":[` + strings.Join(data, ",") + `]}`
	}
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   string
		short  string
	}{
		{"partial batch", 200, vectors("[1,2]"), "has 1 vectors for 2 texts", "wrong answer"},
		{"too many", 200, vectors("[1,2]", "[1,2]", "[1,2]"), "has 3 vectors for 2 texts", "wrong answer"},
		{"different lengths", 200, vectors("[1,2]", "[1,2,3]"), "has a vector of 3 numbers where 2 were expected", "wrong answer"},
		{"empty vector", 200, vectors("[1,2]", "[]"), "an empty list for a vector", "wrong answer"},
		{"no vector", 200, `{"data":[{"index":0},{"index":1}]}`, "nothing for a vector", "wrong answer"},
		{"base64", 200, vectors(`"AAAA"`, `"AAAA"`), "a text for a vector", "wrong answer"},
		{"null inside", 200, vectors("[1,null]", "[1,2]"), `"null" in a vector`, "wrong answer"},
		{"NaN", 200, vectors("[1,NaN]", "[1,2]"), "is no list of vectors", "wrong answer"},
		{"infinite", 200, vectors("[1,1e999]", "[1,2]"), "no finite number", "wrong answer"},
		{"too large for 32 bits", 200, vectors("[1,1e39]", "[1,2]"), "no finite number", "wrong answer"},
		{"zeros", 200, vectors("[0,0]", "[1,2]"), "nothing but zeros", "wrong answer"},
		{"nested", 200, vectors("[[1],[2]]", "[1,2]"), "no finite number", "wrong answer"},
		{"same index twice", 200, `{"data":[{"index":1,"embedding":[1]},{"index":1,"embedding":[1]}]}`, "index 1 twice", "wrong answer"},
		{"index out of range", 200, `{"data":[{"index":0,"embedding":[1]},{"index":2,"embedding":[1]}]}`, "index 2", "wrong answer"},
		{"garbage", 200, "<html>hello " + secret, "is no list of vectors", "wrong answer"},
		{"nothing", 200, "", "is no list of vectors", "wrong answer"},
		{"another thing", 200, `{"object":"chat.completion"}`, "has 0 vectors", "wrong answer"},
		{"error with 200", 200, `{"error":{"message":"no such model"}}`, "is an error: no such model", "wrong answer"},
		{"huge", 200, `{"data":[{"embedding":[` + strings.Repeat("1,", 1<<20) + `1]}]}`, "is larger than", "wrong answer"},
		{"too long", 200, vectors("["+strings.Repeat("1,", maxDimensions)+"1]", "[1]"), "at most 4096", "wrong answer"},
		{"401", 401, `{"error":{"message":"Incorrect API key provided: ` + secret + `.\u001b[31m"}}`, "answered 401 Unauthorized: Incorrect API key provided: ….", "answered 401"},
		{"404 of Ollama", 404, `{"error":"model \"x\" not found"}`, `answered 404 Not Found: model "x" not found`, "answered 404"},
		{"422", 422, `{"detail":"bad input"}`, "answered 422 Unprocessable Entity: bad input", "answered 422"},
		{"page", 502, "<html><body>Bad gateway", "answered 502 Bad Gateway", "answered 502"},
		{"long text", 400, strings.Repeat("x", 5000), "answered 400", "answered 400"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			c := client(t, Options{URL: s.URL + "/v1?api=" + secret, Model: "m", Key: secret, Headers: []string{"X-Key=Token " + secret}})
			_, err := c.Embed(t.Context(), []string{"a", "b"})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(inShort(err), tt.short) {
				t.Fatalf("error %v (%s), want %q (%s)", err, inShort(err), tt.want, tt.short)
			}
			if strings.Contains(err.Error(), secret) || len(err.Error()) > 500 || strings.ContainsRune(err.Error(), '\x1b') {
				t.Errorf("error is not fit to be shown: %q", err)
			}
		})
	}
}

func TestGone(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	c := client(t, Options{URL: s.URL + "/?key=" + secret, Key: secret})
	_, err := c.Embed(t.Context(), []string{"a"})
	if err == nil || !strings.Contains(err.Error(), "cannot be reached") || strings.Contains(err.Error(), secret) {
		t.Errorf("error %v", err)
	}
}

func TestSlow(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // or the end of the connection is not noticed
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client(t, Options{URL: s.URL}).Embed(ctx, []string{"a"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline's", err)
	}
}

func TestBusy(t *testing.T) {
	var tries atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) == 1 {
			w.Header().Set("Retry-After", "0")
			http.Error(w, "wait", http.StatusTooManyRequests)
			return
		}
		answerTo(w, r)
	})
	if _, err := client(t, Options{URL: s.URL}).Embed(t.Context(), []string{"a"}); err != nil || tries.Load() != 2 {
		t.Errorf("%v after %d tries", err, tries.Load())
	}
	resp := &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"86400"}}, Request: &http.Request{URL: &url.URL{}}}
	var status *StatusError
	if err := client(t, Options{URL: s.URL}).refusal(resp, nil); !errors.As(err, &status) || status.after != longestWait {
		t.Errorf("a day's Retry-After waits for %v", status.after)
	}
}

func TestRedirects(t *testing.T) {
	other := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("another host was asked, with %v", r.Header) })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/here/embeddings":
			http.Redirect(w, r, "/v1/embeddings", http.StatusPermanentRedirect)
		case "/get/embeddings":
			http.Redirect(w, r, "/v1/embeddings", http.StatusFound)
		case "/round/embeddings":
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		case "/away/embeddings":
			http.Redirect(w, r, other.URL+"/v1/embeddings?k="+secret, http.StatusTemporaryRedirect)
		default:
			answerTo(w, r)
		}
	})
	for path, want := range map[string]string{"/here": "", "/get": "302", "/round": "307", "/away": other.URL} {
		_, err := client(t, Options{URL: s.URL + path, Key: secret}).Embed(t.Context(), []string{"a"})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestDimensions(t *testing.T) {
	s := serve(t, answerTo)
	c := client(t, Options{URL: s.URL, Dimensions: 8})
	if _, err := c.Embed(t.Context(), []string{"a"}); err == nil || !strings.Contains(err.Error(), "26 numbers where 8") {
		t.Errorf("error %v for an endpoint that does not shorten vectors", err)
	}
}

// Vectors that are asked for together have one length, also those of different
// requests; what comes later may have another.
func TestLengths(t *testing.T) {
	var requests, changes atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) <= changes.Load() {
			answerTo(w, r)
		} else {
			answerWith(w, r, 24)
		}
	})
	c := client(t, Options{URL: s.URL, Batch: 1})
	changes.Store(1)
	if got, err := c.Embed(t.Context(), []string{"a"}); err != nil || len(got[0]) != 26 || c.Dim() != 26 {
		t.Fatalf("Embed = %v, %v, dim %d", got, err, c.Dim())
	}
	if got, err := c.Embed(t.Context(), []string{"a", "b"}); err != nil || len(got[1]) != 24 || c.Dim() != 24 {
		t.Errorf("after the model has changed Embed = %v, %v, dim %d", got, err, c.Dim())
	}
	changes.Store(requests.Load() + 1)
	if got, err := c.Embed(t.Context(), []string{"a", "b"}); err == nil || c.Dim() != 24 {
		t.Errorf("while the model changes Embed = %v, %v, dim %d", got, err, c.Dim())
	}
}

func TestEndpoints(t *testing.T) {
	for url, want := range map[string]string{
		"http://localhost:11434":               "http://localhost:11434/v1/embeddings",
		"http://localhost:11434/":              "http://localhost:11434/v1/embeddings",
		"https://api.example/v1":               "https://api.example/v1/embeddings",
		"https://api.example/v1/embeddings/":   "https://api.example/v1/embeddings",
		"https://x.example/openai/?v=1":        "https://x.example/openai/embeddings?v=1",
		"https://x.example/d/m/embeddings?v=1": "https://x.example/d/m/embeddings?v=1",
	} {
		if got, err := (Options{URL: url}).endpoint(); err != nil || got.String() != want {
			t.Errorf("endpoint(%s) = %v, %v, want %s", url, got, err, want)
		}
	}
	for _, url := range []string{"", "localhost:11434", "ftp://x", "http://", "http://u:p@x", "http://x\x7f?k=" + secret} {
		_, err := New(Options{URL: url})
		if err == nil || !strings.HasPrefix(err.Error(), "url: ") || strings.Contains(err.Error(), secret) {
			t.Errorf("New(%q) = %v, want a mistake of url", url, err)
		}
	}
}

func TestNameTellsSettingsApart(t *testing.T) {
	base := Options{URL: "http://localhost", Model: "m"}
	seen := map[string]string{}
	for name, change := range map[string]func(*Options){
		"base": func(*Options) {}, "model": func(o *Options) { o.Model = "n" }, "host": func(o *Options) { o.URL = "http://other" },
		"path": func(o *Options) { o.URL += "/v2" }, "query prefix": func(o *Options) { o.QueryPrefix = "q" },
		"document prefix": func(o *Options) { o.DocumentPrefix = "q" }, "dimensions": func(o *Options) { o.Dimensions = 9 },
	} {
		o := base
		change(&o)
		got := client(t, o).Name()
		if other, taken := seen[got]; taken {
			t.Errorf("%s and %s share the name %s", name, other, got)
		}
		seen[got] = name
	}
	same := base
	same.URL, same.Key, same.Batch, same.Headers = "http://localhost/v1/embeddings?version=2", "k", 9, []string{"A=b"}
	if got, want := client(t, same).Name(), client(t, base).Name(); got != want {
		t.Errorf("name %s, want %s: nothing that shapes vectors differs", got, want)
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	o := Options{URL: "https://a.example/?k=" + secret, Model: "m", Key: secret, Headers: []string{"A=" + secret}}
	for _, shown := range []string{fmt.Sprint(o), fmt.Sprintf("%+v %#v", o, o), o.LogValue().String(), client(t, o).Name(), client(t, o).Label()} {
		if strings.Contains(shown, secret) {
			t.Errorf("shown: %s", shown)
		}
	}
	for _, header := range []string{"Authorization: Bearer " + secret, "Authorization: Bearer " + secret + "==", "Bearer " + secret + "=x", "=" + secret} {
		_, err := New(Options{URL: "https://a.example", Headers: []string{"A=b", header}})
		if err == nil || !strings.HasPrefix(err.Error(), "headers[1]: want Name=value") || strings.Contains(err.Error(), secret) {
			t.Errorf("New with the header %q: %v", header, err)
		}
	}
}

func FuzzReadVectors(f *testing.F) {
	for _, s := range []string{`{"data":[{"index":0,"embedding":[1,2.5e-3,-1]}]}`, `{"data":[{"embedding":[ 1 ]}]}`, `{"data":null}`, `{"error":"x"}`, `[`, `{"data":[{"embedding":[1,,2]}]}`} {
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		got, err := readVectors([]byte(s), n)
		if err != nil {
			return
		}
		if len(got) != n {
			t.Fatalf("%d vectors for %d texts", len(got), n)
		}
		for _, v := range got {
			var sum float64
			for _, x := range v {
				sum += float64(x) * float64(x)
			}
			if math.Abs(sum-1) > 1e-3 {
				t.Errorf("length %v of %v", sum, v)
			}
		}
	})
}

func BenchmarkReadVectors(b *testing.B) {
	number := "-0.0123456789,"
	vector := `{"index":%d,"embedding":[` + strings.Repeat(number, 1535) + `0.5]}`
	var data []string
	for i := range 64 {
		data = append(data, fmt.Sprintf(vector, i))
	}
	answer := []byte(`{"data":[` + strings.Join(data, ",") + `]}`)
	b.SetBytes(int64(len(answer)))
	for b.Loop() {
		if _, err := readVectors(answer, 64); err != nil {
			b.Fatal(err)
		}
	}
}

package index

import (
	"context"
	"errors"
	"slices"
)

// Models differ in what a cosine of theirs means: one gives unrelated texts 0.1
// and another 0.7. So that weights and thresholds hold for every model, each is
// measured on the same few needs and the tools that answer them, and its cosines
// are moved to where the built-in model has the like.

// Levels are two points of a model's scale.
type Levels struct {
	Nothing float64 // a cosine that all but one of ten unrelated texts stay below
	Match   float64 // the median of a need and the tool that answers it
}

// apart is how far the two levels of a usable model lie from each other at the
// least. Below it a model gives all texts about the same vector.
const apart = 0.02

// usualLevels are about those of the built-in model, for an index without one.
var usualLevels = Levels{Nothing: 0.14, Match: 0.50}

// line is a straight line through two points.
type line struct{ slope, offset float64 }

func (l line) at(cosine float64) float64 { return l.slope*cosine + l.offset }

// lineBetween leads from one model's cosines to another's.
func lineBetween(from, to Levels) line {
	slope := (to.Match - to.Nothing) / max(from.Match-from.Nothing, apart)
	return line{slope, to.Nothing - slope*from.Nothing}
}

// ownLevels measures the built-in model.
func (x *Index) ownLevels(ctx context.Context) (Levels, error) {
	if x.opts.Embedder == nil {
		return usualLevels, nil
	}
	queries, tools := CalibrationTexts()
	q, err := x.opts.Embedder.Embed(ctx, queries)
	if err != nil {
		return Levels{}, err
	}
	d, err := x.opts.Embedder.Embed(ctx, tools)
	if err != nil {
		return Levels{}, err
	}
	return MeasureLevels(q, d)
}

// CalibrationTexts gives needs in people's words and, at the same place, the text
// of the tool that answers each.
func CalibrationTexts() (queries, tools []string) {
	for _, p := range calibration {
		queries, tools = append(queries, p.query), append(tools, p.tool)
	}
	return queries, tools
}

// MeasureLevels reads a model's levels off its vectors of the calibration texts.
// The error says that the model does not tell texts apart.
func MeasureLevels(queries, tools [][]float32) (Levels, error) {
	if len(queries) != len(calibration) || len(tools) != len(calibration) {
		return Levels{}, errors.New("not one vector for each calibration text")
	}
	var match, nothing []float64
	for i, q := range queries {
		for j, t := range tools {
			if i == j {
				match = append(match, closeness(q, t))
			} else {
				nothing = append(nothing, closeness(q, t))
			}
		}
	}
	slices.Sort(match)
	slices.Sort(nothing)
	l := Levels{Nothing: nothing[len(nothing)*9/10], Match: match[len(match)/2]}
	if !(l.Match-l.Nothing >= apart) {
		return Levels{}, errors.New("the model gives a need no more in common with the tool that answers it than with others: is it a model for embeddings?")
	}
	return l, nil
}

// closeness is the cosine of two vectors of any length; 0 if it is not defined.
func closeness(a, b []float32) float64 {
	v := vectors{dim: len(a)}
	v.set(0, EncodeVector(a))
	got := 0.0
	v.cosines(b, func(_ int, c float64) { got = c })
	return got
}

// calibration is fixed: another one would move every ranking of every model.
var calibration = []struct{ query, tool string }{
	{"open a ticket about a bug", "create_issue\nCreate a new issue in a repository."},
	{"what is the weather like tomorrow", "get_forecast\nGet the weather forecast for a location."},
	{"let the team know on chat", "post_message\nSend a message to a channel."},
	{"read a text file", "read_file\nRead the complete contents of a file from the file system."},
	{"which rows are in the customers table", "run_query\nExecute a SQL query against the database."},
	{"put a meeting in my diary for monday", "create_event\nCreate an event in the calendar."},
	{"look something up on the internet", "web_search\nSearch the web and return the most relevant pages."},
	{"take a picture of a web page", "screenshot\nCapture an image of the current browser tab."},
	{"restart the pods", "rollout_restart\nRestart the workloads of a deployment in the cluster."},
	{"how much did we earn last month", "revenue_report\nSummarize income for a period of time."},
	{"translate this to german", "translate_text\nTranslate text from one language into another."},
	{"who works in the sales department", "list_employees\nList people in the organization, filtered by team."},
	{"pay back a customer", "create_refund\nRefund a payment that was made earlier."},
	{"turn off the lights in the kitchen", "set_device_state\nSwitch a smart home device on or off."},
	{"find a flight to lisbon", "search_flights\nFind air connections between two airports on a date."},
	{"share a document with somebody", "add_permission\nGive a user access to a file."},
	{"why does the server respond so slowly", "get_traces\nFetch performance traces and latency of a service."},
	{"remember this for later", "add_memory\nStore a note in long-term memory."},
	{"merge my branch", "merge_pull_request\nMerge an open pull request."},
	{"what does this stock cost", "get_quote\nLatest market price of a security."},
	{"resize a photo", "transform_image\nScale, crop or rotate an image."},
	{"write an email to my landlord", "send_mail\nCompose and send an e-mail."},
	{"how do I get to the station on foot", "directions\nCompute a walking, cycling or driving route."},
	{"remove an old backup", "delete_snapshot\nDelete a snapshot of a disk or volume."},
}

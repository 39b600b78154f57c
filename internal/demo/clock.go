package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	_ "time/tzdata" // zones work on machines without a zone database

	"github.com/mark3labs/mcp-go/server"
)

//go:embed zones.txt
var zoneNames string

// clock is what the tools of the server "time" work on.
type clock struct{ now func() time.Time }

func runTime(ctx context.Context, _ string, in io.Reader, out io.Writer) error {
	return serve(ctx, timeServer(clock{time.Now}), in, out)
}

func timeServer(c clock) *server.MCPServer {
	s := newServer("time", "Time", "Clocks, time zones and durations. Zones have IANA names such as Europe/Lisbon.")
	addRecord(s, "current_time", "Tell what time it is now: date, time and weekday in any time zone or large city.", reads, c.current)
	addRecord(s, "convert_time", "Convert a date and time from one time zone to another.", reads, c.convert)
	addRecord(s, "time_difference", "Tell how much time lies between two dates or times.", reads, c.difference)
	addRecord(s, "add_duration", "Add a duration to a date and time, or take one away.", reads, c.addDuration)
	add(s, "list_time_zones", "List the names of time zones, all of them or those that contain a text.", reads, c.zones)
	return s
}

// moment is a point in time as a person in one zone says it.
type moment struct {
	Time    string `json:"time" jsonschema:"with the zone's offset, as RFC 3339 writes it"`
	Zone    string `json:"timezone"`
	Weekday string `json:"weekday"`
	Unix    int64  `json:"unix" jsonschema:"seconds since 1970"`
}

func newMoment(t time.Time) moment {
	return moment{Time: t.Format(time.RFC3339), Zone: t.Location().String(), Weekday: t.Weekday().String(), Unix: t.Unix()}
}

type currentIn struct {
	Zone string `json:"timezone,omitempty" jsonschema:"IANA name such as Asia/Tokyo or Europe/Lisbon; left out, UTC"`
}

func (c clock) current(_ context.Context, in currentIn) (moment, error) {
	zone, err := loadZone(in.Zone)
	if err != nil {
		return moment{}, err
	}
	return newMoment(c.now().In(zone)), nil
}

type convertIn struct {
	Time string `json:"time" jsonschema:"2026-03-02 14:30, 2026-03-02T14:30:00+01:00, or 14:30 for today"`
	From string `json:"from_timezone,omitempty" jsonschema:"zone the time is in, unless it carries an offset; left out, UTC"`
	To   string `json:"to_timezone" jsonschema:"zone to convert it to"`
}

func (c clock) convert(_ context.Context, in convertIn) (moment, error) {
	t, err := c.parse(in.Time, in.From)
	if err != nil {
		return moment{}, err
	}
	zone, err := loadZone(in.To)
	if err != nil {
		return moment{}, err
	}
	return newMoment(t.In(zone)), nil
}

type differenceIn struct {
	From string `json:"from" jsonschema:"the one date or time"`
	To   string `json:"to" jsonschema:"the other"`
	Zone string `json:"timezone,omitempty" jsonschema:"zone of both, unless they carry an offset; left out, UTC"`
}

type difference struct {
	Duration string `json:"duration" jsonschema:"such as 2 days 3h15m0s; negative if to lies before from"`
	Seconds  int64  `json:"seconds"`
}

func (c clock) difference(_ context.Context, in differenceIn) (difference, error) {
	from, err := c.parse(in.From, in.Zone)
	if err != nil {
		return difference{}, err
	}
	to, err := c.parse(in.To, in.Zone)
	if err != nil {
		return difference{}, err
	}
	d := to.Sub(from)
	return difference{Duration: inDays(d), Seconds: int64(d / time.Second)}, nil
}

type addDurationIn struct {
	Time     string `json:"time,omitempty" jsonschema:"where to begin; left out, now"`
	Zone     string `json:"timezone,omitempty" jsonschema:"zone of the time, unless it carries an offset; left out, UTC"`
	Duration string `json:"duration,omitempty" jsonschema:"such as 90m, 1h30m or -45s"`
	Days     int    `json:"days,omitempty" jsonschema:"calendar days to add; negative to go back"`
	Months   int    `json:"months,omitempty" jsonschema:"calendar months to add; negative to go back"`
}

func (c clock) addDuration(_ context.Context, in addDurationIn) (moment, error) {
	if in.Duration == "" && in.Days == 0 && in.Months == 0 {
		return moment{}, errors.New("nothing to add: give duration, days or months")
	}
	const most = 120000 // months, or ten thousand years
	if max(in.Months, -in.Months) > most || max(in.Days, -in.Days) > 31*most {
		return moment{}, errors.New("more than ten thousand years: give fewer days or months")
	}
	t, err := c.parse(in.Time, in.Zone)
	if err != nil {
		return moment{}, err
	}
	var d time.Duration
	if in.Duration != "" {
		if d, err = time.ParseDuration(strings.ReplaceAll(in.Duration, " ", "")); err != nil {
			return moment{}, fmt.Errorf("%q is not a duration: write it as 90m, 1h30m or -45s, and whole days in days", in.Duration)
		}
	}
	return newMoment(t.AddDate(0, in.Months, in.Days).Add(d)), nil
}

type zonesIn struct {
	Contains string `json:"contains,omitempty" jsonschema:"part of a name, such as America or lisbon"`
}

func (c clock) zones(_ context.Context, in zonesIn) (string, error) {
	part := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(in.Contains), " ", "_"))
	var out []string
	for name := range strings.Lines(zoneNames) {
		if strings.Contains(strings.ToLower(name), part) {
			out = append(out, strings.TrimSpace(name))
		}
	}
	if len(out) == 0 {
		return "", fmt.Errorf("no zone's name contains %q: zones are named for large cities, as in Europe/Lisbon", in.Contains)
	}
	return strings.Join(out, "\n"), nil
}

func loadZone(name string) (*time.Location, error) {
	if name == "Local" { // the server's own zone is nobody's business
		name = "UTC"
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time zone: list_time_zones gives the names", name)
	}
	return zone, nil
}

// layouts are the ways to write a time that parse takes.
var layouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04", time.DateOnly,
}

// parse reads a time; an offset in it counts more than the zone. "" and "now"
// are now, and a bare time of day is one of today.
func (c clock) parse(text, zone string) (time.Time, error) {
	loc, err := loadZone(zone)
	if err != nil {
		return time.Time{}, err
	}
	text = strings.TrimSpace(text)
	now := c.now().In(loc)
	if text == "" || text == "now" {
		return now, nil
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, loc); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04", time.TimeOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time: write 2026-03-02 14:30, 2026-03-02T14:30:00+01:00, or 14:30 for today", text)
}

// inDays writes a duration with its whole days apart.
func inDays(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	const day = 24 * time.Hour
	days, rest := d/day, d%day
	switch days {
	case 0:
		return sign + rest.String()
	case 1:
		return fmt.Sprintf("%s1 day %s", sign, rest)
	}
	return fmt.Sprintf("%s%d days %s", sign, days, rest)
}

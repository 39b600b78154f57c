package configs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written with a unit: "30s", "1m30s".
type Duration time.Duration

// UnmarshalText reads a duration with a unit. It refuses a bare number and what
// is below zero, above a day, or between zero and a millisecond.
func (d *Duration) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return fmt.Errorf("%s has no unit: write %ss", s, s)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is no duration: write 30s or 2m", s)
	}
	if v < 0 || v > 24*time.Hour || v > 0 && v < time.Millisecond {
		return fmt.Errorf("%s is out of range: at least 1ms, at most 24h", s)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes what UnmarshalText reads, without zero parts.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes the duration without its zero parts: 1m, not 1m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Size is a number of bytes, written "4MiB", "512KiB", "2MB" or "4096".
type Size int64

const maxSize = 1 << 30

// sizeUnits are tried in order, so the longer suffixes stand first.
var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1}, {"", 1},
}

// UnmarshalText reads a size between one byte and 1 GiB.
func (z *Size) UnmarshalText(text []byte) error {
	s := strings.ToLower(strings.TrimSpace(string(text)))
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil {
			break
		}
		if n < 1 || n > maxSize/u.bytes {
			return fmt.Errorf("%s is out of range: at least 1 byte, at most 1GiB", text)
		}
		*z = Size(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is no size: write 4MiB or 512KiB", text)
}

// MarshalText writes the size with the largest binary unit that fits evenly.
func (z Size) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

// String is the size with the largest binary unit that fits evenly.
func (z Size) String() string {
	for _, u := range []struct {
		name  string
		bytes Size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if z >= u.bytes && z%u.bytes == 0 {
			return strconv.FormatInt(int64(z/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(z), 10)
}

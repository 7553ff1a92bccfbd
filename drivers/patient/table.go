package patient

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"monitorme/protocol"
)

// columnCodes are the column names of the recordings and their codes. A column
// may be named by its reference id as well.
var columnCodes = map[string]protocol.Code{
	"HR":          protocol.HeartRate,
	"PR":          protocol.PulseRate,
	"PULSE":       protocol.PulseRate,
	"SPO2":        protocol.SpO2,
	"PI":          protocol.PerfusionIndex,
	"RESP_RATE":   protocol.RespirationRate,
	"TEMP":        protocol.BodyTemperature,
	"BP_SYS":      pressureSystolic,
	"BP_DIA":      pressureDiast,
	"BP_MEAN":     pressureMean,
	"NBP_SYS":     protocol.NIBPSystolic,
	"NBP_DIA":     protocol.NIBPDiastolic,
	"NBP_MEAN":    protocol.NIBPMean,
	"ABP_SYS":     protocol.ABPSystolic,
	"ABP_DIA":     protocol.ABPDiastolic,
	"ABP_MEAN":    protocol.ABPMean,
	"GLUCOSE":     protocol.Glucose,
	"GLUCOSE_CGM": glucoseTissue,
	"GLUCOSE_LAB": glucosePlasma,
}

// stageOf translates the words of sleep columns into those of SleepStatus.
var stageOf = map[string]string{
	"awake": "awake", "asleep": "asleep", "light": "light", "deep": "deep", "rem": "rem", "unknown": "unknown",
	"W": "awake", "N1": "light", "N2": "light", "N3": "deep", "N4": "deep", "R": "rem", "REM": "rem", "": "",
}

// A table is the numerics of a CSV file: rows in order of time.
type table struct {
	path    string
	times   []float64 // s
	numbers map[protocol.Code]*column
	sleep   *column // Texts in words
	wave    *column // the waveform record to loop
	step    float64 // usual distance of rows, s
	unknown []string
}

// A column holds a value from its row on, until the next value or for hold
// seconds; then the sensor has none.
type column struct {
	name   string
	values []float64 // NaN: empty; of text columns an index into words
	words  []string
	hold   float64
}

// length is how long the table plays before it starts again.
func (t *table) length() float64 { return t.times[len(t.times)-1] + t.step - t.times[0] }

// at gives the value of c at sec, counted from the first row.
func (t *table) at(c *column, sec float64) (float64, bool) {
	if c == nil || sec < 0 {
		return 0, false
	}
	sec += t.times[0]
	i, exact := slices.BinarySearch(t.times, sec)
	if !exact {
		i--
	}
	for ; i >= 0 && sec-t.times[i] < c.hold; i-- {
		if v := c.values[i]; !math.IsNaN(v) {
			return v, true
		}
	}
	return 0, false
}

// word is at for a column of texts.
func (t *table) word(c *column, sec float64) (string, bool) {
	v, ok := t.at(c, sec)
	if !ok {
		return "", false
	}
	return c.words[int(v)], true
}

// parseTable reads a CSV whose first column is time_s. ok is false, without an
// error, for a file that is no such table or has no sign in it. What it cannot use it lists in
// unknown.
func parseTable(path string, r io.Reader) (t *table, ok bool, err error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), 1<<20)
	if !in.Scan() {
		return nil, false, in.Err()
	}
	names := strings.Split(strings.TrimRight(strings.TrimPrefix(in.Text(), "\ufeff"), "\r"), ",")
	if names[0] != "time_s" {
		return nil, false, nil
	}
	t = &table{path: path, numbers: map[protocol.Code]*column{}}
	columns := t.layOut(names)
	if len(t.numbers) == 0 && t.sleep == nil {
		return nil, false, nil
	}
	for line := 2; in.Scan(); line++ {
		text := strings.TrimRight(in.Text(), "\r")
		if text == "" {
			continue
		}
		if err := t.addRow(columns, strings.Split(text, ",")); err != nil {
			return nil, false, fmt.Errorf("%s:%d: %w", path, line, err)
		}
	}
	if err := in.Err(); err != nil {
		return nil, false, fmt.Errorf("%s: %w", path, err)
	}
	if len(t.times) == 0 {
		return nil, false, fmt.Errorf("%s: no rows", path)
	}
	t.step = usualStep(t.times)
	for _, c := range columns {
		if c != nil {
			c.hold = max(t.step, usualStep(t.filled(c)))
		}
	}
	return t, true, nil
}

// layOut makes a column for each name that is known, nil for the others.
func (t *table) layOut(names []string) []*column {
	columns := make([]*column, len(names))
	stages := slices.Contains(names, "SLEEP_STAGE")
	for i, name := range names {
		if i == 0 {
			continue
		}
		c := &column{name: name}
		code, known := columnCodes[name]
		if !known {
			term, ok := protocol.LookupRefID(name)
			code, known = term.Code, ok
		}
		switch {
		case known && t.numbers[code] == nil:
			t.numbers[code] = c
		case name == "wave" && t.wave == nil:
			t.wave = c
		case name == "SLEEP_STAGE" && t.sleep == nil, name == "SLEEP" && !stages && t.sleep == nil:
			t.sleep = c
		case name == "SLEEP" && stages: // the stages say the same and more
			continue
		default:
			t.unknown = append(t.unknown, name)
			continue
		}
		columns[i] = c
	}
	return columns
}

func (t *table) addRow(columns []*column, fields []string) error {
	if len(fields) != len(columns) {
		return fmt.Errorf("%d fields, the header has %d", len(fields), len(columns))
	}
	sec, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || math.IsNaN(sec) || math.IsInf(sec, 0) {
		return fmt.Errorf("time_s is %q, want a number", fields[0])
	}
	if n := len(t.times); n > 0 && sec <= t.times[n-1] {
		return fmt.Errorf("time_s is %s after %g: it must grow", fields[0], t.times[n-1])
	}
	t.times = append(t.times, sec)
	for i, c := range columns {
		if c == nil {
			continue
		}
		v := math.NaN()
		if f := fields[i]; f == "" {
		} else if c == t.wave || c == t.sleep {
			if c == t.sleep {
				word, ok := stageOf[f]
				if !ok {
					return fmt.Errorf("column %s is %q, want awake, asleep, or a stage", c.name, f)
				}
				f = word
			}
			v = float64(c.index(f))
		} else if v, err = strconv.ParseFloat(f, 64); err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("column %s is %q, want a number or nothing", c.name, f)
		}
		c.values = append(c.values, v)
	}
	return nil
}

func (c *column) index(word string) int {
	if i := slices.Index(c.words, word); i >= 0 {
		return i
	}
	c.words = append(c.words, word)
	return len(c.words) - 1
}

// filled are the times at which c has a value.
func (t *table) filled(c *column) []float64 {
	var out []float64
	for i, v := range c.values {
		if !math.IsNaN(v) {
			out = append(out, t.times[i])
		}
	}
	return out
}

// usualStep is the median distance of times, 0 of fewer than two.
func usualStep(times []float64) float64 {
	if len(times) < 2 {
		return 0
	}
	steps := make([]float64, 0, len(times)-1)
	for i := 1; i < len(times); i++ {
		steps = append(steps, times[i]-times[i-1])
	}
	slices.Sort(steps)
	return steps[len(steps)/2]
}

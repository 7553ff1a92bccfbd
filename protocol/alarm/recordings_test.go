package alarm

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"monitorme/protocol"
)

// The composites of the recordings carry stretches beyond limits that were
// worked out from the same files by another program.
func TestAlarmsOfRecordingsAgreeWithTheFacts(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "recordings")
	text, err := os.ReadFile(filepath.Join(dir, "facts.json"))
	if err != nil {
		t.Skip("needs ../shared/recordings/facts.json beside the project")
	}
	var facts struct {
		Files map[string]struct {
			Intervals json.RawMessage `json:"beyond_limit_intervals_s"`
		} `json:"files"`
	}
	if err := json.Unmarshal(text, &facts); err != nil {
		t.Fatal(err)
	}
	columns := []struct {
		name, limit, rule string
		code              protocol.Code
	}{
		{"HR", ">120", "hr-high", protocol.HeartRate}, {"HR", "<50", "hr-low", protocol.HeartRate},
		{"SPO2", "<90", "spo2-low", protocol.SpO2}, {"RESP_RATE", ">30", "rr-high", protocol.RespirationRate},
		{"TEMP", ">39", "temp-high", protocol.BodyTemperature},
	}
	checked := 0
	for _, name := range []string{"ward_stable", "sepsis_fever", "desaturation", "night_hypoglycaemia", "septic_shock"} {
		file := "composites/" + name + ".csv"
		var intervals map[string]map[string][][2]float64 // column, limit
		if err := json.Unmarshal(facts.Files[file].Intervals, &intervals); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, col := range columns {
			alarms, err := replay(filepath.Join(dir, file), col.name, col.code, col.rule)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range intervals[col.name][col.limit] {
				checked++
				found := false
				for _, a := range alarms {
					// Hysteresis may make one alarm of several stretches.
					end := a.Ended
					if end.IsZero() {
						end = sec(1e6)
					}
					found = found || !a.Started.After(sec(want[0])) && !end.Before(sec(want[1]))
				}
				if !found {
					t.Errorf("%s: %s %s from %v to %v s has no alarm", name, col.name, col.limit, want[0], want[1])
				}
			}
			// Where the facts know no stretch there is at most a single minute.
			for _, a := range alarms {
				if len(intervals[col.name][col.limit]) == 0 && a.Ended.Sub(a.Started) > 10*time.Minute {
					t.Errorf("%s: alarm %s from %s without a fact", name, a.Rule, a.Started)
				}
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d stretches checked", checked)
	}
}

// replay gives the last word on each alarm of one rule over one column.
func replay(path, column string, code protocol.Code, rule string) ([]Alarm, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	col := 0
	for i, h := range rows[0] {
		if h == column {
			col = i
		}
	}
	b := &bed{e: NewEvaluator("box-1", Default())}
	for _, row := range rows[1:] {
		s, err := strconv.ParseFloat(row[0], 64)
		if err != nil {
			return nil, err
		}
		if row[col] != "" {
			b.send(num(code, s, row[col]))
		}
	}
	last := map[string]int{}
	var out []Alarm
	for _, a := range b.all {
		if a.Rule != rule {
			continue
		}
		if i, ok := last[a.ID]; ok {
			out[i] = a
			continue
		}
		last[a.ID] = len(out)
		out = append(out, a)
	}
	return out, nil
}

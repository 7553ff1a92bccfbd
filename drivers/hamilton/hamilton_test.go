package hamilton

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
)

// The protocol has no check.
var options = drivertest.Options{Unchecked: []string{"*"}, Settle: 6 * time.Second}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/poll.hex", "A simulated ventilator.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 4010 * time.Millisecond, What: "at rest"},
		drivertest.Act{For: 4 * time.Second, What: "disconnected", Do: func(p *drivertest.Patient) { p.AllOff(true) }})
	drivertest.Run(t, Driver, options)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/poll.hex"))
}

func TestTheWorkedAnswers(t *testing.T) {
	obs := drivertest.Decode(newDecoder(), drivertest.Load(t, "testdata/worked.hex"))
	var got []string
	for _, o := range obs {
		got = append(got, o.Quality.String()+" "+o.Value.String()+o.Text)
	}
	// PEEP 5 set, rate 16, plateau 17 and then none, refused, mode 22.
	want := []string{"good 5", "good 16", "good 17", "missing ", "good ASV", "good 7.20"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOnlyNumbersAreRead(t *testing.T) {
	for text, want := range map[string]string{"  21.": "21", " 7.20": "7.20", "-1.50": "-1.50", "   0.": "0", "99.9 ": "no", "1 2. ": "no", "    .": "no", "1.2.3": "no", "    -": "no",
		" 9999": "", "9999.": "", "999.9": "", "99.99": ""} {
		got := "no"
		if v, ok := number([]byte(text)); ok {
			got = v.String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// allowed are requests for parameters, by their numbers.
func allowed(wrote []byte) int {
	ids := []byte{36, 37, 40, 41, 43, 48, 49, 50, 60, 61, 62, 63, 64, 66, 67, 68, 69, 71, 72, 73, 74, 75, 87, 103, 112, 113, 115}
	if len(wrote) >= 4 && wrote[0] == 0x02 && bytes.IndexByte(ids, wrote[1]) >= 0 && wrote[2] == 0x03 && wrote[3] == 0x0D {
		return 4
	}
	return 0
}

func TestRunWritesOnlyRequests(t *testing.T) {
	requests := drivertest.Writes(t, Driver, allowed, func(r *rand.Rand) []byte {
		return fmt.Appendf(nil, "\x02%c%5s\x03\r", rune(r.IntN(128)), []string{"9999.", " 7.20", "ERROR", "-1.50"}[r.IntN(4)])
	})
	if len(requests) < 60*60*len(fast) {
		t.Errorf("%d requests in an hour", len(requests))
	}
}

package hamilton

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
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

type tapped struct {
	drivers.Port
	wrote []byte
}

func (p *tapped) Write(b []byte) (int, error) {
	p.wrote = append(p.wrote, b...)
	return p.Port.Write(b)
}

func TestRunWritesOnlyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := drivertest.NewWire()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		tap := &tapped{Port: host}
		go func() { done <- simulate(ctx, far, drivertest.NewPatient()) }()
		go func() { done <- run(ctx, tap, func(protocol.Observation) {}) }()
		time.Sleep(time.Minute)
		stop()
		<-done
		<-done
		far.Close()
		if len(tap.wrote) < 4*60*len(fast) {
			t.Errorf("%d bytes in a minute", len(tap.wrote))
		}
		for w := tap.wrote; len(w) >= 4; w = w[4:] {
			if w[0] != stx || byID[w[1]] == nil || w[2] != etx || w[3] != cr {
				t.Fatalf("wrote % X", w[:4])
			}
		}
	})
}

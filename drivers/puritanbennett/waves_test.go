package puritanbennett

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// The captures of the waveform port are in a place of their own: the kit gives
// a driver all that it finds in testdata.
const waveTests = "testdata/waves"

func TestWaves(t *testing.T) {
	t.Chdir(waveTests)
	drivertest.Record(t, "testdata/breaths.hex", "The waveform port.", Waves, drivertest.NewPatient(), drivertest.Act{For: 10100 * time.Millisecond, What: "14 breaths/min"})
	drivertest.Run(t, Waves, drivertest.Options{
		Unchecked: []string{"*"}, Joined: []string{"*"}, JunkEnd: "\n",
		SilentWhenOff: true,
	})
}

func FuzzWaves(f *testing.F) {
	f.Add([]byte("\nBS, S:7,\n25.10, 14.05\n-3.00, 5.10\nBE\n"), 3)
	f.Fuzz(func(t *testing.T, wire []byte, step int) {
		step = max(1, min(step, 64))
		whole, pieces := newWaveDecoder(), newWaveDecoder()
		want := drivertest.Decode(whole, wire)
		n := 0
		for _, o := range want {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
		}
		for ; len(wire) > 0; wire = wire[min(step, len(wire)):] {
			n += len(drivertest.Decode(pieces, wire[:min(step, len(wire))]))
		}
		if n != len(want) || whole.Stats() != pieces.Stats() {
			t.Errorf("in pieces of %d: %d observations, %+v; whole %d, %+v", step, n, pieces.Stats(), len(want), whole.Stats())
		}
	})
}

func BenchmarkWaves(b *testing.B) {
	drivertest.Bench(b, Waves, drivertest.Load(b, waveTests+"/testdata/breaths.hex"))
}

func drawnBy(all []protocol.Observation) string {
	var s string
	for _, o := range all {
		t, _ := protocol.Lookup(o.Code)
		s += fmt.Sprintf("%s %v %v; ", t.Label, o.Delay, o.Samples.Raw)
	}
	return s
}

func TestTheWorkedBreathOfTheSheet(t *testing.T) {
	wire := drivertest.Hex(t, "42 53 2C 20 53 3A 37 2C 0A 32 35 2E 31 30 2C 20 31 34 2E 30 35 0A 2D 33 2E 30 30 2C 20 35 2E 31 30 0A 42 45 0A")
	got := drivertest.Decode(newWaveDecoder(), append(append([]byte{'\n'}, wire...), wire...))
	want := "Flow 40ms [25100 -3000]; Paw 40ms [14050 5100]; "
	if s := drawnBy(got); s != want+want {
		t.Errorf("got %s, want it twice: %s", s, want)
	}
}

func TestSoiledLinesAreMissingSamples(t *testing.T) {
	n := protocol.NoSample
	for wire, want := range map[string]string{
		"\n9.9, 9.9\nBS, S:1,\n1.00, 2.00\nBE\n\n":                     "Flow 20ms [1000]; Paw 20ms [2000]; ", // what was before the first breath is a part of one
		"\nBS, S:1,\r\n1.00, 2.00, 3\r\nBS, S:2,\r\n4, -5\r\nBE\r\n\n": "Flow 20ms [1000]; Paw 20ms [2000]; Flow 20ms [4000]; Paw 20ms [-5000]; ",
		"\nBS, S:1,\n1.00, 2.00\n1\x002.34, 8.91\n3, 4\nBE\n\n":        fmt.Sprintf("Flow 60ms [1000 %d 3000]; Paw 60ms [2000 %d 4000]; ", n, n),
		"\nBS, S:1,\n9999, 2.00\n1, 999\n3 4\n1e1, 1\nBE\n\n":          fmt.Sprintf("Flow 80ms [%d %d %d %d]; Paw 80ms [%d %d %d %d]; ", n, n, n, n, n, n, n, n),
		"\nBS, S:x,\n1.00, 2.00\nBE\n\n":                               "",
	} {
		if got := drawnBy(drivertest.Decode(newWaveDecoder(), []byte(wire))); got != want {
			t.Errorf("%q\n got %s\nwant %s", wire, got, want)
		}
	}
}

func TestBreathsAreDrawnWithoutGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := drivertest.NewWire()
		done := make(chan error, 2)
		go func() { done <- Waves.Simulate(t.Context(), far, drivertest.NewPatient()) }()
		samples := 0
		go func() {
			done <- Waves.Run(t.Context(), host, func(o protocol.Observation) { samples += len(o.Samples.Raw) })
		}()
		time.Sleep(time.Minute + 100*time.Millisecond)
		far.Close()
		<-done
		<-done
		if want := 2 * 60 * waveRateHz; samples < want-3*blockSize-2*300 || samples > want {
			t.Errorf("%d samples in a minute, want about %d", samples, want)
		}
	})
}

package zeo

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "Raw data.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 31500 * time.Millisecond, What: "awake"},
		drivertest.Act{For: 2 * time.Second, What: "headband off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 30 * time.Second, What: "REM", Do: func(p *drivertest.Patient) { p.AllOff(false); p.Say(protocol.SleepStatus, "rem") }})
	drivertest.Run(t, Driver, drivertest.Options{
		Expect: []protocol.Code{protocol.SleepStatus},
		Settle: 35 * time.Second, // a stage each 30 s
	})
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

// said is what a base says, in short.
func said(wire ...[]byte) (all []string) {
	for _, o := range drivertest.Decode(newDecoder(), slices.Concat(wire...)) {
		if err := drivertest.Check(o); err != nil {
			all = append(all, err.Error())
		}
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Text))
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(o.Quality, " ", o.Text))
		}
	}
	return all
}

func TestWorkedFrames(t *testing.T) {
	light := drivertest.Hex(t, "41 34 A0 05 00 FA FF 0F 00 20 11 9D 03 00 00 00")
	if got := said(light); !slices.Equal(got, []string{"good light"}) {
		t.Errorf("got %q", got)
	}
	rest := drivertest.Hex(t, "41 34 05 05 00 FA FF 0F 40 20 12 00 05 00 00 00 41 34 9F 05 00 FA FF 0F 80 20 13 84 1B 00 00 00")
	d := newDecoder()
	if obs := drivertest.Decode(d, rest); len(obs) != 1 || d.Stats().Frames != 2 {
		t.Errorf("%+v %+v", obs, d.Stats())
	}
	clock := drivertest.Hex(t, "41 34 5B 05 00 FA FF 97 00 00 14 8A 97 1C B5 69")
	if got := appendFrame(nil, 0x69B51C97, 0x14, idClock, 0x69B51C97); !bytes.Equal(got, clock) {
		t.Errorf("% X", got)
	}
	// The low byte of the time comes with the frame: after …97 the next …0F is 120 s later.
	obs := drivertest.Decode(newDecoder(), slices.Concat(clock, light))
	if want := time.Date(2026, 3, 14, 8, 30, 15, 0, time.UTC).Add(120 * time.Second); !obs[1].DeviceTime.Equal(want) {
		t.Errorf("time %v, want %v", obs[1].DeviceTime, want)
	}
}

func frame(id byte, v uint32) []byte { return appendFrame(nil, 0, 0, id, v) }

func TestStages(t *testing.T) {
	var wire []byte
	for v := range uint32(6) {
		wire = append(wire, frame(idStage, v)...)
	}
	if got, want := said(wire), []string{"missing ", "good awake", "good rem", "good light", "good deep", "missing "}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestWithoutAHeadbandThereIsNoStage(t *testing.T) {
	for name, c := range map[string][2][]byte{
		"docked":        {frame(idEvent, eventDocked), frame(idEvent, eventUndocked)},
		"docked, 8F":    {frame(idEvent, eventDocked), frame(idEvent, eventUndocked2)},
		"not connected": {frame(idImpedance, 0x8000_FFFF), frame(idImpedance, 0x8000_8400)},
	} {
		got := said(frame(idStage, 4), c[0], frame(idStage, 4), c[0], c[1], frame(idStage, 4))
		if want := []string{"good deep", "start headband off", "sensor-off ", "sensor-off ", "end headband off", "good deep"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestArtefactsMakeTheNextStageDoubtful(t *testing.T) {
	got := said(frame(idBad, 1), frame(idBad, 0), frame(idStage, 4), frame(idBad, 0), frame(idStage, 4))
	if want := []string{"questionable deep", "good deep"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestAFatalErrorIsReported(t *testing.T) {
	if got := said([]byte("FATAL_ERROR_07: stack\r\n"), frame(idStage, 1)); !slices.Equal(got, []string{"once the base station reports a fatal error", "good awake"}) {
		t.Errorf("got %q", got)
	}
	if got := said([]byte("FATAL_ERR"), frame(idStage, 1)); !slices.Equal(got, []string{"good awake"}) {
		t.Errorf("half of it: %q", got)
	}
}

package marquette

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// The check of an answer is not known, and an answer alone is not believed.
var options = drivertest.Options{
	Unchecked: []string{"*"},
	Joined:    []string{"*"},
	Span:      3 * time.Minute, // the cuff
	Expect: []protocol.Code{protocol.HeartRate, protocol.RespirationRate, protocol.SpO2, protocol.PulseRate,
		pressure.codes[0], pressure.codes[1], pressure.codes[2]}, // the cuff's result does not change in a span
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/monitor.hex", "A simulated monitor.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 7 * time.Second, What: "at rest"},
		drivertest.Act{For: 4 * time.Second, What: "sensors off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 4 * time.Second, What: "sensors on, 88 %", Do: func(p *drivertest.Patient) { p.AllOff(false); p.Set(protocol.SpO2, 88) }})
	drivertest.Run(t, Driver, options)
}

func TestTheOtherRequestIsAnsweredToo(t *testing.T) { drivertest.Play(t, Version1, options) }

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

// FuzzParameters looks into answers that are believed.
func FuzzParameters(f *testing.F) {
	f.Add(byte(0), byte(7), appendParameter(nil, 10, 1, 0, 0, [3]int16{92, 121, 78}), 40)
	f.Add(byte(3), byte(2), bytes.Repeat(appendParameter(nil, 2, 77, 0, 1, [3]int16{-32766, -32761, 300}), 2), 3)
	f.Fuzz(func(t *testing.T, state, level byte, parameters []byte, step int) {
		n := min(len(parameters)/parameterSize, maxParameters)
		data := append([]byte{state, level, 0, 0, byte(n), 0}, parameters[:n*parameterSize]...)
		wire := appendAnswer(appendAnswer(nil, 1, data), 2, data)
		want := drivertest.Decode(Driver.NewDecoder(), wire)
		for _, o := range want {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
		}
		step = max(1, min(step, 500))
		got := 0
		dec := Driver.NewDecoder()
		for rest := wire; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			dec.Decode(rest[:min(step, len(rest))], func(protocol.Observation) { got++ })
		}
		if got != len(want) {
			t.Errorf("%d observations in pieces of %d, %d whole", got, step, len(want))
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/monitor.hex"))
}

// told is what a stream says, in short, without the identity.
func told(wire ...[]byte) []string {
	return short(drivertest.Decode(Driver.NewDecoder(), slices.Concat(wire...)))
}

func short(obs []protocol.Observation) (all []string) {
	for _, o := range obs {
		term, _ := protocol.Lookup(o.Code)
		name := term.Label
		if o.Channel != "" {
			name += "/" + o.Channel
		}
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Priority, " ", o.Event.Type, " ", o.Event.Text))
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(name, " ", o.Quality, " ", o.Value))
		}
	}
	return all
}

// answer is one with these parameters and an admitted patient.
func answer(state, level byte, parameters ...[]byte) []byte {
	data := append([]byte{state, level, 0, 1, byte(len(parameters)), 0}, slices.Concat(parameters...)...)
	return appendAnswer(nil, 1, data)
}

func of(kind, code, port byte, raw ...int16) []byte {
	var all [3]int16
	copy(all[:], raw)
	return appendParameter(nil, kind, code, 0, port, all)
}

// The sheet's header, with addresses and a status that are not zero.
func TestWorkedAnswerWithTwoParameters(t *testing.T) {
	wire := drivertest.Load(t, "testdata/worked.hex")
	want := []string{"HR good 72", "SpO2 good 97", "PR good 71"}
	if got := told(wire); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(wire) != 2*(headerSize+142+crcSize) {
		t.Errorf("%d bytes", len(wire))
	}
}

func TestParameters(t *testing.T) {
	for name, c := range map[string]struct {
		parameter []byte
		want      []string
	}{
		"heart rate":               {of(1, 99, 0, 72, 5, 5), []string{"HR good 72"}},
		"heart rate, other type":   {of(45, 3, 0, 72), []string{"HR good 72"}},
		"respiration":              {of(8, 34, 0, 14), []string{"RR good 14"}},
		"respiration, other code":  {of(8, 35, 0, 14), nil},
		"invasive pressure":        {of(2, 77, 3, 89, 118, 74), []string{"IBP mean/3 good 89", "IBP sys/3 good 118", "IBP dia/3 good 74"}},
		"a negative pressure":      {of(2, 77, 3, -2, 1, -5), []string{"IBP mean/3 good -2", "IBP sys/3 good 1", "IBP dia/3 good -5"}},
		"drawing, flush, no pulse": {of(2, 77, 1, -32766, -32765, -32762), []string{"IBP mean/1 invalid ", "IBP sys/1 invalid ", "IBP dia/1 missing "}},
		"zero, calibrate, missing": {of(2, 77, 1, -32764, -32763, -32767), []string{"IBP mean/1 calibrating ", "IBP sys/1 calibrating ", "IBP dia/1 missing "}},
		"oximeters":                {of(44, 45, 0, 97, 71), []string{"SpO2 good 97", "PR good 71"}},
		"oximeter, other code":     {of(44, 46, 0, 97, 71), nil},
		"sensor failure":           {of(11, 45, 0, -32761, -32768), []string{"start low technical sensor failure", "SpO2 sensor-off ", "PR invalid "}},
		"the first cuff result":    {of(57, 7, 0, 92, 121, 78), []string{"NIBP mean unknown 92", "NIBP sys unknown 121", "NIBP dia unknown 78"}},
		"bispectral index":         {of(64, 132, 0, 0x3C3C, 0x3C3C, 0), nil},
		"unknown type":             {of(200, 45, 0, 1, 2, 3), nil},
	} {
		a := answer(0, 0, c.parameter)
		if got := told(a, a); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestACuffResultIsToldOnce(t *testing.T) {
	old, none, first := answer(0, 0, of(10, 1, 0, 92, 121, 78)), answer(0, 0, of(10, 1, 0, -32767, -32767, -32767)), answer(0, 0, of(10, 1, 0, 90, 118, 76))
	want := []string{"NIBP mean unknown 92", "NIBP sys unknown 121", "NIBP dia unknown 78", "NIBP mean good 90", "NIBP sys good 118", "NIBP dia good 76",
		"NIBP mean missing ", "NIBP sys missing ", "NIBP dia missing ", "NIBP mean unknown 90", "NIBP sys unknown 118", "NIBP dia unknown 76",
		"NIBP mean good 92", "NIBP sys good 121", "NIBP dia good 78"}
	if got := told(old, old, old, first, first, none, none, first, first, old); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestSecondOnesHaveChannels(t *testing.T) {
	a := answer(0, 0, of(1, 1, 0, 72), of(45, 1, 0, 73), of(11, 45, 0, 97, 71), of(28, 45, 0, 94, 70), of(2, 77, 1, 89, 118, 74), of(2, 77, 1, 12, 20, 8), of(2, 77, 2, 5, 9, 1))
	want := []string{"HR good 72", "HR/2 good 73", "SpO2 good 97", "PR good 71", "SpO2/2 good 94", "PR/2 good 70",
		"IBP mean/1 good 89", "IBP sys/1 good 118", "IBP dia/1 good 74", "IBP mean/1-2 good 12", "IBP sys/1-2 good 20", "IBP dia/1-2 good 8",
		"IBP mean/2 good 5", "IBP sys/2 good 9", "IBP dia/2 good 1"}
	if got := told(a, a); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestAnAnswerIsBelievedIfTheOneBeforeListsTheSame(t *testing.T) {
	hr, both := answer(0, 0, of(1, 1, 0, 72)), answer(0, 0, of(1, 1, 0, 72), of(8, 34, 0, 14))
	want := []string{"HR good 72", "HR good 72", "RR good 14", "HR good 72", "RR missing "}
	if got := told(hr, hr, both, both, hr, hr); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := told(hr); got != nil {
		t.Errorf("a single answer: %q", got)
	}
	// A byte is lost or added anywhere in the values.
	for at := headerSize; at < len(both)-crcSize-4; at++ {
		lost, added := slices.Delete(slices.Clone(both), at, at+1), slices.Insert(slices.Clone(both), at, 0x21)
		for _, soiled := range [][]byte{lost, added} {
			for _, s := range told(both, both, soiled, both, both, both)[2:] {
				if s != "HR good 72" && s != "RR good 14" {
					t.Fatalf("byte %d: %q", at, s)
				}
			}
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	good := answer(0, 0, of(1, 1, 0, 72))
	for name, spoil := range map[string]func([]byte){
		"another function":                  func(b []byte) { b[13] = 0xCA },
		"another subfunction":               func(b []byte) { b[15] = 0x23 },
		"a count that fits no parameters":   func(b []byte) { b[59]++ },
		"a count of too many":               func(b []byte) { b[58], b[59] = 0x06, 0xAA }, // 25
		"another number of parameters":      func(b []byte) { b[64] = 2 },
		"a count below that of no data":     func(b []byte) { b[59] = 0 },
		"a count that is as large as it is": func(b []byte) { b[58], b[59] = 0xFF, 0xFF },
	} {
		b := slices.Clone(good)
		spoil(b)
		d := Driver.NewDecoder()
		if obs := drivertest.Decode(d, slices.Concat(b, b, b)); len(obs) != 0 || d.Stats().Frames != 0 {
			t.Errorf("%s: %+v %+v", name, obs, d.Stats())
		}
	}
}

// What the box has told as lost has ended for the cloud.
func TestWhatGoesOnAfterASilenceIsToldAgain(t *testing.T) {
	a := answer(1, 7, of(10, 1, 0, 92, 121, 78), of(11, 45, 0, -32761, -32767))
	d := makeDecoder(nil)
	now := time.Duration(0)
	hear := func(asked int, wire []byte) []string {
		for range asked {
			d.Ask(nil, now)
			now += askEvery
		}
		return short(drivertest.Decode(d, wire))
	}
	hear(1, a)
	hear(1, a)
	if got := hear(lapse-1, a); !slices.Equal(got, []string{"SpO2 sensor-off ", "PR missing "}) {
		t.Errorf("after a pause: %q", got)
	}
	if got := hear(lapse, a); got != nil {
		t.Errorf("the first answer after a silence: %q", got)
	}
	want := []string{"continue high physiological crisis alarm of the monitor", "continue none advisory alarms of the monitor are silenced",
		"NIBP mean unknown 92", "NIBP sys unknown 121", "NIBP dia unknown 78", "continue low technical sensor failure", "SpO2 sensor-off ", "PR missing "}
	if got := hear(1, a); !slices.Equal(got, want) {
		t.Errorf("after a silence: %q", got)
	}
	if got := hear(1, a); len(got) != 2 {
		t.Errorf("and then: %q", got)
	}
}

// An alarm of priority none would be heard by nobody.
func TestEveryLevelHasAPriority(t *testing.T) {
	for v := range 256 {
		e := describeLevel(byte(v))
		if v > 0 && e.Priority == protocol.PriorityNone {
			t.Errorf("level %d: %+v", v, e)
		}
	}
}

func TestAlarmsOfTheMonitor(t *testing.T) {
	with := func(state, level, admitted byte) []byte {
		b := answer(state, level)
		b[headerSize+3] = admitted
		return b
	}
	got := told(with(0, 7, 1), with(0, 7, 1), with(1, 6, 1), with(1, 0, 1), with(3, 3, 0), with(9, 9, 0), with(0, 0, 1))
	want := []string{"start high physiological crisis alarm of the monitor",
		"end high physiological crisis alarm of the monitor", "start medium physiological warning alarm of the monitor", "start none advisory alarms of the monitor are silenced",
		"end medium physiological warning alarm of the monitor",
		"start medium technical system warning of the monitor", "end none advisory alarms of the monitor are silenced", "start none advisory alarms of the monitor are off", "start none advisory no patient is admitted at the monitor",
		"end medium technical system warning of the monitor", "start medium unknown alarm of the monitor of unknown level 9", "end none advisory alarms of the monitor are off", "start none advisory alarms of the monitor are in unknown state 9",
		"end medium unknown alarm of the monitor of unknown level 9", "end none advisory alarms of the monitor are in unknown state 9", "end none advisory no patient is admitted at the monitor"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestASensorThatWorksAgainEndsItsEvent(t *testing.T) {
	off, on := answer(0, 0, of(11, 45, 0, -32761, -32767)), answer(0, 0, of(11, 45, 0, 97, 71))
	want := []string{"start low technical sensor failure", "SpO2 sensor-off ", "PR missing ", "end low technical sensor failure", "SpO2 good 97", "PR good 71"}
	if got := told(off, off, on); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// A monitor whose ports change all the time, which none does, must not make
// the decoder grow.
func TestOnlyWhatIsListedIsRemembered(t *testing.T) {
	d := makeDecoder(nil)
	for port := range 256 {
		a := answer(0, 0, of(2, 77, byte(port), 89, 118, 74))
		d.Decode(slices.Concat(a, a), func(protocol.Observation) {})
	}
	if len(d.all) != 3 {
		t.Errorf("%d series are remembered", len(d.all))
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

func TestRunWritesOnlyItsRequest(t *testing.T) {
	long := drivertest.Hex(t, "400000000000 000000000000 00CA 0023"+strings.Repeat(" 00", 88))
	short := drivertest.Hex(t, "400000000000 000000000000 00CA 0023 0001"+strings.Repeat(" 00", 30)+" 0001"+strings.Repeat(" 00", 10)+" F4CC")
	for _, c := range []struct {
		driver  drivers.Driver
		request []byte
	}{{Driver, long}, {Version1, short}} {
		for _, silent := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				host, far := drivertest.NewWire()
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 2)
				tap := &tapped{Port: host}
				go func() {
					if silent {
						<-ctx.Done()
						done <- nil
						return
					}
					done <- c.driver.Simulate(ctx, far, drivertest.NewPatient())
				}()
				go func() { done <- c.driver.Run(ctx, tap, func(protocol.Observation) {}) }()
				time.Sleep(59 * time.Second)
				stop()
				<-done
				<-done
				far.Close()
				if want := bytes.Repeat(c.request, 30); !bytes.Equal(tap.wrote, want) {
					t.Errorf("%s, silent %v: wrote %d bytes, want %d requests and nothing else", c.driver.Name, silent, len(tap.wrote), 30)
				}
			})
		}
	}
}

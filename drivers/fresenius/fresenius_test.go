package fresenius

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// Control characters in junk are not counted as skipped. All variables are
// asked for again 30 s after that was refused.
var options = drivertest.Options{
	JunkEnd: "\x00",
	Settle:  45 * time.Second,
	Expect:  []protocol.Code{rate, infused, bolusRate},
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "A simulated base with three pumps.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 12100 * time.Millisecond, What: "10 mL/h", Do: func(p *drivertest.Patient) {
			for code, v := range map[protocol.Code]float64{rate: 10, infused: 8, bolusRate: 120, bolus: 2} {
				p.Set(code, v)
			}
		}},
		drivertest.Act{For: 4 * time.Second, What: "an alarm", Do: func(p *drivertest.Patient) { p.Set(rate, 1600) }},
		drivertest.Act{For: 5 * time.Second, What: "no pump", Do: func(p *drivertest.Patient) { p.AllOff(true) }})
	drivertest.Run(t, Driver, options)
}

func TestOtherDevicesArePlayedToo(t *testing.T) {
	for name, device := range map[string]Device{"alone": {Alone: true}, "only rate and volume": {Few: true, Calm: true}, "no bolus": {NoBolus: true}, "one is mute": {Mute: 2}, "nine": {Modules: []int{1, 2, 3, 4, 5, 6, 7, 8, 9}}} {
		t.Run(name, func(t *testing.T) {
			d, opts := Driver, options
			d.Simulate = device.Simulate
			if device.Few || device.NoBolus {
				opts.Expect = []protocol.Code{rate, infused}
			}
			drivertest.Play(t, d, opts)
		})
	}
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

// FuzzMessage is behind the sum.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{"C;a0004;e0001;m01;d00C8;r001F40;k04B0;s0007D0", "C;b0003", "C;b0000", "E;dFFFF;r-;a", "M;x", "I;1E", "C;Noradrenaline", "C;dopamine", "C;;;b", "E"} {
		f.Add(s, byte('2'))
		f.Add(s, byte('0'))
		f.Add(s, byte(0))
	}
	f.Fuzz(func(t *testing.T, text string, a byte) {
		if a != 0 {
			a = '0' + a%10
		}
		wire := appendFrame(nil, base, "C;b0006")
		for range 2 {
			wire = appendFrame(appendFrame(wire, address(a), text), address(a), "C;a0001;d0001;r00001")
		}
		for _, o := range drivertest.Decode(newDecoder(), wire) {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
			if !slices.Contains(Driver.Codes, o.Code) {
				t.Errorf("code %d is not in the list", o.Code)
			}
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	var wire []byte
	for range 20 {
		wire = appendFrame(append(wire, ack), '2', "C;a0000;e0000;m01;d00C8;r001F40;k04B0;s0007D0")
	}
	drivertest.Bench(b, Driver, wire)
}

func short(obs []protocol.Observation) (all []string) {
	for _, o := range obs {
		term, _ := protocol.Lookup(o.Code)
		s := o.Channel + " " + term.Label + " "
		switch o.Kind {
		case protocol.KindEvent:
			s += fmt.Sprint(o.Event.Phase, " ", o.Event.Priority, " ", o.Event.Text)
		case protocol.KindNumeric:
			s += fmt.Sprint(o.Quality, " ", o.Value)
		default:
			s += fmt.Sprint(o.Quality, " ", o.Text)
		}
		all = append(all, s)
	}
	return all
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// only gives what concerns one label.
func only(all []string, labels ...string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool {
		return !slices.ContainsFunc(labels, func(l string) bool { _, after, _ := strings.Cut(s, " "); return strings.HasPrefix(after, l+" ") })
	})
}

func TestTheReadyMadeFrames(t *testing.T) {
	for want, got := range map[string][]byte{
		"02 30 44 43 34 38 03":                                        appendFrame(nil, base, texts[connect]),
		"02 32 44 43 34 36 03":                                        appendFrame(nil, '2', texts[connect]),
		"02 32 4C 45 3B 64 72 32 42 03":                               appendFrame(nil, '2', texts[askFlow]),
		"02 30 4C 45 3B 62 41 31 03":                                  appendFrame(nil, base, texts[askModules]),
		"02 32 43 3B 64 30 30 36 34 3B 72 30 30 31 46 34 30 33 39 03": appendFrame(nil, '2', "C;d0064;r001F40"),
	} {
		if !bytes.Equal(got, drivertest.Hex(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
	}
}

func TestWorkedFrames(t *testing.T) {
	d := newDecoder()
	expect(t, short(drivertest.Decode(d, drivertest.Load(t, "testdata/worked.hex"))),
		" Model good Fresenius base", "2 Model good Fresenius pump", "2 Rate good 10.0", "2 Infused good 8.000",
		"2 Pump good mode 01", "2 Rate good 20.0", "2 Infused good 8.000", "2 Bolus rate questionable 120.0", "2 Bolus unknown 2.000",
		"2 Alarm start medium alarm 0004", "2 Pump good mode 01", "2 Rate good 0.0", "2 Infused good 8.000", "2 Bolus rate questionable 120.0",
		"2 Rate good 10.0",
		"2 Rate missing ", "2 Infused missing ", "2 Bolus rate missing ", "2 Bolus missing ", "2 Pump missing ",
		"2 Alarm end medium alarm 0004", "2 Absent start low module 2 is removed")
	if s := d.Stats(); s.Frames != 7 || s.BadSums != 1 {
		t.Errorf("%+v", s)
	}
}

func TestMessages(t *testing.T) {
	for name, c := range map[string]struct{ got, want []string }{
		"one pump alone":              {frames(nobody, "C;d0064"), []string{" Model good Fresenius pump", " Rate good 10.0"}},
		"none instead of a number":    {frames('1', "C;d----;r", "C;dFFFF;rFFFFFF")[1:], []string{"1 Rate missing ", "1 Infused missing ", "1 Rate missing ", "1 Infused missing "}},
		"a name is no variable":       {frames('1', "C;dopamine", "C;Noradrenaline", "C;dead"), nil},
		"unknown letters":             {frames('1', "C;z0001;d0001;Q;;x")[1:], []string{"1 Rate good 0.1"}},
		"one alarm follows another":   {frames('1', "C;a0001", "C;a0001", "C;a0002", "C;a00")[1:], []string{"1 Alarm start medium alarm 0001", "1 Alarm end medium alarm 0001", "1 Alarm start medium alarm 0002", "1 Alarm end medium alarm 0002"}},
		"an error is another event":   {frames('1', "C;a0001;e05", "C;a0001;e00")[1:], []string{"1 Alarm start medium alarm 0001", "1 Malfunction start medium error 05", "1 Malfunction end medium error 05"}},
		"a bolus is told once":        {frames('1', "C;s0007D0", "C;s0007D0", "C;s000000")[1:], []string{"1 Bolus unknown 2.000", "1 Bolus questionable 0.000"}},
		"errors and adjustments":      {frames('1', "I;1E", "M;d0064", "X;d0064"), nil},
		"what the host says":          {frames('1', "LE;dr", "DC"), nil},
		"a mask of more than nine":    {frames(base, "C;bFFFF")[9:], []string{"9 Model good Fresenius pump"}},
		"a module is taken and comes": {frames(base, "C;b01", "C;b00", "C;b01"), []string{" Model good Fresenius base", "1 Model good Fresenius pump", "1 Absent start low module 1 is removed", "1 Absent end low module 1 is removed", "1 Model good Fresenius pump"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(c.got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// frames gives what messages of one address say, in short.
func frames(a address, texts ...string) []string {
	var wire []byte
	for _, s := range texts {
		wire = appendFrame(wire, a, s)
	}
	return short(drivertest.Decode(newDecoder(), wire))
}

// converse plays a device and gives what Run emits and writes.
func converse(t *testing.T, device Device, p *drivertest.Patient, during func()) (obs []protocol.Observation, wrote [][]byte) {
	host, far := drivertest.NewWire()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 2)
	tap := &tapped{Port: host}
	go func() { done <- device.Simulate(ctx, far, p) }()
	go func() { done <- Driver.Run(ctx, tap, func(o protocol.Observation) { obs = append(obs, o) }) }()
	during()
	stop()
	<-done
	<-done
	far.Close()
	return obs, tap.wrote
}

type tapped struct {
	drivers.Port
	wrote [][]byte
}

func (p *tapped) Write(b []byte) (int, error) {
	p.wrote = append(p.wrote, bytes.Clone(b))
	return p.Port.Write(b)
}

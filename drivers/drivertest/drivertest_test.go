package drivertest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/protocol"
)

func TestCapturesAreHexStringsAndComments(t *testing.T) {
	got, err := ParseHex("# heading\n01 02ff # tail\n\"SPO2=\\r\\n\" 0D\n\n")
	if want := []byte("\x01\x02\xffSPO2=\r\n\r"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for _, bad := range []string{"0", "xy", "\"open", "0102 3"} {
		if _, err := ParseHex(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestCheckRefusesWhatNoDriverMayEmit(t *testing.T) {
	good := protocol.Observation{Code: protocol.SpO2, Unit: "%", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(97)}
	if err := Check(good); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for name, spoil := range map[string]func(*protocol.Observation){
		"no value":              func(o *protocol.Observation) { o.Value = protocol.Decimal{} },
		"a value of no quality": func(o *protocol.Observation) { o.Quality = protocol.QualitySensorOff },
		"wrong unit":            func(o *protocol.Observation) { o.Unit = "mm[Hg]" },
		"no kind":               func(o *protocol.Observation) { o.Kind = protocol.KindUnknown },
		"no code":               func(o *protocol.Observation) { o.Code = 0 },
		"wrong kind": func(o *protocol.Observation) {
			o.Kind, o.Value, o.Text = protocol.KindEnumeration, protocol.Decimal{}, "x"
		},
		"stamped":         func(o *protocol.Observation) { o.At = time.Unix(5, 0) },
		"from the future": func(o *protocol.Observation) { o.Delay = -1 },
		"exponent":        func(o *protocol.Observation) { o.Value.Exponent = 40 },
		"two payloads":    func(o *protocol.Observation) { o.Event = &protocol.Event{} },
		"broken text":     func(o *protocol.Observation) { o.Channel = "\xff" },
	} {
		o := good
		spoil(&o)
		if err := Check(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestCheckRefusesAlarmsThatNobodyWouldHear(t *testing.T) {
	event := func(code protocol.Code, q protocol.Quality, e protocol.Event) protocol.Observation {
		return protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: q, Event: &e}
	}
	good, start := protocol.QualityGood, protocol.PhaseStart
	for name, c := range map[string]struct {
		o  protocol.Observation
		ok bool
	}{
		"with a priority":    {event(protocol.EventAlarm, good, protocol.Event{Phase: start, Type: protocol.AlarmPhysiological, Priority: protocol.PriorityLow}), true},
		"of the patient":     {event(protocol.EventAlarm, good, protocol.Event{Phase: start, Type: protocol.AlarmPhysiological}), false},
		"of the device":      {event(protocol.EventSensorOff, good, protocol.Event{Phase: start, Type: protocol.AlarmTechnical}), false},
		"that goes on":       {event(protocol.EventAlarm, good, protocol.Event{Phase: protocol.PhaseContinue, Type: protocol.AlarmTechnical}), false},
		"that ends":          {event(protocol.EventAlarm, good, protocol.Event{Phase: protocol.PhaseEnd, Type: protocol.AlarmTechnical}), true},
		"that happened":      {event(protocol.EventAlarm, good, protocol.Event{Phase: protocol.PhaseOnce, Type: protocol.AlarmTechnical}), true},
		"information":        {event(protocol.EventAlarm, good, protocol.Event{Phase: start, Type: protocol.AlarmAdvisory}), true},
		"of a demonstration": {event(protocol.EventAlarm, protocol.QualityDemo, protocol.Event{Phase: start, Type: protocol.AlarmPhysiological}), true},
	} {
		if err := Check(c.o); (err == nil) != c.ok {
			t.Errorf("an alarm %s: %v", name, err)
		}
	}
}

func TestCheckRefusesAnIdentityWithoutText(t *testing.T) {
	o := protocol.Observation{Code: protocol.IdentitySerial, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "8002-1"}
	if err := Check(o); err != nil {
		t.Error(err)
	}
	for _, q := range []protocol.Quality{protocol.QualityGood, protocol.QualityMissing, protocol.QualityUnknown} {
		for _, text := range []string{"", " \t"} {
			if o.Quality, o.Text = q, text; Check(o) == nil {
				t.Errorf("%v %q is accepted", q, text)
			}
		}
	}
}

func TestInventedValuesAreFound(t *testing.T) {
	number := func(v int64) protocol.Observation {
		return protocol.Observation{Code: protocol.SpO2, Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(v)}
	}
	if _, ok := invented([]protocol.Observation{number(97), {Code: protocol.SpO2, Kind: protocol.KindNumeric}}, []protocol.Observation{number(97)}); ok {
		t.Error("a known and a missing value are called invented")
	}
	if _, ok := invented([]protocol.Observation{number(98)}, []protocol.Observation{number(97)}); !ok {
		t.Error("98 of an intact 97 is not called invented")
	}
}

func TestTheWireBlocksWhenFullAndBreaksForBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := NewWire()
		done := make(chan error, 1)
		go func() {
			_, err := device.Write(make([]byte, 5000))
			done <- err
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Error("5000 bytes fit in the line")
		default:
		}
		if n, err := io.ReadFull(host, make([]byte, 5000)); n != 5000 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		host.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := host.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read after the deadline: %v", err)
		}
		host.SetReadDeadline(time.Time{})
		device.Close()
		if _, err := host.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read from a broken line: %v", err)
		}
		if _, err := host.Write([]byte{1}); err == nil {
			t.Error("write to a broken line: no error")
		}
	})
}

func TestThePatientHasValuesAndLosesThem(t *testing.T) {
	p := NewPatient()
	if v, ok := p.Numeric(protocol.SpO2, time.Now()); !ok || v != 97 {
		t.Errorf("SpO2 %v %v", v, ok)
	}
	p.change([]protocol.Code{protocol.SpO2})
	if v, _ := p.Numeric(protocol.SpO2, time.Now()); v != 93 {
		t.Errorf("changed SpO2 %v", v)
	}
	p.Off(true, protocol.SpO2)
	if _, ok := p.Numeric(protocol.SpO2, time.Now()); ok {
		t.Error("a sensor that is off measures")
	}
	if _, ok := new(Patient).Numeric(protocol.SpO2, time.Now()); ok {
		t.Error("the zero patient has a sensor")
	}
}

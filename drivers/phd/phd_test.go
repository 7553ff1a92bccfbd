package phd

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// An APDU has lengths, and no checksum. The decoder keeps an APDU of up to 63
// KiB until it is whole.
var options = drivertest.Options{
	Unchecked: []string{"*"}, AnyCode: true, MaxBuffer: 192 << 10,
	Expect: []protocol.Code{protocol.SpO2, protocol.PulseRate, protocol.Pleth, batteryLevel},
}

func with(d Device, s Settings) drivers.Driver {
	n := s.driver()
	n.Simulate = d.Simulate
	return n
}

func TestDriver(t *testing.T) {
	off := func(p *drivertest.Patient) { p.AllOff(true) }
	drivertest.Record(t, "testdata/oximeter.hex", "A simulated oximeter.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 5500 * time.Millisecond, What: "at rest"}, drivertest.Act{For: 3 * time.Second, What: "sensor off", Do: off})
	drivertest.Record(t, "testdata/cuff.hex", "A simulated cuff.", with(Device{Kind: Cuff}, defaults()), drivertest.NewPatient(),
		drivertest.Act{For: 130500 * time.Millisecond, What: "two measurements"})
	drivertest.Record(t, "testdata/meter.hex", "A simulated glucose meter with a memory.", with(Device{Kind: GlucoseMeter}, defaults()), drivertest.NewPatient(),
		drivertest.Act{For: 130500 * time.Millisecond, What: "at rest"})
	drivertest.Run(t, Driver, options)
}

func TestTheOtherDevices(t *testing.T) {
	two := uint16(2)
	for name, c := range map[string]struct {
		device Device
		expect []protocol.Code
	}{
		"cuff":                             {Device{Kind: Cuff}, []protocol.Code{protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean, protocol.MustCode("MDC_PULS_RATE_NON_INV")}},
		"cuff that hides its standard one": {Device{Kind: Cuff, Mute: true}, []protocol.Code{protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean}},
		"cuff of two":                      {Device{Kind: Cuff, Person: 2}, []protocol.Code{protocol.NIBPSystolic}},
		"thermometer":                      {Device{Kind: Thermometer}, []protocol.Code{protocol.BodyTemperature}},
		"meter":                            {Device{Kind: GlucoseMeter}, []protocol.Code{protocol.Glucose}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options
			o.Expect, o.Span, o.Settle = c.expect, 6*time.Minute, 3*time.Minute
			s := defaults()
			if c.device.Person != 0 {
				s.Person = &two
			}
			drivertest.Play(t, with(c.device, s), o)
		})
	}
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/oximeter.hex"))
}

// BenchmarkReports is of reports alone, without samples.
func BenchmarkReports(b *testing.B) {
	worked := drivertest.Load(b, "testdata/worked.hex")
	d := newDecoder(&Settings{History: history})
	drivertest.Decode(d, worked[:54+72])
	report := bytes.Repeat(worked[54+72:54+72+44], 20)
	emit := func(protocol.Observation) {}
	b.SetBytes(int64(len(report)))
	b.ReportAllocs()
	for b.Loop() {
		d.Decode(report, emit)
	}
}

// A tap keeps what Run writes.
type tap struct {
	drivers.Port
	wrote bytes.Buffer
}

func (p *tap) Write(b []byte) (int, error) {
	p.wrote.Write(b)
	return p.Port.Write(b)
}

// converse runs the driver against a device, and gives what was emitted and written.
func converse(t *testing.T, d drivers.Driver, p *drivertest.Patient, span time.Duration) (got []protocol.Observation, wrote []byte) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		host, far := drivertest.NewWire()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		w := &tap{Port: host}
		go func() { done <- d.Simulate(ctx, far, p) }()
		go func() { done <- d.Run(ctx, w, func(o protocol.Observation) { got = append(got, o) }) }()
		time.Sleep(span)
		stop()
		<-done
		<-done
		far.Close()
		wrote = w.wrote.Bytes()
	})
	return got, wrote
}

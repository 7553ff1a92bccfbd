package stayhealthy

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestDriver(t *testing.T) {
	takeOff := func(p *drivertest.Patient) { p.Off(true, protocol.SpO2, protocol.PulseRate) }
	putOn := func(p *drivertest.Patient) { p.Off(false, protocol.SpO2, protocol.PulseRate) }
	drivertest.Record(t, "testdata/hub.hex", "A hub with all eight signs.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 4600 * time.Millisecond, What: "all sensors on"},
		drivertest.Act{For: 3 * time.Second, What: "the oximeter off", Do: takeOff},
		drivertest.Act{For: 5 * time.Second, What: "the oximeter on", Do: putOn})
	drivertest.Record(t, "testdata/heart.hex", "A heart patch, four blocks a second.", driving(HeartPatch), drivertest.NewPatient(),
		drivertest.Act{For: 2100 * time.Millisecond, What: "leads on"},
		drivertest.Act{For: time.Second, What: "leads off", Do: func(p *drivertest.Patient) { p.AllOff(true) }})

	drivertest.Run(t, Driver, drivertest.Options{
		AnyCode: true,
		Span:    65 * time.Minute, // the pressure comes hourly
		Expect: []protocol.Code{protocol.HeartRate, protocol.ECGLeadII, protocol.SpO2, protocol.PulseRate,
			protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean, protocol.RespirationRate,
			protocol.BodyTemperature, protocol.Glucose, protocol.SleepStatus},
	})
}

// driving is the driver with another device.
func driving(dev Device) drivers.Driver {
	d := Driver
	d.Simulate = dev.Simulate
	return d
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	b.Run("hub", func(b *testing.B) { drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/hub.hex")) })
	b.Run("numerics", func(b *testing.B) {
		var e encoder
		var wire []byte
		for i := range 1000 {
			wire = e.numbers(wire, uint32(i), number{code: protocol.HeartRate, mantissa: 72, unit: 3, quality: protocol.QualityGood})
		}
		drivertest.Bench(b, Driver, wire)
	})
}

func decode(t *testing.T, wire []byte) []protocol.Observation {
	t.Helper()
	d := newDecoder()
	obs := drivertest.Decode(d, wire)
	for _, o := range obs {
		if err := drivertest.Check(o); err != nil {
			t.Error(err)
		}
	}
	return obs
}

// The frames of the sheet's section "Worked frames".
func TestWorkedFrames(t *testing.T) {
	for _, c := range []struct {
		name, wire string
		want       protocol.Observation
	}{
		{"heart rate 72", workedHeartRate, protocol.Observation{Code: protocol.HeartRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(72)}},
		{"temperature 36.8, 250 ms old, site 2", workedTemperature, protocol.Observation{Code: protocol.BodyTemperature, Unit: "Cel", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Dec(368, -1), Delay: 250 * time.Millisecond, Channel: "2"}},
		{"oxygen, sensor off", workedOff, protocol.Observation{Code: protocol.SpO2, Unit: "%", Kind: protocol.KindNumeric, Quality: protocol.QualitySensorOff}},
		{"asleep", workedSleep, protocol.Observation{Code: protocol.SleepStatus, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "asleep"}},
	} {
		got := decode(t, drivertest.Hex(t, c.wire))
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	got := decode(t, drivertest.Hex(t, workedSamples))
	if len(got) != 1 || !slices.Equal(got[0].Samples.Raw, []int32{10, 12, protocol.NoSample, 400}) ||
		got[0].Samples.RateMilliHz != 250_000 || got[0].Samples.Scale != protocol.Dec(2, -3) || got[0].Delay != 16*time.Millisecond {
		t.Errorf("samples: %+v", got)
	}
	got = decode(t, drivertest.Hex(t, workedEvent))
	if want := (protocol.Event{Phase: protocol.PhaseStart, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: protocol.SpO2, Text: "sensor off"}); len(got) != 1 || *got[0].Event != want {
		t.Errorf("event: %+v", got)
	}
	got = decode(t, drivertest.Hex(t, workedIdentity+workedStatus+workedHeartRate))
	if len(got) != 4 || got[0].Text != "StayHealthy Oxygen" || got[1].Text != "SH-0201" || got[2].Text != "1.0.0" ||
		!got[3].DeviceTime.Equal(time.Date(2026, 3, 14, 8, 30, 0, 0, time.UTC)) {
		t.Errorf("identity and status: %+v", got)
	}
}

func TestPackedSamplesComeOutAsTheyWere(t *testing.T) {
	for _, samples := range [][]int16{
		{0}, {5, 5, 5}, {-32768, 32767, -32768}, {0, 127, 0, -127, 1, 129, 1}, {100, -28, 100, 228, noSample, 3}, {0, 128, 0, -128, 20000},
	} {
		var e encoder
		got := decode(t, e.samples(nil, 0, block{code: protocol.ECGLeadII, rateMilliHz: 250_000, scale: scale{2, -3}, unit: 7, quality: 1, samples: samples}))
		var want []int32
		for _, v := range samples {
			want = append(want, sample(v))
		}
		if len(got) != 1 || !slices.Equal(got[0].Samples.Raw, want) {
			t.Errorf("%v came out as %+v", samples, got)
		}
	}
}

func TestLostFramesAreReportedOnceInAWhile(t *testing.T) {
	var e encoder
	var wire []byte
	frame := func() { wire = e.status(wire, 0, 0, false, 255) }
	frame()
	e.counter += 3
	frame()
	for range 2 * quietFrames { // every other frame is lost
		e.counter++
		frame()
	}
	var texts []string
	for _, o := range decode(t, wire) {
		texts = append(texts, o.Event.Text)
	}
	want := []string{"3 frames lost between device and box", "257 frames lost between device and box"}
	if len(texts) != 2 || texts[0] != want[0] || texts[1] != want[1] {
		t.Errorf("reports %q, want %q", texts, want)
	}
}

func TestTheCounterWrapsWithoutAReport(t *testing.T) {
	var e encoder
	var wire []byte
	for i := range 70000 {
		wire = e.status(wire, uint32(i), 0, false, 255)
	}
	if got := decode(t, wire); len(got) != 0 {
		t.Errorf("got %+v", got[0].Event)
	}
}

func TestARestartAndARepeatedFrameAreNoLoss(t *testing.T) {
	var e encoder
	e.counter = 500
	one := e.status(nil, 900_000, 0, false, 255)
	got := decode(t, slices.Concat(one, one, new(encoder).status(nil, 20, 0, false, 255)))
	if len(got) != 1 || got[0].Event.Text != "the device has restarted" {
		t.Errorf("got %+v", got)
	}
}

func TestAnotherVersionIsReportedNotRead(t *testing.T) {
	e := &encoder{}
	one := e.numbers(nil, 0, number{code: protocol.SpO2, mantissa: 97, unit: 2, quality: 1})
	one[2] = 2
	two := seal(one)
	got := decode(t, slices.Concat(two, two))
	if len(got) != 1 || got[0].Kind != protocol.KindEvent || got[0].Event.Priority != protocol.PriorityMedium {
		t.Errorf("got %+v", got)
	}
}

// seal computes both checks of a frame anew.
func seal(f []byte) []byte {
	var e encoder
	e.counter = uint16(f[6]) | uint16(f[7])<<8
	version := f[2]
	out := e.frame(nil, f[3], func(b []byte) []byte { return append(b, f[headerLen:len(f)-sumLen]...) })
	out[2] = version
	return resum(out)
}

func TestAValueWithoutNumberOrInAForeignUnitIsNotShown(t *testing.T) {
	var e encoder
	for _, c := range []struct {
		n    number
		want protocol.Quality
	}{
		{number{code: protocol.SpO2, mantissa: noValue, unit: 2, quality: protocol.QualityGood}, protocol.QualityMissing},
		{number{code: protocol.SpO2, mantissa: 97, unit: 3, quality: protocol.QualityGood}, protocol.QualityInvalid},
		{number{code: protocol.SpO2, mantissa: 97, unit: 2, exponent: 40, quality: protocol.QualityGood}, protocol.QualityInvalid},
		{number{code: protocol.SpO2, mantissa: 97, unit: 2, quality: protocol.QualitySensorOff}, protocol.QualitySensorOff},
		{number{code: protocol.SpO2, mantissa: 97, unit: 2, quality: 77}, protocol.QualityUnknown},
	} {
		got := decode(t, e.numbers(nil, 0, c.n))
		if len(got) != 1 || got[0].Quality != c.want || got[0].Quality == protocol.QualitySensorOff && got[0].Value.Valid {
			t.Errorf("%+v: %+v, want quality %s", c.n, got, c.want)
		}
	}
}

func TestTheDeviceTimeOfAValueIsThatOfItsMeasurement(t *testing.T) {
	var e encoder
	at := time.Date(2026, 3, 14, 8, 30, 0, 0, time.UTC)
	wire := e.status(nil, 10_000, uint64(at.UnixMilli()), true, 80)
	wire = e.numbers(wire, 12_500, number{code: protocol.NIBPMean, mantissa: 90, age: 2000, unit: 4, quality: 1})
	got := decode(t, wire)
	if len(got) != 1 || !got[0].DeviceTime.Equal(at.Add(500*time.Millisecond)) {
		t.Errorf("got %+v", got)
	}
}

func TestIdentityIsGivenOnceAndNamesUnits(t *testing.T) {
	var e encoder
	const private protocol.Code = 2<<16 | 0xF777
	id := identity{manufacturer: "Acme", model: "Glow", serial: "7", firmware: "2.1", channels: []channel{{code: private, kind: protocol.KindNumeric, unit: unitNamed, unitName: "lx"}}}
	wire := e.identity(nil, 0, id)
	wire = e.identity(wire, 0, id)
	wire = e.numbers(wire, 0, number{code: private, mantissa: 5, unit: unitNamed, quality: 1})
	got := decode(t, wire)
	if len(got) != 4 || got[0].Text != "Acme Glow" || got[1].Text != "7" || got[2].Text != "2.1" || got[3].Unit != "lx" {
		t.Errorf("got %+v", got)
	}
}

func TestNumericsAreDecodedWithoutAllocating(t *testing.T) {
	var e encoder
	wire := e.numbers(nil, 0, number{code: protocol.HeartRate, mantissa: 72, unit: 3, quality: 1}, number{code: protocol.SpO2, site: 7, mantissa: 97, unit: 2, quality: 1})
	wire = e.word(wire, 0, protocol.SleepStatus, 0, 0, 1, "deep")
	wire = e.status(wire, 0, 1_800_000_000_000, true, 90)
	d := newDecoder()
	var n int
	emit := func(protocol.Observation) { n++ }
	if a := testing.AllocsPerRun(100, func() { d.Decode(wire, emit) }); a != 0 || n == 0 {
		t.Errorf("%v allocations for 3 frames, %d observations", a, n)
	}
}

// The rates of the standard configuration, and no drift in an hour.
func TestTheHubKeepsItsRates(t *testing.T) {
	var counts = map[protocol.Code]int{}
	var samples int
	synctest.Test(t, func(t *testing.T) {
		host, device := drivertest.NewWire()
		done := make(chan error, 1)
		go func() { done <- Hub.Simulate(t.Context(), device, drivertest.NewPatient()) }()
		d := newDecoder()
		buf := make([]byte, 4096)
		host.SetReadDeadline(time.Now().Add(time.Hour - time.Millisecond))
		for {
			n, err := host.Read(buf)
			d.Decode(buf[:n], func(o protocol.Observation) {
				counts[o.Code]++
				if o.Samples != nil {
					samples += len(o.Samples.Raw)
				}
			})
			if err != nil {
				break
			}
		}
		host.Close()
		<-done
	})
	for code, want := range map[protocol.Code]int{
		protocol.HeartRate: 7200, protocol.RespirationRate: 3600, protocol.ECGLeadII: 3599, protocol.SpO2: 720,
		protocol.Glucose: 30, protocol.SleepStatus: 30, protocol.BodyTemperature: 12, protocol.NIBPSystolic: 1, protocol.NIBPMean: 1,
	} {
		if counts[code] != want {
			t.Errorf("code %d came %d times in an hour, want %d", code, counts[code], want)
		}
	}
	if samples != 3599*250 {
		t.Errorf("%d samples in an hour, want %d", samples, 3599*250)
	}
}

func TestEverySensorCanBePlayed(t *testing.T) {
	for _, d := range []Device{HeartPatch, OxygenClip, Cuff, Thermo, GlucosePatch, SleepBand,
		{TimeScale: 60, Waves: []protocol.Code{protocol.ECGLeadI, protocol.Pleth, protocol.RespirationWave, protocol.ABPWave}, ECGRateHz: 500, SlowRateHz: 125, BlocksPerSecond: 4}} {
		wire := drivertest.Heard(t, driving(d), drivertest.NewPatient(), drivertest.Act{For: 2 * time.Second})
		var numbers int
		for _, o := range decode(t, wire) {
			if o.Kind != protocol.KindEvent && o.Quality.HasNumber() {
				numbers++
			}
		}
		if numbers < 4 {
			t.Errorf("%+v: only %d observations", d, numbers)
		}
	}
	if err := (Device{BlocksPerSecond: 9}).Simulate(t.Context(), drivers.Port(nil), nil); err == nil {
		t.Error("nine blocks a second are accepted")
	}
}

// FuzzPayload reaches behind the checks, which fuzzed bytes seldom pass.
func FuzzPayload(f *testing.F) {
	for _, w := range []string{workedHeartRate, workedTemperature, workedOff, workedSamples, workedSleep, workedEvent, workedStatus, workedIdentity} {
		b, err := drivertest.ParseHex(w)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[3], b[headerLen:len(b)-sumLen])
	}
	f.Fuzz(func(t *testing.T, typ byte, payload []byte) {
		var e encoder
		wire := e.status(nil, 1000, 1_800_000_000_000, true, 255)
		wire = e.frame(wire, typ, func(b []byte) []byte { return append(b, payload[:min(len(payload), maxPayload)]...) })
		wire = e.numbers(wire, 2000, number{code: protocol.HeartRate, mantissa: 72, unit: 3, quality: protocol.QualityGood})
		obs := decode(t, wire)
		if last := obs[len(obs)-1]; last.Code != protocol.HeartRate || last.Value != protocol.Int(72) {
			t.Errorf("the frame after it gave %+v", last)
		}
	})
}

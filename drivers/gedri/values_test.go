package gedri

import (
	"encoding/binary"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// worked is the worked record with another type of subrecord, changed.
func worked(t *testing.T, kind byte, change func(sub []byte)) []byte {
	r := slices.Clone(records(t, drivertest.Load(t, "testdata/worked.hex"))[0])
	r[18] = kind
	if change != nil {
		change(r[headerSize:])
	}
	return appendFrame(nil, r)
}

func TestTrendsAreSeriesOfTheirOwn(t *testing.T) {
	obs := drivertest.Decode(newDecoder(), worked(t, 3, nil))
	expect(t, obs, protocol.HeartRate, "60 s trend", "good 76")
	expect(t, obs, pulse, "P1, 60 s trend", "good 77")
	expect(t, obs, protocol.HeartRate, "")
	expect(t, obs, protocol.NIBPSystolic, "")
}

func TestTheAuxiliaryRecordTellsTheAgeOfTheCuffsResult(t *testing.T) {
	const taken = 1_790_000_000 - 300
	p := &playing{Device: Device{Level: 10}, now: time.Unix(1_790_000_000, 0), cuffTaken: time.Unix(taken, 0)}
	obs := drivertest.Decode(newDecoder(), append(p.auxiliary(nil), worked(t, displayed, nil)...))
	expect(t, obs, protocol.NIBPSystolic, "", "good 118.00")
	for _, o := range obs {
		if o.Code == protocol.NIBPSystolic && (o.Delay != 5*time.Minute || o.DeviceTime.Unix() != taken) {
			t.Errorf("delay %v, device time %v", o.Delay, o.DeviceTime)
		}
	}
}

func TestTheCuffsResultIsToldOnceForEachMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := Driver
		d.Simulate = Device{Cuff: 5 * time.Minute}.Simulate
		obs, _ := drivertest.Overhear(t, d, drivertest.NewPatient(), func() { time.Sleep(16 * time.Minute) })
		expect(t, obs, protocol.NIBPSystolic, "", "good 121.00", "good 121.00", "good 121.00", "good 121.00")
	})
}

func TestANumberOfAnInactiveMeasurementIsNone(t *testing.T) {
	for name, change := range map[string]func(sub []byte){
		"inactive":  func(sub []byte) { sub[122] = hasModule },
		"no module": func(sub []byte) { sub[122] = 0 },
		"invalid":   func(sub []byte) { binary.LittleEndian.PutUint16(sub[128:], 0x8001) },
	} {
		obs := drivertest.Decode(newDecoder(), append(worked(t, displayed, nil), worked(t, displayed, change)...))
		if got := said(obs, protocol.SpO2, ""); !slices.Equal(got, []string{"good 97.40", "missing "}) {
			t.Errorf("%s: %q", name, got)
		}
	}
	obs := drivertest.Decode(newDecoder(), worked(t, displayed, func(sub []byte) { sub[122] = hasModule }))
	expect(t, obs, protocol.SpO2, "")
	obs = drivertest.Decode(newDecoder(), worked(t, displayed, func(sub []byte) { binary.LittleEndian.PutUint16(sub[128:], 0x8005) }))
	expect(t, obs, protocol.SpO2, "", "overflow ")
}

func TestAPulseIsNotTheHeartRate(t *testing.T) {
	obs := drivertest.Decode(newDecoder(), worked(t, displayed, func(sub []byte) {
		binary.LittleEndian.PutUint32(sub[4:], hasModule|isActive|6<<3) // the source is the pleth
		binary.LittleEndian.PutUint16(sub[10:], 81)
	}))
	expect(t, obs, protocol.HeartRate, "", "good 76") // the ECG's own
	expect(t, obs, pulse, "", "good 81")
}

func TestASecondPressureOfTheSameNameHasItsInputAsChannel(t *testing.T) {
	obs := drivertest.Decode(newDecoder(), worked(t, displayed, func(sub []byte) { sub[38] = 1 }))
	expect(t, obs, mdc("PRESS_BLD_ART_SYS"), "", "good 121.50")
	expect(t, obs, mdc("PRESS_BLD_ART_SYS"), "P2", "good 11.60")
}

func TestAnApnoeaIsNoneWhileItsAlarmIsOffAndBreathsAreCounted(t *testing.T) {
	for name, test := range map[string]struct {
		status uint32
		rate   uint16
		want   []string
	}{
		"breathing, alarm off": {1<<2 | 1<<8, 15, nil},
		"breathing, alarm on":  {1 << 2, 15, []string{"start apnoea (CO2)"}},
		"no breath, alarm off": {1<<2 | 1<<8, 0, []string{"start apnoea (CO2)"}},
		"no rate, alarm off":   {1<<2 | 1<<8, 0x8001, []string{"start apnoea (CO2)"}},
		"impedance, alarm off": {1<<7 | 1<<8, 15, []string{"start apnoea (impedance)"}},
		"no apnoea, alarm off": {1 << 8, 15, nil},
		"zeroing, alarm off":   {1<<2 | 1<<4 | 1<<8, 15, []string{"start apnoea (CO2)"}},
	} {
		obs := drivertest.Decode(newDecoder(), worked(t, displayed, func(sub []byte) {
			binary.LittleEndian.PutUint32(sub[136:], hasModule|isActive|test.status)
			binary.LittleEndian.PutUint16(sub[146:], test.rate)
		}))
		var got, off []string
		for _, o := range obs {
			switch {
			case o.Event != nil && o.Code == apnoea:
				got = append(got, o.Event.Phase.String()+" "+o.Event.Text)
			case o.Event != nil && o.Event.Type == protocol.AlarmAdvisory:
				off = append(off, o.Event.Text)
			}
		}
		if !slices.Equal(got, test.want) || (len(off) > 0) != (test.status&(1<<8) != 0) {
			t.Errorf("%s: %q, advisory %q", name, got, off)
		}
	}
}

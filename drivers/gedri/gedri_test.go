package gedri

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// A frame without its last flag is whole when the next frame's flag follows:
// the byte after junk keeps it junk.
var options = drivertest.Options{
	JunkEnd: "\x00",
	Span:    7 * time.Minute, // the cuff
	Settle:  6 * time.Second,
	Expect: []protocol.Code{
		protocol.HeartRate, protocol.SpO2, protocol.PulseRate, protocol.PerfusionIndex, protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean, cuffPulse,
		mdc("TTHOR_RESP_RATE"), mdc("PRESS_BLD_ART_SYS"), mdc("PRESS_BLD_VEN_CENT_MEAN"), mdc("TEMP_CORE"), endTidal, inspired, mdc("CONC_AWAY_O2_INSP"),
		mdc("CONC_AWAY_SEVOFL_ET"), ours("MAC"), mdc("PRESS_AWAY_INSP_MAX"), mdc("VOL_AWAY_TIDAL_EXP"), mdc("OUTPUT_CARD_CTS"), ours("TRAIN_OF_FOUR_COUNT"),
		mdc("ECG_AMPL_ST_AVL"), ours("STATE_ENTROPY"), ours("BISPECTRAL_INDEX"), ours("OXYGEN_CONSUMPTION"), mdc("PRESS_CEREB_PERF"),
		protocol.ECGLeadII, protocol.Pleth, mdc("PRESS_BLD_ART"), mdc("AWAY_CO2"),
	},
	// 0.01 % at ambient pressure is coarser than 0.1 mmHg is fine; ST in 0.01 mm.
	Tolerance: map[protocol.Code]float64{endTidal: 0.11, inspired: 0.11},
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/monitor.hex", "A level 10 monitor with values, waves and alarms.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 1300 * time.Millisecond, What: "at rest"},
		drivertest.Act{For: 5 * time.Second, What: "leads and sensors off", Do: func(p *drivertest.Patient) { p.AllOff(true) }})
	drivertest.Run(t, Driver, options)
}

func TestFastDriver(t *testing.T) { drivertest.Play(t, Fast, options) }

func TestAnOldMonitorHasNoExtensionsAndNoAlarms(t *testing.T) {
	d := Driver
	d.Simulate = Device{Level: 6}.Simulate
	opts := options
	opts.Expect = []protocol.Code{protocol.HeartRate, protocol.SpO2, mdc("ECG_AMPL_ST_AVL")}
	drivertest.Play(t, d, opts)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

// FuzzRecord is behind the sum.
func FuzzRecord(f *testing.F) {
	for _, r := range records(f, drivertest.Load(f, "testdata/monitor.hex")) {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, r []byte) {
		if len(r) < minRecord || len(r) > maxRecord {
			return
		}
		binary.LittleEndian.PutUint16(r, uint16(len(r)))
		for _, o := range drivertest.Decode(newDecoder(), append(appendFrame(nil, r), appendFrame(nil, r)...)) {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
			if !slices.Contains(codes, o.Code) {
				t.Errorf("code %d is not in the list", o.Code)
			}
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	wire := drivertest.Load(b, "testdata/monitor.hex")
	b.Run("all", func(b *testing.B) { drivertest.Bench(b, Driver, wire) })
	b.Run("values", func(b *testing.B) {
		for _, r := range records(b, wire) {
			if r[14] == mainValues && len(r) > 1000 {
				drivertest.Bench(b, Driver, appendFrame(nil, r))
				return
			}
		}
	})
}

// records are the records in wire.
func records(t testing.TB, wire []byte) (all [][]byte) {
	d := makeDecoder()
	d.deframer.take = func(r []byte) { all = append(all, slices.Clone(r)) }
	d.framer.Feed(wire)
	if len(all) == 0 {
		t.Fatal("no records")
	}
	return all
}

func said(obs []protocol.Observation, code protocol.Code, channel string) (all []string) {
	for _, o := range obs {
		if o.Code == code && o.Channel == channel {
			s := fmt.Sprint(o.Quality, " ", o.Value)
			if o.Event != nil {
				s = fmt.Sprint(o.Event.Phase, " ", o.Event.Priority, " ", o.Event.Text)
			}
			all = append(all, s)
		}
	}
	return all
}

func expect(t *testing.T, obs []protocol.Observation, code protocol.Code, channel string, want ...string) {
	t.Helper()
	if got := said(obs, code, channel); !slices.Equal(got, want) {
		term, _ := protocol.Lookup(code)
		t.Errorf("%s %q: %q, want %q", term.RefID, channel, got, want)
	}
}

func TestTheWorkedRecord(t *testing.T) {
	obs := drivertest.Decode(newDecoder(), drivertest.Load(t, "testdata/worked.hex"))
	for name, want := range map[string]string{
		"MDC_ECG_HEART_RATE": "76", "MDC_ECG_AMPL_ST_II": "-0.008", "MDC_TTHOR_RESP_RATE": "14",
		"MDC_PRESS_BLD_ART_SYS": "121.50", "MDC_PRESS_BLD_ART_DIA": "64.20", "MDC_PRESS_BLD_ART_MEAN": "84.10",
		"MDC_PRESS_BLD_VEN_CENT_SYS": "11.60", "MDC_PRESS_BLD_VEN_CENT_DIA": "4.80", "MDC_PRESS_BLD_VEN_CENT_MEAN": "7.90",
		"MDC_TEMP_CORE": "37.12", "MDC_PULS_OXIM_SAT_O2": "97.40", "MDC_PULS_OXIM_PULS_RATE": "76", "MDC_BLD_PERF_INDEX": "1.82",
		"MDC_AWAY_CO2_ET": "37.4", "MDC_CONC_AWAY_CO2_INSP": "0.2", "MDC_CO2_RESP_RATE": "15", "MONITORME_AMBIENT_PRESSURE": "758.3",
		"MDC_CONC_AWAY_O2_ET": "16.50", "MDC_CONC_AWAY_O2_INSP": "20.90", "MDC_CONC_AWAY_SEVOFL_ET": "1.20", "MDC_CONC_AWAY_SEVOFL_INSP": "1.80", "MONITORME_MAC": "0.75",
		"MDC_AWAY_RESP_RATE": "15", "MDC_PRESS_AWAY_INSP_MAX": "18.50", "MDC_PRESS_AWAY_END_EXP_POS": "5.10", "MDC_PRESS_RESP_PLAT": "17.00",
		"MDC_VOL_AWAY_TIDAL_INSP": "435.0", "MDC_VOL_AWAY_TIDAL_EXP": "428.0", "MDC_COMPL_LUNG": "34.20", "MDC_VOL_MINUTE_AWAY_EXP": "6.42",
	} {
		expect(t, obs, protocol.MustCode(name), "", "good "+want)
	}
	expect(t, obs, pulse, "P1", "good 77")
	// The cuff's result is older than 60 s, and nothing says how old.
	expect(t, obs, protocol.NIBPSystolic, "", "unknown 118.00")
	expect(t, obs, cuffPulse, "", "unknown 75")
	for _, o := range obs {
		if o.Code == protocol.HeartRate && !o.DeviceTime.Equal(time.Date(2026, 9, 21, 14, 13, 20, 0, time.UTC)) {
			t.Errorf("device time %v", o.DeviceTime)
		}
		if o.Code == protocol.ECGLeadII && (!slices.Equal(o.Samples.Raw, []int32{-12, -10, 5, 120, 40, protocol.NoSample}) || o.Delay != 20*time.Millisecond) {
			t.Errorf("ECG %v after %v", o.Samples.Raw, o.Delay)
		}
		if o.Code == protocol.Pleth && !slices.Equal(o.Samples.Raw, []int32{12, 18, 27, 33}) {
			t.Errorf("pleth %v", o.Samples.Raw)
		}
	}
}

func TestTheWorkedRequests(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat("00 ", n) }
	head := func(kind string) string { return zeros(12) + kind + " " + zeros(6) + "FF " + zeros(18) }
	for what, c := range map[string]struct {
		got  []byte
		want string
	}{
		"values": {request(mainValues, []byte{1, 5, 0, 2, 0, 0, 0, 0, 0}), "7E 31 00 " + head("00") + "01 05 00 02 00 00 00 00 00 38 7E"},
		"aux":    {request(mainValues, []byte{4, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0}), "7E 31 00 " + head("00") + "04 FF FF 00 00 00 00 00 00 32 7E"},
		"waves":  {waveRequest([]byte{1, 8, 4}), "7E 48 00 " + head("01") + zeros(4) + "01 08 04 FF " + zeros(24) + "54 7E"},
		"alarms": {askAlarms, "7E 34 00 " + head("04") + "02 " + zeros(11) + "39 7E"},
	} {
		if want := drivertest.Hex(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s\n got % X\nwant % X", what, c.got, want)
		}
	}
}

func TestFlagsBetweenRecordsMayBeOneOrMany(t *testing.T) {
	one := drivertest.Load(t, "testdata/worked.hex")
	all := records(t, one)
	wire := []byte{flag, flag, flag}
	for _, r := range all {
		wire = append(wire[:len(wire)-1], appendFrame(nil, r)...) // the flag is shared
	}
	wire = append(wire, flag, flag)
	d := newDecoder()
	drivertest.Decode(d, append(wire, one...))
	if s := d.Stats(); s.Frames != 4 || s.BadSums != 0 || s.Skipped != 0 {
		t.Errorf("%+v", s)
	}
}

func TestATruncatedRecordCostsOnlyItself(t *testing.T) {
	one := appendFrame(nil, records(t, drivertest.Load(t, "testdata/worked.hex"))[0])
	d := newDecoder()
	drivertest.Decode(d, slices.Concat(one[:100], one, one[:5], one[:30], one))
	if s := d.Stats(); s.Frames != 2 || s.Skipped != 135 {
		t.Errorf("%+v", s)
	}
}

// allowed is all that may be written: requests for what is displayed, for the
// age of the cuff's result, for waves and for the alarms, and the ends of them.
func allowed(t *testing.T, waves string) drivertest.Allowed {
	zeros := func(n int) string { return strings.Repeat("00 ", n) }
	head := func(kind string) string { return zeros(12) + kind + " " + zeros(6) + "FF " + zeros(18) }
	return drivertest.Only(
		drivertest.Hex(t, "7E 31 00 "+head("00")+"01 05 00 0E 00 00 00 00 00 44 7E"),
		drivertest.Hex(t, "7E 31 00 "+head("00")+"01 00 00 0E 00 00 00 00 00 3F 7E"),
		drivertest.Hex(t, "7E 31 00 "+head("00")+"04 FF FF 0E 00 00 00 00 00 40 7E"),
		drivertest.Hex(t, "7E 48 00 "+head("01")+zeros(4)+waves+" 7E"),
		drivertest.Hex(t, "7E 48 00 "+head("01")+"01 00 00 00 FF "+zeros(27)+"48 7E"),
		drivertest.Hex(t, "7E 34 00 "+head("04")+"02 "+zeros(11)+"39 7E"),
		drivertest.Hex(t, "7E 34 00 "+head("04")+"03 "+zeros(11)+"3A 7E"),
	)
}

func TestRunWritesOnlyTheseRequests(t *testing.T) {
	recorded := records(t, drivertest.Load(t, "testdata/monitor.hex"))
	changed := func(r *rand.Rand) []byte { // the sum is right
		record := slices.Clone(recorded[r.IntN(len(recorded))])
		for range r.IntN(9) {
			record[r.IntN(len(record))] = byte(r.Uint32())
		}
		return appendFrame(nil, record)
	}
	d := Driver
	d.Simulate = Device{WavesEnd: 20 * time.Second}.Simulate
	requests := drivertest.Writes(t, d, allowed(t, "01 08 04 0F 09 0D 0E FF "+strings.Repeat("00 ", 20)+"87"), changed)
	if n := drivertest.Times(requests, waveRequest(someWaves)); n < 60 {
		t.Errorf("waves that stop after 20 s were asked for %d times in an hour", n)
	}
	drivertest.Writes(t, Fast, allowed(t, "01 08 04 0F 09 0D 0E 02 03 05 06 07 10 11 0A 17 26 12 13 20 23 24 25 FF 00 00 00 00 B7"), changed)
}

func TestAlarmsOnTheScreenBeginAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := drivertest.NewPatient()
		obs, _ := drivertest.Overhear(t, Driver, p, func() {
			time.Sleep(20 * time.Second)
			p.Set(protocol.HeartRate, 170)
			time.Sleep(20 * time.Second)
			p.Set(protocol.HeartRate, 70)
			time.Sleep(20 * time.Second)
		})
		expect(t, obs, protocol.EventAlarm, "", "start high HR HIGH", "end high HR HIGH")
	})
}

func TestAFullListOfAlarmsEndsNone(t *testing.T) {
	record := func(texts ...string) []byte {
		p := &playing{Device: Device{Level: 10}}
		for _, s := range texts {
			p.told = append(p.told, shown{s, 2})
		}
		return p.alarmRecord(nil, time.Unix(1, 0))
	}
	obs := drivertest.Decode(newDecoder(), slices.Concat(record("A"), record("B", "C", "D", "E", "F"), record("B")))
	expect(t, obs, protocol.EventAlarm, "",
		"start medium A", "start medium B", "start medium C", "start medium D", "start medium E", "start medium F",
		"end medium A", "end medium C", "end medium D", "end medium E", "end medium F")
}

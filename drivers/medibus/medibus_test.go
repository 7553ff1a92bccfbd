package medibus

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// The realtime channel has no check, and its records are often inside frames,
// as is a command in the capture nested.
var options = drivertest.Options{
	Unchecked: []string{"curves", "v500", "evitaxl"},
	Joined:    []string{"curves", "v500", "evitaxl", "nested"},
	Settle:    6 * time.Second,
	Expect: []protocol.Code{
		protocol.RespirationRate, protocol.SpO2, protocol.PulseRate, mdc("PRESS_AWAY_INSP_MAX"), mdc("VENT_PRESS_AWAY_END_EXP_POS"), mdc("VENT_PRESS_RESP_PLAT"),
		mdc("VOL_MINUTE_AWAY"), tidalExp, mdc("CONC_AWAY_O2_INSP"), carbonEt, mdc("VENT_PRESS_AWAY_END_EXP_POS_SETTING"), mdc("CONC_AWAY_O2_INSP_SETTING"),
		mdc("PRESS_AWAY"), mdc("FLOW_AWAY"), mdc("AWAY_CO2"),
	},
	// Five characters hold these too coarsely for a converted tenth.
	Tolerance: map[protocol.Code]float64{
		mdc("RES_AWAY"): 1, mdc("COMPL_LUNG"): 1, mdc("COMPL_LUNG_DYN"): 1, mdc("COMPL_LUNG_STATIC"): 1, mdc("FLOW_AWAY_INSP_MAX"): 0.1,
		carbonEt: 0.11, carbonIn: 0.11, ours("AMBIENT_PRESSURE"): 0.5, mdc("VENT_VOL_TIDAL_SETTING"): 10, ours("NEGATIVE_INSPIRATORY_FORCE"): 0.5,
	},
}

var acts = []drivertest.Act{
	{For: 2510 * time.Millisecond, What: "at rest"},
	{For: 2 * time.Second, What: "disconnected", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
}

func TestDriver(t *testing.T) {
	for id, file := range map[string]string{"5000": "v500", "8260": "evitaxl"} {
		d := Driver
		d.Simulate = Device{ID: id}.Simulate
		drivertest.Record(t, "testdata/"+file+".hex", "A simulated "+models[id]+".", d, drivertest.NewPatient(), acts...)
	}
	drivertest.Run(t, Driver, options)
}

func TestLegacyDevicesArePlayedToo(t *testing.T) {
	d := Driver
	d.Simulate = Device{ID: "8260"}.Simulate
	drivertest.Play(t, d, options)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

// FuzzFrame is behind the sum.
func FuzzFrame(f *testing.F) {
	f.Add(byte(cmdData1), "73 12 D6 16", true)
	f.Add(byte(cmdSettings), "01  40 ", false)
	f.Add(byte(cmdAlarms1), "M90RESP RATE HI", true)
	f.Add(byte(cmdTexts), "0B=Mode CPAP/ASB\x03", false)
	f.Add(byte(cmdCurves), "00   20000  -20  1003E8", true)
	f.Fuzz(func(t *testing.T, code byte, data string, old bool) {
		wire := appendFrame(nil, startAnswer, cmdIdentify, map[bool]string{true: "8260", false: "5000"}[old])
		wire = appendFrame(appendFrame(wire, startAnswer, code, data), startAnswer, cmdConfigure, "")
		wire = append(wire, bytes.Repeat([]byte{0xDF, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0xD1, 0x81, 0x82}, 400)...)
		for _, o := range drivertest.Decode(newDecoder(), wire) {
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
	b.Run("curves", func(b *testing.B) {
		drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/curves.hex"))
	})
	b.Run("v500", func(b *testing.B) { drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/v500.hex")) })
}

func said(obs []protocol.Observation, code protocol.Code) (all []string) {
	for _, o := range obs {
		if o.Code == code {
			s := fmt.Sprint(o.Quality, " ", o.Value, o.Text)
			if o.Event != nil {
				s = fmt.Sprint(o.Event.Phase, " ", o.Event.Priority, " ", o.Event.Text)
			}
			all = append(all, s)
		}
	}
	return all
}

func expect(t *testing.T, obs []protocol.Observation, code protocol.Code, want ...string) {
	t.Helper()
	if got := said(obs, code); !slices.Equal(got, want) {
		term, _ := protocol.Lookup(code)
		t.Errorf("%s: %q, want %q", term.RefID, got, want)
	}
}

func TestTheWorkedAnswers(t *testing.T) {
	obs := drivertest.Decode(newDecoder(), append(drivertest.Load(t, "testdata/worked.hex"), drivertest.Load(t, "testdata/nested.hex")...))
	expect(t, obs, protocol.IdentityModel, "good Dräger EvitaXL")
	expect(t, obs, mdc("VENT_PRESS_AWAY_MEAN"), "good 12.2", "good 12.2", "good 12.2") // 12 mbar
	expect(t, obs, mdc("VENT_PRESS_RESP_PLAT"), "good 19.4", "good 19.4", "missing ")  // 19 mbar, then not in the answer
	expect(t, obs, mdc("PRESS_AWAY_INSP_MAX"), "good 22.4", "good 22.4", "missing ")
	expect(t, obs, mdc("VOL_MINUTE_AWAY"), "good 8.1", "good 8.1", "missing ")
	expect(t, obs, protocol.RespirationRate, "good 16")
	expect(t, obs, mode, "good CPAP/ASB")
	expect(t, obs, mdc("CONC_AWAY_O2_INSP_SETTING"), "good 40")
	expect(t, obs, ours("PRESSURE_SUPPORT_SETTING"), "good 8.2")
	expect(t, obs, protocol.EventAlarm, "start high RESP RATE HI", "end high RESP RATE HI")
}

func TestTheWorkedCurves(t *testing.T) {
	obs := drivertest.Decode(newDecoder(), drivertest.Load(t, "testdata/curves.hex"))
	for _, o := range obs {
		if o.Samples == nil {
			continue
		}
		first := o.Samples.Offset.Float64() + o.Samples.Scale.Float64()*float64(o.Samples.Raw[0])
		want := map[protocol.Code]float64{mdc("PRESS_AWAY"): 15.4 * mbar, mdc("AWAY_CO2"): 35}[o.Code]
		if first < want-1e-5 || first > want+1e-5 || o.Samples.RateMilliHz != 50_000 || len(o.Samples.Raw) != 25 {
			t.Errorf("%d: first %v, want %v; %d samples at %v", o.Code, first, want, len(o.Samples.Raw), o.Samples.RateHz())
		}
		if gap := o.Samples.Raw[2] == protocol.NoSample; gap != (o.Code == mdc("PRESS_AWAY")) {
			t.Errorf("%d: the third record has CO2 only: %v", o.Code, o.Samples.Raw)
		}
	}
	if n := len(said(obs, mdc("PRESS_AWAY"))) + len(said(obs, mdc("AWAY_CO2"))); n != 2 {
		t.Errorf("%d blocks, want 2", n)
	}
}

func TestTheReadyMadeCommands(t *testing.T) {
	for want, got := range map[string][]byte{
		"1B 51 36 43 0D": askInit, "01 51 35 32 0D": answerInit, "1B 55 37 30 0D": stopAll, "01 15 31 36 0D": answerBad,
		"1B 24 33 46 0D": appendFrame(nil, startCommand, cmdData1, ""), "1B 2A 34 35 0D": appendFrame(nil, startCommand, cmdTexts, ""),
		"1B 54 30 30 30 31 30 36 30 31 46 37 0D": appendFrame(nil, startCommand, cmdConfigure, "00010601"),
	} {
		if !bytes.Equal(got, drivertest.Hex(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
	}
}

func TestTheSameCodeMeansAnotherThingInMedibusX(t *testing.T) {
	page := appendFrame(nil, startAnswer, cmdData1, "06 5.5")
	for id, want := range map[string]protocol.Code{"8240": mdc("COMPL_LUNG"), "5000": mdc("VENT_VOL_MINUTE_INSP")} {
		obs := drivertest.Decode(newDecoder(), append(appendFrame(nil, startAnswer, cmdIdentify, id+"'x'01.00:06.00"), page...))
		if len(said(obs, want)) != 1 {
			t.Errorf("%s: %v", id, obs)
		}
	}
	if obs := drivertest.Decode(newDecoder(), page); len(obs) != 0 {
		t.Errorf("before the device has said who it is: %v", obs)
	}
}

// with is the driver with another device at the far end.
func with(device Device) drivers.Driver {
	d := Driver
	d.Simulate = device.Simulate
	return d
}

// allowed is all that may be written: beginning, identifying, asking, choosing
// and switching curves, saying goodbye; and answers, which to a command that is
// not known are its echo.
func allowed(wrote []byte) int {
	curves := func(n int) bool { // which ones, by their codes, every sample
		data := wrote[2 : n-3]
		for len(data) >= 4 && slices.Contains([]string{"00", "01", "02", "03", "05", "06", "07", "0A"}, string(data[:2])) && data[2] == '0' && data[3] == '1' {
			data = data[4:]
		}
		return n > 5 && n <= 5+4*4 && len(data) == 0
	}
	known := drivertest.Only(
		[]byte("\x1bQ6C\r"), []byte("\x1bR6D\r"), []byte("\x1bS6E\r"), []byte("\x1bU70\r"),
		[]byte("\x1b$3F\r"), []byte("\x1b'42\r"), []byte("\x1b)44\r"), []byte("\x1b*45\r"), []byte("\x1b+46\r"), []byte("\x1b.49\r"),
		[]byte("\xd0\xc1\xc0\xc0\xc0"), []byte("\xd0\xc1\xc1\xc0\xc0"), []byte("\xd0\xc1\xc3\xc0\xc0"), []byte("\xd0\xc1\xc7\xc0\xc0"), []byte("\xd0\xc1\xcf\xc0\xc0"),
		[]byte("\x01R0161'MONITORME'01.00:04.003E\r"))
	if n := known(wrote); n > 0 {
		return n
	}
	n := bytes.IndexByte(wrote, cr) + 1
	if n < 5 || checksum.Sum8(wrote[:n-3]) != hexOf(wrote[n-3:n-1]) {
		return 0
	}
	if wrote[0] == startAnswer && n == 5 || wrote[0] == startCommand && wrote[1] == cmdConfigure && curves(n) {
		return n
	}
	return 0
}

func hexOf(b []byte) byte {
	v, _ := strconv.ParseUint(string(b), 16, 8)
	return byte(v)
}

func TestRunWritesOnlyQuestionsAnswersAndGoodbye(t *testing.T) {
	for name, device := range map[string]Device{"v500": {}, "evitaxl": {ID: "8260"}} {
		t.Run(name, func(t *testing.T) {
			requests := drivertest.Writes(t, with(device), allowed, func(r *rand.Rand) []byte { // the sum is right
				code := []byte{cmdInit, cmdIdentify, cmdCurves, cmdConfigure, cmdStop, cmdChanged, cmdTime, nak, byte(r.IntN(128))}[r.IntN(9)]
				data := []string{"", "5000", "8260", "00   20000  -20  1003E8", "0A   10000    0  10003E806    5000    0   7003E8", "\x1bU70", "06 5.5"}[r.IntN(7)]
				return appendFrame(nil, []byte{startCommand, startAnswer}[r.IntN(2)], code, data)
			})
			if last := slices.Concat(requests[len(requests)-2:]...); !bytes.Equal(last, append(stopCurves, stopAll...)) {
				t.Errorf("it ends with % X", last)
			}
		})
	}
}

func TestNoNameOfAPatientIsEmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		obs, _ := drivertest.Overhear(t, Driver, drivertest.NewPatient(), func() { time.Sleep(5 * time.Second) })
		for _, o := range obs {
			if strings.Contains(o.Text, "A. N.") || strings.Contains(o.Text, "Other") {
				t.Errorf("%q", o.Text)
			}
		}
		if got := said(obs, mode); len(got) == 0 || got[0] != "good PC-BIPAP/PS" {
			t.Errorf("mode %q", got)
		}
	})
}

func TestADeviceThatOnlyPlaysGivesNoPatientsValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		obs, _ := drivertest.Overhear(t, with(Device{Playing: true}), drivertest.NewPatient(), func() { time.Sleep(10 * time.Second) })
		n := 0
		for _, o := range obs {
			if o.Kind == protocol.KindNumeric || o.Kind == protocol.KindSamples {
				n++
				if o.Quality != protocol.QualityDemo {
					t.Fatalf("%+v", o)
				}
			}
		}
		if n == 0 {
			t.Error("nothing")
		}
	})
}

func TestADeviceThatStartsAgainIsMetAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := drivertest.NewWire()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 3)
		var obs []protocol.Observation
		go func() { done <- Driver.Run(ctx, host, func(o protocol.Observation) { obs = append(obs, o) }) }()
		var count []int
		for range 2 {
			on, off := context.WithCancel(ctx)
			go func() { done <- (Device{}).Simulate(on, far, drivertest.NewPatient()) }()
			time.Sleep(10 * time.Second)
			off()
			<-done
			far.SetReadDeadline(time.Time{})
			far.SetWriteDeadline(time.Time{})
			count = append(count, len(said(obs, mdc("PRESS_AWAY"))))
			time.Sleep(10 * time.Second)
		}
		stop()
		<-done
		far.Close()
		if count[0] < 5 || count[1] < count[0]+5 {
			t.Errorf("blocks of pressure after each start: %v", count)
		}
	})
}

package medibus

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

// run plays a device and gives what Run emits and writes.
func run(t *testing.T, device Device, p *drivertest.Patient, during func()) (obs []protocol.Observation, wrote []byte) {
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
	wrote []byte
}

func (p *tapped) Write(b []byte) (int, error) {
	p.wrote = append(p.wrote, b...)
	return p.Port.Write(b)
}

func TestRunWritesOnlyQuestionsAnswersAndGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, wrote := run(t, Device{}, drivertest.NewPatient(), func() { time.Sleep(3 * time.Minute) })
		allowed := map[string]bool{
			string(askInit): true, string(answerInit): true, string(answerIdent): true, string(answerBad): true, string(stopAll): true, string(stopCurves): true,
			"\xD0\xC1\xCF\xC0\xC0":                                true, // starts four curves
			string(appendFrame(nil, startAnswer, cmdTime, "")):    true,
			string(appendFrame(nil, startCommand, cmdCurves, "")): true, string(appendFrame(nil, startCommand, cmdIdentify, "")): true,
			string(appendFrame(nil, startCommand, cmdConfigure, "0001010106010301")): true,
		}
		for _, c := range circle {
			allowed[string(appendFrame(nil, startCommand, c, ""))] = true
		}
		if !bytes.HasSuffix(wrote, append(stopCurves, stopAll...)) {
			t.Errorf("it ends with % X", wrote[len(wrote)-10:])
		}
		for len(wrote) > 0 {
			n := bytes.IndexByte(wrote, cr) + 1
			if wrote[0] >= 0x80 {
				n = 5
			}
			if !allowed[string(wrote[:n])] {
				t.Fatalf("wrote % X", wrote[:n])
			}
			wrote = wrote[n:]
		}
	})
}

func TestNoNameOfAPatientIsEmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		obs, _ := run(t, Device{}, drivertest.NewPatient(), func() { time.Sleep(5 * time.Second) })
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
		obs, _ := run(t, Device{Playing: true}, drivertest.NewPatient(), func() { time.Sleep(10 * time.Second) })
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

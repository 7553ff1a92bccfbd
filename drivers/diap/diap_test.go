package diap

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// vitals reads what the simulated monitor knows.
const vitals = `
model: simulated
every: 2s
silence: 30s
commands:
  - ask: hr;rr
    values:
      - {key: hr, code: MDC_ECG_HEART_RATE}
      - {key: rr, code: MDC_RESP_RATE}
  - ask: SPO2;pr
    match: '(?i)spo2=(\d+|---);pr=(\d+|---)'
    values:
      - {column: 1, code: MDC_PULS_OXIM_SAT_O2}
      - {column: 2, code: MDC_PULS_OXIM_PULS_RATE}
  - ask: t1
    values:
      - {key: T1, code: MDC_TEMP}
  - ask: nibps;nibpd;nibpm
    values:
      - {key: nibps, code: MDC_PRESS_BLD_NONINV_SYS}
      - {key: nibpd, code: MDC_PRESS_BLD_NONINV_DIA}
      - {key: nibpm, code: MDC_PRESS_BLD_NONINV_MEAN}
`

var options = drivertest.Options{
	// The cuff's result comes once.
	Expect: []protocol.Code{protocol.HeartRate, protocol.RespirationRate, protocol.SpO2, protocol.PulseRate, protocol.MustCode("MDC_TEMP")},
}

func with(t testing.TB, settings string) drivers.Driver {
	t.Helper()
	d, err := Driver.Configure([]byte(settings))
	if err != nil {
		t.Fatalf("%s\n%v", settings, err)
	}
	return d
}

func TestDriver(t *testing.T) {
	d := with(t, vitals)
	drivertest.Record(t, "testdata/played.hex", "A simulated monitor with invented commands.", d, drivertest.NewPatient(),
		drivertest.Act{For: 3 * time.Second, What: "at rest"},
		drivertest.Act{For: 2 * time.Second, What: "sensors off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 2 * time.Second, What: "sensors on, 88 %", Do: func(p *drivertest.Patient) { p.AllOff(false); p.Set(protocol.SpO2, 88) }})
	drivertest.Run(t, d, options)
}

func TestTheOtherStartOfTheCheckIsPlayedToo(t *testing.T) {
	d := with(t, vitals)
	d.Simulate = Device{Start: 0xFFFF}.Simulate
	drivertest.Play(t, d, options)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, with(f, vitals)) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, with(b, vitals), drivertest.Load(b, "testdata/played.hex"))
}

// FuzzAnswers looks into answers whose check is right, for settings that break
// a decoder or on which it says something else when they are cut differently.
func FuzzAnswers(f *testing.F) {
	f.Add(vitals, "hr=72;rr=14", 3)
	f.Add("commands: [{ask: x, separator: ',', columns: 2, values: [{column: 1, code: MDC_TEMP, scale: 1e18}, {column: 2, code: MDC_PRESS_BLD_NONINV_SYS}], quality: [{column: 2, marks: {x: sensor-off}}]}]", "36.8,x", 1)
	f.Add("commands: [{ask: x, match: '(?P<a>.*)', values: [{key: a, code: MDC_TEMP, unit: '[degF]'}]}]", "98.6", 1)
	f.Fuzz(func(t *testing.T, settings, text string, step int) {
		d, err := Driver.Configure([]byte(settings))
		if err != nil {
			return
		}
		wire := appendMessage(appendMessage(nil, text, 0), text, 0)
		want := drivertest.Decode(d.NewDecoder(), wire)
		for _, o := range want {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
			if !slices.Contains(d.Codes, o.Code) {
				t.Errorf("code %d is not in Driver.Codes", o.Code)
			}
		}
		got := 0
		dec := d.NewDecoder()
		step = max(1, min(step, 64))
		for rest := wire; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			dec.Decode(rest[:min(step, len(rest))], func(protocol.Observation) { got++ })
		}
		if got != len(want) {
			t.Errorf("%d observations in pieces of %d, %d whole", got, step, len(want))
		}
	})
}

// told is what answers say, in short.
func told(d drivers.Driver, answers ...string) (all []string) {
	var wire []byte
	for _, a := range answers {
		wire = appendMessage(wire, a, 0)
	}
	for _, o := range drivertest.Decode(d.NewDecoder(), wire) {
		term, _ := protocol.Lookup(o.Code)
		name := term.Label
		if o.Channel != "" {
			name += "/" + o.Channel
		}
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Text))
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(name, " ", o.Quality, " ", o.Value))
		}
	}
	return all
}

func TestWorkedRequests(t *testing.T) {
	for start, want := range map[uint16]string{0: "DIAP000<connect>6B37\n", 0xFFFF: "DIAP000<connect>3B61\n"} {
		if got := string(appendMessage(nil, connect, start)); got != want {
			t.Errorf("start %04X: %q, want %q", start, got, want)
		}
	}
}

func TestTheStartOfTheCheckIsLearntAndKept(t *testing.T) {
	for _, start := range []uint16{0, 0xFFFF} {
		d := with(t, vitals).NewDecoder()
		one, other := appendMessage(nil, "hr=72", start), appendMessage(nil, "hr=99", ^start)
		obs := drivertest.Decode(d, slices.Concat(one, other, other, one, other))
		if s := d.Stats(); s.Frames != 2 || s.BadSums != 3 || len(obs) != 3 {
			t.Errorf("start %04X: %+v, %d observations", start, s, len(obs))
		}
		// Another monitor was plugged in.
		if obs = drivertest.Decode(d, slices.Concat(other, other, other)); len(obs) != 2 || obs[0].Value != protocol.Int(99) {
			t.Errorf("start %04X: %+v", start, obs)
		}
	}
	d := with(t, vitals).NewDecoder()
	if obs := drivertest.Decode(d, []byte("DIAP000<hr=72>1234\nDIAP000<hr=72>xyzw\n")); len(obs) != 0 || d.Stats().BadSums != 1 {
		t.Errorf("%+v %+v", obs, d.Stats())
	}
}

func TestSettingsSayWhatAnAnswerMeans(t *testing.T) {
	for _, c := range []struct {
		name, settings string
		answers, want  []string
	}{
		{"pairs", vitals, []string{"hr=72;rr=14", "HR = 73; more=5", "rr=--;hr=0", "connect"}, []string{"HR good 72", "RR good 14", "HR good 73", "HR missing ", "RR missing "}},
		{"a regular expression", vitals, []string{"spo2=97;pr=71", "spo2=---;pr=71", "xspo2=97;pr=71"}, []string{"SpO2 good 97", "PR good 71", "SpO2 missing ", "PR good 71"}},
		{"the cuff once, the first of unknown age", vitals, []string{"nibps=121;nibpd=78;nibpm=92", "nibps=121;nibpd=78;nibpm=92", "nibps=121;nibpd=80;nibpm=93"},
			[]string{"NIBP sys unknown 121", "NIBP dia unknown 78", "NIBP mean unknown 92", "NIBP sys good 121", "NIBP dia good 80", "NIBP mean good 93"}},
		{"columns, scale, unit, channel, limits", `
missing: ["-1"]
commands:
  - ask: vitals
    separator: ","
    prefix: "V,"
    columns: 4
    values:
      - {column: 1, code: MDC_TEMP_BODY, unit: "[degF]", scale: 0.1}
      - {column: 2, code: MDC_PULS_OXIM_SAT_O2, channel: left, min: 1, max: 100}
      - {column: 3, code: MDC_ECG_HEART_RATE, zero: value}
`, []string{"V,986,97,0,x", "V,986,101,-1,x", "V,986,97,0", "986,97,0,x", "V,9x6,97,0,x"}, []string{"T body good 37.00", "SpO2/left good 97", "HR good 0", "T body good 37.00", "SpO2/left invalid 101", "HR missing "}},
		{"marks", `
commands:
  - ask: a
    values: [{key: a, code: MDC_PULS_OXIM_SAT_O2}, {key: b, code: MDC_TEMP}]
    quality: [{key: q, marks: {"0": good, "1": questionable, OFF: sensor-off}, codes: [MDC_PULS_OXIM_SAT_O2]}]
`, []string{"a=97;b=36.8;q=0", "a=97;b=36.8;q=1", "a=97;b=36.8;q=off", "a=97;b=36.8;q=7"}, []string{"SpO2 good 97", "Temp good 36.8", "SpO2 questionable 97", "Temp good 36.8",
			"start sensor off", "SpO2 sensor-off ", "Temp good 36.8", "end sensor off", "SpO2 unknown 97", "Temp good 36.8"}},
		{"what could be two answers is none", `
commands:
  - {ask: a, match: '(\d+)', values: [{column: 1, code: MDC_ECG_HEART_RATE}]}
  - {ask: b, match: '(\d\d)', values: [{column: 1, code: MDC_RESP_RATE}]}
`, []string{"72", "140"}, []string{"HR good 140"}},
		{"an error in a part of an answer", vitals, []string{"hr=72;%NO RR"}, []string{"once the monitor answers: %NO RR", "HR good 72"}},
		{"errors are told once", vitals, []string{"ERR:BAD MSG HEADER", "%NOT CONNECTED", "%NOT CONNECTED", "ERR:{name}"},
			[]string{"once the monitor answers: ERR:BAD MSG HEADER", "once the monitor answers: %NOT CONNECTED", "once the monitor answers: an error"}},
	} {
		if got := told(with(t, c.settings), c.answers...); !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	one := func(s string) string { return "commands: [{ask: x, values: [{column: 1, code: MDC_TEMP}]" + s + "}]" }
	for settings, want := range map[string]string{
		"colour: red":                                      "colour",
		"every: 10ms":                                      "every 10ms: want 1s to 5m",
		"silence: 5s":                                      "silence 5s: want 25s to 1h",
		"commands: [{ask: x}]":                             "values: want at least one",
		one(", separator: '::'"):                           "separator \"::\"",
		one(", columns: 100"):                              "columns 100",
		one(", match: '('"):                                "match \"(\"",
		one(", match: 'x'"):                                "match has 0 groups",
		one(", quality: [{column: 1}]"):                    "quality[0]: marks",
		one(", quality: [{key: q, marks: {x: good}}]"):     "either columns or keys",
		"commands: [{ask: x, values: [{code: MDC_TEMP}]}]": "want one of them",
		"commands: [{ask: x, values: [{key: a, code: MDC_NONSENSE}]}]":                                                   "code \"MDC_NONSENSE\"",
		"commands: [{ask: x, values: [{key: a, code: MDC_ECG_ELEC_POTL_II}]}]":                                           "DIAP has nothing else",
		"commands: [{ask: x, values: [{key: a, code: MDC_TEMP, unit: mmol/L}]}]":                                         "cannot be converted",
		"commands: [{ask: x, values: [{key: a, code: MDC_TEMP, scale: 0}]}]":                                             "scale 0",
		"commands: [{ask: x, values: [{key: a, code: MDC_TEMP, zero: maybe}]}]":                                          "zero \"maybe\"",
		"commands: [{ask: x, values: [{key: a, code: MDC_TEMP}, {key: b, code: MDC_TEMP}]}]":                             "a channel for each",
		"commands: [{ask: x, values: [{key: a, code: MDC_TEMP}]}, {ask: y, values: [{key: a, code: MDC_RESP_RATE}]}]":    "another value of that name",
		"commands: [{ask: x, values: [{column: 1, code: MDC_TEMP}]}, {ask: y, values: [{key: a, code: MDC_RESP_RATE}]}]": "do not tell whose answer it is",
		"commands: [{ask: x, match: '(?P<a>x)', values: [{key: b, code: MDC_TEMP}]}]":                                    "match has no group",
		"commands: [{ask: x, values: [{key: a, code: MDC_TEMP, channel: \"a\\nb\"}]}]":                                   "without control characters",
		"commands: [{ask: x, columns: 1, values: [{column: 2, code: MDC_TEMP}]}]":                                        "there are 1 columns",
	} {
		if _, err := Driver.Configure([]byte(settings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", settings, err, want)
		}
	}
}

func TestOnlyCommandsThatReadAreTaken(t *testing.T) {
	for _, ask := range []string{"connect", "hr", "HR;SpO2", "t1;p1;anesetpercent", "vitals", "nibps", "etco2", "hr2"} {
		if err := harmless(ask); err != nil {
			t.Errorf("%q: %v", ask, err)
		}
	}
	for _, ask := range []string{"", ";", "hr;", "hr spo2", "hr=1", "hr,1", "hr>", "<hr", "hr\n", "hr\x00", "1hr", "ähr", strings.Repeat("a", 25), strings.Repeat("hr;", 90) + "hr",
		"startnibp", "NIBPSTART", "nibpstat", "stopnibp", "zeroibp1", "calco2", "sethr", "hrset", "AlarmSilence", "almlimits", "silence", "mute", "pausealarms", "reset", "standby",
		"admit", "dischargepatient", "poweroff", "disconnect", "nibpon", "inflate", "deflate", "clear", "print", "setdate", "clock", "enable", "hr;reset", "t1set", "keypress"} {
		if err := harmless(ask); err == nil {
			t.Errorf("%q was taken", ask)
		}
		_, err := Driver.Configure(fmt.Appendf(nil, "commands: [{ask: %q, values: [{key: a, code: MDC_TEMP}]}]", ask))
		if err == nil || !strings.Contains(err.Error(), "ask") && !strings.Contains(err.Error(), "invalid") {
			t.Errorf("%q in settings: %v", ask, err)
		}
	}
}

// conversation asks for an hour what is answered by answer, and gives what was
// asked, in order.
func conversation(d *decoder, answer func(request string) string) (asked []string) {
	for now := time.Duration(0); now < time.Hour; {
		b, wait := d.Ask(nil, now)
		if len(b) == 0 {
			now += wait
			continue
		}
		asked = append(asked, string(b))
		if reply := answer(string(b)); reply != "" {
			d.Decode([]byte(reply), func(protocol.Observation) {})
			now += 100 * time.Millisecond
		} else {
			now += wait
		}
	}
	return asked
}

func TestOnlyConnectAndTheCommandsOfTheSettingsAreSent(t *testing.T) {
	for name, c := range map[string]struct {
		settings string
		allowed  []string // with both starts of the check
	}{
		"without settings": {"", []string{"DIAP000<connect>6B37\n", "DIAP000<connect>3B61\n"}},
		"with settings": {"commands: [{ask: hr;rr, values: [{key: hr, code: MDC_ECG_HEART_RATE}]}, {ask: t1, values: [{key: t1, code: MDC_TEMP}]}]", []string{
			"DIAP000<connect>6B37\n", "DIAP000<connect>3B61\n", "DIAP000<hr;rr>6EB9\n", "DIAP000<hr;rr>382C\n", "DIAP000<t1>9881\n", "DIAP000<t1>68AA\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			var allowed [][]byte
			for _, a := range c.allowed {
				allowed = append(allowed, []byte(a))
			}
			requests := drivertest.Writes(t, with(t, c.settings), drivertest.Only(allowed...), func(r *rand.Rand) []byte { // the check is right
				texts := []string{connect, "reset", "hr=72;rr=14", "t1=36.8", "ERR:BAD MSG HEADER", "%NOT CONNECTED", "hr=72>DIAP000<reset"}
				return appendMessage(nil, texts[r.IntN(len(texts))], []uint16{0, 0xFFFF}[r.IntN(2)])
			})
			if len(requests) < 700 || !strings.Contains(string(requests[0]), connect) {
				t.Errorf("%d questions in an hour, the first %q", len(requests), requests[0])
			}
		})
	}
}

func TestTheOtherStartIsTriedUntilOneIsLearnt(t *testing.T) {
	s, _ := parse([]byte(vitals))
	p, _ := compile(s)
	sim := &playing{Device: Device{Start: 0xFFFF}, patient: drivertest.NewPatient()}
	asked := conversation(p.newDecoder(), func(r string) string { return string(sim.heard(nil, []byte(r), time.Now())) })
	want := []string{"DIAP000<connect>6B37\n", "DIAP000<connect>3B61\n", string(appendMessage(nil, "hr;rr", 0xFFFF))}
	if !slices.Equal(asked[:3], want) {
		t.Errorf("asked %q, want %q", asked[:3], want)
	}
	// One that is silent at a wrong check, also after another was there.
	d := p.newDecoder()
	d.Decode(appendMessage(nil, connect, 0), func(protocol.Observation) {})
	asked = conversation(d, func(r string) string {
		if !strings.HasSuffix(r, "<connect>3B61\n") {
			return ""
		}
		return string(appendMessage(nil, connect, 0xFFFF))
	})
	if !slices.Equal(asked[:2], want[:2]) {
		t.Errorf("asked %q, want %q", asked[:2], want[:2])
	}
}

func TestAMonitorThatWasSwitchedOffIsConnectedAgain(t *testing.T) {
	s, _ := parse([]byte(vitals))
	p, _ := compile(s)
	sim := &playing{patient: drivertest.NewPatient()}
	n, connects := 0, 0
	conversation(p.newDecoder(), func(r string) string {
		if strings.Contains(r, connect) {
			connects++
		}
		if n++; n == 50 {
			sim.connected = false // it refuses everything now
		}
		return string(sim.heard(nil, []byte(r), time.Now()))
	})
	if connects != 2 {
		t.Errorf("connected %d times, want 2", connects)
	}
}

func TestACommandThatIsNotAnsweredDoesNotStopTheOthers(t *testing.T) {
	s, _ := parse([]byte(vitals))
	p, _ := compile(s)
	sim := &playing{patient: drivertest.NewPatient()}
	asked := conversation(p.newDecoder(), func(r string) string {
		if strings.Contains(r, "hr;rr") {
			return ""
		}
		return string(sim.heard(nil, []byte(r), time.Now()))
	})
	count := func(text string) int { return strings.Count(strings.Join(asked, ""), "<"+text+">") }
	if count(connect) != 1 || count("t1") < 300 || count("hr;rr") < 300 {
		t.Errorf("connect %d, t1 %d, hr;rr %d times", count(connect), count("t1"), count("hr;rr"))
	}
}

func TestAnAnswerThatTheSettingsDoNotFitIsTold(t *testing.T) {
	d := with(t, "commands: [{ask: hr, values: [{key: heart, code: MDC_ECG_HEART_RATE}]}]")
	var events []string
	synctest.Test(t, func(t *testing.T) {
		host, far := drivertest.NewWire()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- d.Simulate(ctx, far, drivertest.NewPatient()) }()
		go func() {
			done <- d.Run(ctx, host, func(o protocol.Observation) {
				if o.Event != nil {
					events = append(events, o.Event.Text)
				}
			})
		}()
		time.Sleep(time.Minute)
		stop()
		<-done
		<-done
		far.Close()
	})
	if !slices.Equal(events, []string{"an answer does not have the form that the settings give it"}) {
		t.Errorf("told %q", events)
	}
}

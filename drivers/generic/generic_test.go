package generic

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "Pairs.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 3500 * time.Millisecond, What: "97 %, 72/min"},
		drivertest.Act{For: 3 * time.Second, What: "sensors off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 3 * time.Second, What: "sensors on, 88 %", Do: func(p *drivertest.Patient) { p.AllOff(false); p.Set(protocol.SpO2, 88) }})
	drivertest.Run(t, Driver, drivertest.Options{
		Unchecked: []string{"*"}, // text without a checksum
		Joined:    []string{"*"}, // junk soils the rest of its line
		JunkEnd:   "\r\n",
	})
}

func TestNothingIsSent(t *testing.T) { drivertest.Writes(t, Driver, drivertest.Only()) }

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

// with gives the driver with settings.
func with(t testing.TB, settings string) drivers.Driver {
	t.Helper()
	d, err := Driver.Configure([]byte(settings))
	if err != nil {
		t.Fatalf("%s\n%v", settings, err)
	}
	return d
}

// told is what lines say, in short, after a first line that does not count.
func told(d drivers.Driver, lines string) (all []string) {
	for _, o := range drivertest.Decode(d.NewDecoder(), []byte("\n"+lines)) {
		if err := drivertest.Check(o); err != nil {
			all = append(all, err.Error())
		}
		term, _ := protocol.Lookup(o.Code)
		name := term.Label
		if o.Channel != "" {
			name += "/" + o.Channel
		}
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(name, " ", o.Event.Phase))
		case o.Samples != nil:
			all = append(all, fmt.Sprint(name, " ", o.Quality, " ", o.Samples.Scale, " ", o.Samples.Raw, " ", o.Delay))
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(name, " ", o.Quality, " ", o.Value, o.Text))
		}
	}
	return all
}

func TestUsualNamesNeedNoSettings(t *testing.T) {
	for lines, want := range map[string][]string{
		"HR=72,SPO2=97,T=36.8\r\n":                         {"HR good 72", "SpO2 good 97", "Temp good 36.8"},
		"HR:72 SpO2:97\n":                                  {"HR good 72", "SpO2 good 97"},
		"HR: 72, SpO2: 97%\n":                              {"HR good 72", "SpO2 good 97"},
		"pulse=72&rr=0\n":                                  {"PR good 72", "RR missing "},
		"hr=--&spo2=NaN;temp=-\n":                          {"HR missing ", "SpO2 missing ", "Temp missing "},
		"HR= SPO2=97\n":                                    {"HR missing ", "SpO2 good 97"},
		`{"hr":72,"spo2":97,"ts":1773477015}` + "\n":       {"HR good 72", "SpO2 good 97"},
		`{"hr":null,"spo2":"97","stage":"REM"}` + "\n":     {"HR missing ", "SpO2 good 97", "Sleep good rem"},
		"spo2 97\n":                                        {"SpO2 good 97"},
		"hr,spo2,t\n72,97,36.8\n71,96\n":                   {"HR good 72", "SpO2 good 97", "Temp good 36.8"},
		"t;spo2\n36,8;97\n":                                {"SpO2 good 97", "Temp good 36.8"},
		"$HR=72,SPO2=97*23\n":                              nil,
		"glucose=104\nglucose=5\n":                         {"Glucose good 104", "Glucose invalid 5"},
		"72,97,16,36.8\n":                                  nil, // whose are they?
		"hello world\n":                                    nil,
		"HR=72,SPO2=9x\n":                                  nil, // damaged: nothing is believed
		"HR=7\x002,SPO2=97\nHR=71\n":                       {"HR good 71"},
		"HR=72,SPO2=97" + strings.Repeat(" ", 1100) + "\n": nil,
		"stage=dancing\n":                                  {"Sleep unknown "},
	} {
		if got := told(Driver, lines); !slices.Equal(got, want) {
			t.Errorf("%q\n got %q\nwant %q", lines, got, want)
		}
	}
}

func TestTheFirstLineIsNotBelieved(t *testing.T) {
	if obs := drivertest.Decode(Driver.NewDecoder(), []byte("SPO2=9\nSPO2=97\n")); len(obs) != 2 || obs[1].Value != protocol.Int(97) {
		t.Errorf("got %+v", obs)
	}
}

const vitals = `
values:
  - {column: 2, code: MDC_ECG_HEART_RATE}
  - {column: 3, code: MDC_PULS_OXIM_SAT_O2}
  - {column: 4, code: MDC_RESP_RATE}
  - {column: 5, code: MDC_TEMP_BODY}
checksum: xor
prefix: VIT,
`

// The sheet's line. The prefix is looked for inside the frame.
func TestWorkedLineWithAChecksum(t *testing.T) {
	d := with(t, strings.ReplaceAll(vitals, "prefix: VIT,", "columns: 5"))
	want := []string{"HR good 72", "SpO2 good 97", "RR good 16", "T body good 36.8"}
	if got := told(d, "$VIT,72,97,16,36.8*54\r\n"); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if !d.Checked {
		t.Error("its frames are checked")
	}
	for _, bad := range []string{"$VIT,73,97,16,36.8*54\r\n", "VIT,72,97,16,36.8\r\n", "$VIT,72,97,16,36.8*5G\r\n"} {
		dec := d.NewDecoder()
		if obs := drivertest.Decode(dec, []byte("\n"+bad)); len(obs) != 0 || dec.Stats().BadSums != 1 {
			t.Errorf("%q: %+v %+v", bad, obs, dec.Stats())
		}
	}
}

func TestSettingsSayWhatALineMeans(t *testing.T) {
	for _, c := range []struct {
		name, settings, lines string
		want                  []string
	}{
		{"units are converted, scales exact", `
prefix: "D,"
values:
  - {column: 1, code: MDC_TEMP_BODY, unit: "[degF]", scale: 0.1}
  - {column: 2, code: MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD, unit: mmol/L}
  - {column: 3, code: MDC_PRESS_BLD_ART_ABP_MEAN, scale: 0.5, offset: -10.25}
`, "D,986,5.6,200\nX,986,5.6,200\n", []string{"T body good 37.00", "Glucose good 101", "ABP mean good 89.75"}},
		{"two sites of one sign", `
values:
  - {key: l, code: MDC_PULS_OXIM_SAT_O2, channel: left}
  - {key: r, code: MDC_PULS_OXIM_SAT_O2, channel: right}
`, "L=97 R=91\n", []string{"SpO2/left good 97", "SpO2/right good 91"}},
		{"marks", `
values:
  - {column: 1, code: MDC_PULS_OXIM_SAT_O2}
  - {column: 2, code: MDC_TEMP_BODY}
quality:
  - {column: 3, marks: {"0": good, "1": questionable, "OFF": sensor-off}, codes: [MDC_PULS_OXIM_SAT_O2]}
`, "97,36.8,0\n97,36.8,1\n97,36.8,off\n97,36.8,7\n", []string{"SpO2 good 97", "T body good 36.8", "SpO2 questionable 97", "T body good 36.8",
			"Sensor off start", "SpO2 sensor-off ", "T body good 36.8", "Sensor off end", "SpO2 unknown 97", "T body good 36.8"}},
		{"a regular expression", `
match: '^P(?P<pulse>\d{3})S(?P<sat>\d{3}|---)(?P<flag>\*?)$'
values:
  - {key: pulse, code: MDC_PULS_OXIM_PULS_RATE}
  - {key: SAT, code: MDC_PULS_OXIM_SAT_O2}
quality:
  - {key: flag, marks: {"": good, "*": questionable}}
`, "P072S097\nP072S---*\nP072S97\nxP072S097\n", []string{"PR good 72", "SpO2 good 97", "PR questionable 72", "SpO2 missing "}},
		{"own words", `
values:
  - {column: 1, code: MONITORME_SLEEP_STATUS, words: {W: awake, N3: deep}}
`, "w\nN3\nN9\n", []string{"Sleep good awake", "Sleep good deep", "Sleep unknown "}},
		{"own marks of no value, and a zero that counts", `
missing: ["-1", "err"]
values:
  - {column: 1, code: MDC_ECG_HEART_RATE, zero: value}
  - {column: 2, code: MDC_TEMP_BODY, min: 20, max: 45}
`, "0 36.8\n-1 ERR\n80   90\n", []string{"HR good 0", "T body good 36.8", "HR missing ", "T body missing ", "HR good 80", "T body invalid 90"}},
		{"inside an object", `
values:
  - {key: patient.vitals.hr, code: MDC_ECG_HEART_RATE}
`, `{"patient":{"vitals":{"hr":7.2e1},"x":[1]}}` + "\n", []string{"HR good 72"}},
		{"a wave, and numbers once a second", `
rate: 4
delay: 1s
values:
  - {column: 1, code: MDC_ECG_ELEC_POTL_II, scale: 0.01, places: 1}
  - {column: 2, code: MDC_ECG_HEART_RATE}
`, "5.1,72\n6,72\n-,72\n7,73\n", []string{"HR good 72", "II good 0.001 [51 60] 1.25s", "II good 0.001 [-2147483648 70] 1.25s", "HR good 73"}},
		{"a code that nobody knows", `
values:
  - {column: 1, code: "123456", unit: "mL"}
`, "5\n", []string{"?123456 good 5"}},
		{"a line that is cut means nothing", `
columns: 2
values:
  - {column: 1, code: MDC_TEMP_BODY}
`, "36\n36.8,1\n", []string{"T body good 36.8"}},
		{"a beat sensor", `
match: 'B(\d+)'
values:
  - {column: 1, code: MDC_PULS_OXIM_PULS_RATE, min: 30, max: 240}
`, "S512\nB72\nQ834\nB12\n", []string{"PR good 72", "PR invalid 12"}},
	} {
		if got := told(with(t, c.settings), c.lines); !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestTheDevicesClock(t *testing.T) {
	want := time.Date(2026, 3, 14, 8, 30, 15, 250_000_000, time.UTC)
	for format, text := range map[string]string{"unix": "1773477015.25", "unix-ms": "1773477015250", "rfc3339": "2026-03-14T09:30:15.25+01:00", "2006-01-02 15:04:05": "2026-03-14 08:30:15.25", "15:04": "never"} {
		d := with(t, fmt.Sprintf("separator: ';'\ntime: {column: 1, format: '%s'}\nvalues: [{column: 2, code: MDC_TEMP_BODY}]", format))
		obs := drivertest.Decode(d.NewDecoder(), []byte("\n"+text+";36.8\n"))
		if len(obs) != 2 || !obs[1].DeviceTime.Equal(want) && text != "never" || text == "never" && !obs[1].DeviceTime.IsZero() {
			t.Errorf("%s: %+v", format, obs)
		}
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	values := "values: [{column: 1, code: MDC_TEMP_BODY}]\n"
	for settings, want := range map[string]string{
		"model: x":                        "values: want at least one",
		"values: [{code: MDC_TEMP_BODY}]": "column 0, key \"\"",
		"values: [{column: 1, key: x, code: MDC_TEMP_BODY}]":                       "want one of them",
		"values: [{column: 1, code: MDC_NONSENSE}]":                                "values[0]: code \"MDC_NONSENSE\"",
		"values: [{column: 1, code: MDC_TEMP_BODY, unit: mmol/L}]":                 "cannot be converted",
		"values: [{column: 1, code: MDC_TEMP_BODY, scale: 0}]":                     "scale 0",
		"values: [{column: 1, code: MDC_TEMP_BODY, scale: abc}]":                   "not a decimal",
		"values: [{column: 1, code: MDC_TEMP_BODY, zero: maybe}]":                  "zero \"maybe\"",
		"values: [{column: 1, code: MDC_ECG_ELEC_POTL_II}]":                        "is a wave: want rate",
		"values: [{column: 1, code: MONITORME_SLEEP_STATUS, words: {W: dancing}}]": "want one of awake",
		"values: [{column: 1, code: MDC_VENT_MODE}]":                               "words: want",
		"values: [{column: 1, code: MDC_EVT_ALARM}]":                               "want a number, a wave or an enumeration",
		"format: json\n" + values:                                                  "want format columns, or a match",
		"format: xml\n" + values:                                                   "format \"xml\"",
		"match: '('\n" + values:                                                    "match \"(\"",
		"match: 'x'\n" + values:                                                    "match has 0 groups",
		"match: '(?P<a>x)'\nvalues: [{key: b, code: MDC_TEMP_BODY}]":               "match has no group",
		"columns: 100\n" + values:                                                  "columns \"100\"",
		"columns: 1\nvalues: [{column: 2, code: MDC_TEMP_BODY}]":                   "there are 1 columns",
		"rate: 100000\n" + values:                                                  "rate \"100000\"",
		"silence: 1ms\n" + values:                                                  "silence \"1ms\"",
		"checksum: md5\n" + values:                                                 "checksum \"md5\"",
		"time: {column: 1}\n" + values:                                             "time: format",
		"quality: [{column: 1}]\n" + values:                                        "quality[0]: marks",
		"quality: [{column: 1, marks: {x: splendid}}]\n" + values:                  "splendid",
		"colour: red\n" + values:                                                   "colour",
		"values: [{column: 1, code: MDC_TEMP_BODY, channel: \"a\\nb\"}]":           "without control characters",
	} {
		if _, err := Driver.Configure([]byte(settings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", settings, err, want)
		}
	}
}

// FuzzSettings looks for settings and lines that break a decoder, or on which
// it says something else when they are cut differently.
func FuzzSettings(f *testing.F) {
	f.Add(vitals, "$VIT,72,97,16,36.8*54\r\n$VIT,72,97,16,36.8*54\r\n", 3)
	f.Add("rate: 4\nvalues: [{column: 1, code: MDC_ECG_ELEC_POTL_II, scale: 1e-18}]", "1\n2\n-\n4\n5\n", 1)
	f.Add("values: [{key: a, code: MDC_TEMP_BODY, scale: 1e18, offset: -9e-18}]\nquality: [{key: q, marks: {x: sensor-off}}]", "\na=36 q=x\na=1\n", 2)
	f.Fuzz(func(t *testing.T, settings, lines string, step int) {
		d, err := Driver.Configure([]byte(settings))
		if err != nil {
			return
		}
		want := told(d, lines)
		step = max(1, min(step, 64))
		var n int
		dec := d.NewDecoder()
		for rest := []byte("\n" + lines); len(rest) > 0; rest = rest[min(step, len(rest)):] {
			dec.Decode(rest[:min(step, len(rest))], func(o protocol.Observation) {
				if err := drivertest.Check(o); err != nil {
					t.Error(err)
				}
				if o.Code != protocol.IdentityModel {
					n++
				}
			})
		}
		if n != len(want) {
			t.Errorf("%d observations in pieces of %d, %d whole", n, step, len(want))
		}
	})
}

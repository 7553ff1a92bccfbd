package mindray

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

// HL7 has no checksum. The cuff is inflated every minute.
var options = drivertest.Options{
	Unchecked:  []string{"*"},
	Reconnects: true,
	Span:       80 * time.Second,
	Settle:     6 * time.Second,
	Expect:     expected(func(s scale) bool { return s == fixed || s == pressure || s == temperature || s == difference }),
}

// expected are the codes that come all the time or of the cuff.
func expected(known func(scale) bool) (all []protocol.Code) {
	for _, p := range parameters {
		if known(p.scale) && p.source != output {
			all = append(all, p.code)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var acts = []drivertest.Act{
	{For: 3510 * time.Millisecond, What: "at rest"},
	{For: time.Second, What: "leads and sensors off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
	{For: time.Second, What: "on again, heart rate 170", Do: func(p *drivertest.Patient) { p.AllOff(false); p.Set(protocol.HeartRate, 170) }},
}

func TestDriver(t *testing.T) {
	d := Driver
	d.Simulate = Device{CuffEvery: time.Minute}.Simulate
	drivertest.Record(t, "testdata/monitor.hex", "A monitor with every module. Patient data: of nobody.", d, drivertest.NewPatient(), acts...)
	drivertest.Run(t, d, options)
}

func TestMonitorsOfAllHabitsAreRead(t *testing.T) {
	all := options
	all.Expect = expected(func(scale) bool { return true })
	strange := all
	strange.Expect = slices.DeleteFunc(append(expected(func(s scale) bool { return s != oxygen && s != agents }), ours("CO2_ET_PERCENT"), ours("CO2_INSP_PERCENT")),
		func(c protocol.Code) bool { return c == mdc("AWAY_CO2_ET") || c == mdc("CONC_AWAY_CO2_INSP") })
	strange.Tolerance = map[protocol.Code]float64{}
	for _, p := range parameters {
		switch p.scale {
		case pressure:
			strange.Tolerance[p.code] = 0.5
		case temperature, difference:
			strange.Tolerance[p.code] = 0.05
		}
	}
	noCuff := options
	noCuff.Span, noCuff.Expect = time.Minute, []protocol.Code{protocol.HeartRate, protocol.SpO2, breathing, temp}
	for _, c := range []struct {
		name     string
		device   Device
		settings string
		opts     drivertest.Options
	}{
		{"units are set", Device{CuffEvery: time.Minute, Local: true}, "{st: mV, co2: mmHg, oxygen: percent, agents: percent}", all},
		{"other units", Device{CuffEvery: time.Minute, CRLF: true, Set: Settings{Pressure: "kPa", Temperature: "F", ST: "mm", CO2: "percent", Oxygen: "mmHg", Agents: "mmHg"}},
			"{pressure: kPa, temperature: F, st: mm, co2: percent, oxygen: mmHg, agents: mmHg}", strange},
		{"lists only", Device{NoAll: true}, "", noCuff},
		{"all only", Device{NoLists: true}, "", noCuff},
		{"validity when it changes", Device{OnChange: true}, "", noCuff},
		{"without validity", Device{NoValidity: true}, "validity: none", noCuff},
		{"asked for a few", Device{NoAll: true}, "parameters: [101, 151, 160, 200, 201]", noCuff},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := configure([]byte(c.settings))
			if err != nil {
				t.Fatal(err)
			}
			d.Simulate = c.device.Simulate
			drivertest.Play(t, d, c.opts)
		})
	}
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

// FuzzSegments is inside a message.
func FuzzSegments(f *testing.F) {
	f.Add(204, "OBX||NM|101^HR|2101|72||||||F", 205, "OBX||CE|2037^|101|3^||||||F")
	f.Add(503, "OBX||NM|170^Sys|2105|118||||||F||APERIODIC|20261120092755", 54, "OBX||CE|2|1|10076^**T1||||||F|||20261120092801|")
	f.Add(103, simPatient+"\r"+simVisit, 204, "OBX||NM|202^TD|2104|-0.2|F|||||F")
	f.Fuzz(func(t *testing.T, id1 int, one string, id2 int, two string) {
		wire := slices.Concat(message(id1, one), message(id2, two), message(id1, two), message(id2, one))
		for _, s := range []Settings{{Validity: required}, {Validity: none, Pressure: "kPa", Temperature: "F", ST: "mm", CO2: "percent", Oxygen: "kPa", Agents: "mmHg"}} {
			for _, o := range drivertest.Decode(newDecoder(s), wire) {
				if err := drivertest.Check(o); err != nil {
					t.Error(err)
				}
				if !slices.Contains(codes, o.Code) {
					t.Errorf("code %d is not in the list", o.Code)
				}
			}
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/monitor.hex"))
}

func message(id int, segments ...string) []byte {
	return hl7v2.AppendFrame(nil, fmt.Appendf(nil, "MSH|^~\\&|||||||ORU^R01|%d|P|2.3.1|\r%s\r", id, strings.Join(segments, "\r")))
}

func obx(id, module int, value string) string {
	return fmt.Sprintf("OBX||NM|%d^X|%d|%s||||||F", id, module, value)
}

func cuffOBX(id int, value, stamp string) string {
	return fmt.Sprintf("OBX||NM|%d^X|2105|%s||||||F||APERIODIC|%s", id, value, stamp)
}

func state(id, s int) string { return fmt.Sprintf("OBX||CE|2037^|%d|%d^||||||F", id, s) }

// said is what messages give, in short.
func said(t *testing.T, settings string, messages ...[]byte) (all []string) {
	t.Helper()
	d, err := configure([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	return short(t, drivertest.Decode(d.NewDecoder(), slices.Concat(messages...)))
}

func short(t *testing.T, obs []protocol.Observation) (all []string) {
	t.Helper()
	for _, o := range obs {
		if err := drivertest.Check(o); err != nil {
			t.Error(err)
		}
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Type, " ", o.Event.Priority, " ", o.Event.Text))
		case o.Kind == protocol.KindNumeric:
			all = append(all, strings.TrimSpace(fmt.Sprint(term.Label, " ", o.Channel, " ", o.Quality, " ", o.Value, " ", o.Unit)))
		}
	}
	return all
}

func same(t *testing.T, name string, got, want []string) {
	t.Helper()
	for i, w := range want {
		want[i] = strings.TrimSpace(w)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\n got %q\nwant %q", name, got, want)
	}
}

func TestWorkedMessages(t *testing.T) {
	obs := drivertest.Decode(Driver.NewDecoder(), drivertest.Load(t, "testdata/worked.hex"))
	same(t, "worked", short(t, obs), []string{
		"HR  good 72 /min", "ST I  missing  mV", "SpO2  good 98 %", "PR  good 60 /min", "PI  good 12.000 %",
		"ART sys  good 120 mm[Hg]", "ART mean  good 90 mm[Hg]", "ART dia  good 75 mm[Hg]", "PPV  good 7 %",
		"NIBP dia  missing  mm[Hg]", "NIBP sys  missing  mm[Hg]", "NIBP dia  good 80 mm[Hg]", "NIBP mean  good 93 mm[Hg]", "NIBP sys  good 118 mm[Hg]",
		"start physiological medium T1 Too Low", "start technical low SpO2 Sensor Off", "start technical low ECG Lead Off",
		"end physiological medium T1 Too Low", "end technical low SpO2 Sensor Off", "end technical low ECG Lead Off",
	})
	for _, o := range obs {
		if want := time.Date(2026, 11, 20, 9, 27, 55, 0, time.UTC); o.Code == protocol.NIBPMean && !o.DeviceTime.Equal(want) {
			t.Errorf("time of the cuff %v", o.DeviceTime)
		}
	}
	if want := drivertest.Hex(t, "0B 4D 53 48 7C 5E 7E 5C 26 7C 7C 7C 7C 7C 7C 7C 4F 52 55 5E 52 30 31 7C 31 30 36 7C 50 7C 32 2E 33 2E 31 7C 0D 1C 0D"); !bytes.Equal(echo, want) {
		t.Errorf("echo % X", echo)
	}
}

func TestANumberCountsOnlyIfItsValiditySaysSo(t *testing.T) {
	hr, hr2, resp, tick := message(204, obx(101, 2101, "72")), message(204, obx(101, 2101, "75")), message(204, obx(151, 2102, "14")), message(106)
	for _, c := range []struct {
		name     string
		settings string
		wire     [][]byte
		want     []string
	}{
		{"valid", "", [][]byte{hr, message(205, state(101, 3))}, []string{"HR  good 72 /min"}},
		{"not valid, though a number stands there", "", [][]byte{hr, message(205, state(101, 2))}, []string{"HR  missing  /min"}},
		{"a state that is not known", "", [][]byte{hr, message(205, state(101, 1))}, []string{"HR  unknown 72 /min"}},
		{"-100 is no number, even if it is valid", "", [][]byte{message(204, obx(101, 2101, "-100.00")), message(205, state(101, 3))}, []string{"HR  missing  /min"}},
		{"nothing before its validity", "", [][]byte{hr}, nil},
		{"one message may come between", "", [][]byte{hr, tick, message(205, state(101, 2))}, []string{"HR  missing  /min"}},
		{"never said", "", [][]byte{hr, tick, tick}, []string{"HR  unknown 72 /min"}},
		{"never said, and the site knows", "validity: none", [][]byte{hr}, []string{"HR  good 72 /min"}},
		{"said when it changes", "", [][]byte{hr, message(205, state(101, 3)), hr2, hr2}, []string{"HR  good 72 /min", "HR  good 75 /min"}},
		{"two numbers and then their validity", "", [][]byte{hr, resp, message(205, state(101, 2)), message(205, state(151, 3))},
			[]string{"HR  missing  /min", "RR imp  good 14 /min"}},
		{"an old validity does not make a number good", "", [][]byte{hr, message(205, state(101, 3)), hr2, message(205, state(101, 2))},
			[]string{"HR  good 72 /min", "HR  missing  /min"}},
		{"a validity without a number makes none", "", [][]byte{message(205, state(101, 3)), message(205, state(101, 3))}, nil},
		{"what is no longer valid is taken back", "", [][]byte{hr, message(205, state(101, 3)), message(205, state(101, 2)), message(205, state(101, 2))},
			[]string{"HR  good 72 /min", "HR  missing  /min"}},
		{"an old number is not made valid", "", [][]byte{hr, tick, tick, message(205, state(101, 3))}, []string{"HR  unknown 72 /min"}},
		{"of the other parameter", "", [][]byte{hr, message(205, state(151, 3)), tick, tick}, []string{"HR  unknown 72 /min"}},
	} {
		same(t, c.name, said(t, c.settings, c.wire...), c.want)
	}
}

func TestAResultOfTheCuffIsNewOnlyIfItDiffers(t *testing.T) {
	old, new1, new2 := cuffOBX(170, "118", "20261120080000"), cuffOBX(170, "131", "20261120092755"), cuffOBX(170, "131", "20261120093755")
	nothing := cuffOBX(170, "-100", noStamp)
	for _, c := range []struct {
		name string
		wire [][]byte
		want []string
	}{
		{"the first may be hours old", [][]byte{message(503, old)}, []string{"NIBP sys  unknown 118 mm[Hg]"}},
		{"the next is of now", [][]byte{message(503, old), message(503, old), message(503, new1), message(503, new1)},
			[]string{"NIBP sys  unknown 118 mm[Hg]", "NIBP sys  good 131 mm[Hg]"}},
		{"also if it is the same", [][]byte{message(503, nothing), message(503, new1), message(503, new2)},
			[]string{"NIBP sys  missing  mm[Hg]", "NIBP sys  good 131 mm[Hg]", "NIBP sys  good 131 mm[Hg]"}},
		{"the clock was set back", [][]byte{message(503, nothing), message(503, new1), message(503, old), message(503, new1)},
			[]string{"NIBP sys  missing  mm[Hg]", "NIBP sys  good 131 mm[Hg]", "NIBP sys  unknown 118 mm[Hg]", "NIBP sys  good 131 mm[Hg]"}},
		{"without a time", [][]byte{message(503, nothing), message(503, cuffOBX(170, "118", noStamp))}, []string{"NIBP sys  missing  mm[Hg]", "NIBP sys  unknown 118 mm[Hg]"}},
		{"in parts", [][]byte{message(503, nothing), message(503, new1), message(503, cuffOBX(171, "80", "20261120092755"))},
			[]string{"NIBP sys  missing  mm[Hg]", "NIBP sys  good 131 mm[Hg]", "NIBP dia  good 80 mm[Hg]"}},
		{"again and again among the numbers", [][]byte{message(204, obx(170, 2105, "118")), message(204, obx(170, 2105, "118")), message(204, obx(170, 2105, "121"))},
			[]string{"NIBP sys  unknown 118 mm[Hg]", "NIBP sys  good 121 mm[Hg]"}},
		{"the same again after none is perhaps the old one", [][]byte{message(204, obx(170, 2105, "118")), message(204, obx(170, 2105, "-100")), message(204, obx(170, 2105, "118"))},
			[]string{"NIBP sys  unknown 118 mm[Hg]", "NIBP sys  missing  mm[Hg]", "NIBP sys  unknown 118 mm[Hg]"}},
		{"a spot temperature", [][]byte{message(503, obx(200, 2104, "37.0")), message(204, strings.Replace(obx(200, 2104, "37.0"), "F", "F||APERIODIC|", 1)), message(205, state(200, 3))},
			[]string{"Temp T1 unknown 37.0 Cel"}},
		{"cardiac output", [][]byte{message(204, obx(210, 2108, "5.10"), obx(212, 2108, "2.60")), message(204, obx(210, 2108, "5.10"), obx(212, 2108, "2.60")), message(204, obx(210, 2108, "5.30"), obx(212, 2108, "2.60"))},
			[]string{"CO  unknown 5.10 L/min", "CI  unknown 2.60 L/min/m2", "CO  good 5.30 L/min", "CI  good 2.60 L/min/m2"}},
		{"taken back", [][]byte{message(503, nothing), message(503, new1), message(503, nothing), message(503, nothing)},
			[]string{"NIBP sys  missing  mm[Hg]", "NIBP sys  good 131 mm[Hg]", "NIBP sys  missing  mm[Hg]"}},
	} {
		same(t, c.name, said(t, "", c.wire...), c.want)
	}
}

func TestUnitsAreThoseThatAreKnown(t *testing.T) {
	number := func(id, module int, value string) []byte {
		return append(message(204, obx(id, module, value)), message(205, state(id, 3))...)
	}
	const advice = "once advisory low values are not shown because the monitor does not say their unit: set "
	const in = " in the settings of this device"
	fahrenheit := slices.Concat(message(204, obx(200, 2104, "98.2"), obx(202, 2104, "0.4")), message(205, state(200, 3), state(202, 3)))
	for _, c := range []struct {
		name     string
		settings string
		wire     []byte
		want     []string
	}{
		{"ST is not known", "", number(106, 2101, "0.12"), []string{advice + "st" + in, "ST II  unknown  mV"}},
		{"ST in mm", "st: mm", number(106, 2101, "1.20"), []string{"ST II  good 0.120 mV"}},
		{"ST in mV", "st: mV", number(106, 2101, "0.12"), []string{"ST II  good 0.12 mV"}},
		{"CO2 is not known", "", append(number(250, 2106, "38"), number(250, 2106, "38")...), []string{advice + "co2" + in, "etCO2  unknown  mm[Hg]", "etCO2  unknown  mm[Hg]"}},
		{"CO2 in kPa", "co2: kPa", number(250, 2106, "5.0"), []string{"etCO2  good 37.5 mm[Hg]"}},
		{"CO2 in percent", "co2: percent", append(number(250, 2106, "5.0"), number(251, 2106, "-100")...), []string{"etCO2 %  good 5.0 %", "FiCO2 %  missing  %"}},
		{"oxygen in mmHg is no concentration", "oxygen: mmHg", number(254, 2106, "160"), []string{"FiO2  invalid 160 mm[Hg]"}},
		{"oxygen", "oxygen: percent", number(254, 2106, "21"), []string{"FiO2  good 21 %"}},
		{"whole pressures are mmHg", "", number(500, 2116, "120"), []string{"ART sys  good 120 mm[Hg]"}},
		{"pressures that are not whole are not", "", number(500, 2116, "16.0"), []string{advice + "pressure" + in, "ART sys  unknown  mm[Hg]"}},
		{"unless it is known", "pressure: mmHg", number(500, 2116, "16.0"), []string{"ART sys  good 16.0 mm[Hg]"}},
		{"pressures in kPa", "pressure: kPa", number(500, 2116, "16.0"), []string{"ART sys  good 120.0 mm[Hg]"}},
		{"°F is noticed, also in the difference", "", fahrenheit, []string{advice + "temperature" + in, "Temp T1 unknown  Cel", "ΔT  unknown  Cel"}},
		{"°F", "temperature: F", fahrenheit, []string{"Temp T1 good 36.78 Cel", "ΔT  good 0.22 Cel"}},
		{"°C", "", number(201, 2104, "37.2"), []string{"Temp T2 good 37.2 Cel"}},
		{"a unit in the message", "", append(message(204, "OBX||NM|500^Sys|2116|16.0|kPa|||||F"), message(205, state(500, 3))...), []string{"ART sys  good 120.0 mm[Hg]"}},
		{"a strange unit in the message", "", append(message(204, "OBX||NM|500^Sys|2116|120|Torr|||||F"), message(205, state(500, 3))...), []string{advice + "pressure" + in, "ART sys  unknown  mm[Hg]"}},
	} {
		same(t, c.name, said(t, c.settings, c.wire), c.want)
	}
}

func TestDamagedNumbersAreNotRead(t *testing.T) {
	for _, s := range []string{
		"OBX||NM|101^A|B|2101|72||||||F", // a separator in a name
		"OBX||NM|101^HR||72||||||F", "OBX||ST|101^HR|2101|72||||||F", "OBX||NM|^HR|2101|72||||||F", "OBX||NM|7^X|2101|72||||||F", "OBX||NM|101^HR|2101|72", "NTE||NM|101^HR|2101|72||||||F",
	} {
		same(t, s, said(t, "validity: none", message(204, s)), nil)
	}
	same(t, "no result", said(t, "validity: none", message(204, "OBX||NM|101^HR|2101|72||||||X")), []string{"HR  missing  /min"})
	same(t, "no number", said(t, "validity: none", message(204, obx(101, 2101, "---"))), []string{"HR  missing  /min"})
}

func TestAlarmsAreWhatTheLastMessageHas(t *testing.T) {
	one, two, three := "OBX||CE|2|1|10001^**HR TOO HIGH||||||F|||20261120092801|", "OBX||CE|1|1|10044^***APNEA||||||F|||20261120092801|", "OBX||CE|3|1|10044^*||||||F|"
	flag := "OBX||CE|2040^||0^||||||F"
	same(t, "alarms", said(t, "",
		message(54, one, flag), message(54, one, one, flag), message(54, one, two), message(54, two), message(54, three), message(54)),
		[]string{"start physiological medium HR TOO HIGH", "start physiological high APNEA", "end physiological medium HR TOO HIGH",
			"start physiological low alarm 10044", "end physiological high APNEA", "end physiological low alarm 10044"})
	same(t, "the kinds are apart", said(t, "", message(54, one), message(56), message(54, one)), []string{"start physiological medium HR TOO HIGH"})
	same(t, "stars and level differ", said(t, "", message(54, "OBX||CE|1|1|1^*A||||||F|"), message(56, "OBX||CE|9||2^B||||||F|")),
		[]string{"start physiological high A", "start technical low B"})
	rises := strings.Replace(strings.Replace(one, "CE|2", "CE|1", 1), "**", "***", 1)
	same(t, "the same words, more urgent, and less", said(t, "", message(54, one), message(54, rises), message(54, one, rises), message(54, one), message(54)),
		[]string{"start physiological medium HR TOO HIGH", "continue physiological high HR TOO HIGH", "continue physiological medium HR TOO HIGH", "end physiological medium HR TOO HIGH"})
	twice := strings.Replace(one, "10001", "10002", 1)
	same(t, "two with the same words are one", said(t, "", message(54, one, twice), message(54, twice), message(54)),
		[]string{"start physiological medium HR TOO HIGH", "end physiological medium HR TOO HIGH"})
	var many []string
	for i := range maxAlarms + 10 {
		many = append(many, fmt.Sprintf("OBX||CE|2|1|%d^**A%d||||||F|", i+1, i+1))
	}
	if got := said(t, "", message(54, many...), message(54, many[10:]...), message(54, many[:2]...)); len(got) != 2*maxAlarms-2 {
		t.Errorf("%d events of %d alarms", len(got), len(many))
	}
}

func TestAnotherPatientTakesValuesBackAndNothingIsTold(t *testing.T) {
	pid := func(id, name string) []byte {
		return message(103, "PID|||"+id+"||"+name+"||19560312|M|", simVisit, simNumber)
	}
	values := slices.Concat(message(204, obx(101, 2101, "72")), message(205, state(101, 3)), message(503, cuffOBX(170, "-100", noStamp)), message(503, cuffOBX(170, "118", "20261120092755")))
	same(t, "another one", said(t, "", pid("a1", "ROE^RICHARD"), values, pid("a1", "ROE^RICHARD JUNIOR"), pid("b2", "DOE^JANE")),
		[]string{"HR  good 72 /min", "NIBP sys  missing  mm[Hg]", "NIBP sys  good 118 mm[Hg]", "once advisory low the patient was changed at the monitor", "HR  missing  /min", "NIBP sys  missing  mm[Hg]"})
	same(t, "what waited was of the one before", said(t, "", pid("a1", "ROE"), message(205, state(101, 3)), message(204, obx(101, 2101, "72")), pid("b2", "DOE"), message(106), message(106)),
		[]string{"once advisory low the patient was changed at the monitor"})
	same(t, "by name", said(t, "", pid("", "ROE"), pid("", "ROE"), pid("", "DOE"), pid("", "")),
		[]string{"once advisory low the patient was changed at the monitor", "once advisory low the patient was changed at the monitor"})
}

func TestValuesThatMayBeOfAnotherBedAreRefused(t *testing.T) {
	const crowd = "once technical medium this connection carries more than one bed, and its values are not read: connect to the monitor itself"
	hr := slices.Concat(message(204, obx(101, 2101, "72")), message(205, state(101, 3)))
	other := strings.Replace(simVisit, "3232237756", "3232237757", 1)
	same(t, "another address", said(t, "", message(103, simPatient, simVisit), hr, message(103, simPatient, simVisit), message(103, simPatient, other), hr),
		[]string{"HR  good 72 /min", crowd, "HR  missing  /min"})
	const alarm = "OBX||CE|2|1|10001^**HR TOO HIGH||||||F|"
	same(t, "alarms that nobody would end", said(t, "", message(103, simPatient, simVisit), message(54, alarm), message(103, simPatient, other), message(54)),
		[]string{"start physiological medium HR TOO HIGH", crowd, "end physiological medium HR TOO HIGH"})
	same(t, "a bed among the values", said(t, "", message(204, simVisit, obx(101, 2101, "72")), message(205, state(101, 3)), hr), []string{crowd})
	d := newDecoder(Settings{Validity: required})
	drivertest.Decode(d, slices.Concat(message(204, simVisit, obx(101, 2101, "72")), hr, message(106)))
	if s := d.Stats(); s.Frames != 1 || s.Skipped == 0 {
		t.Errorf("refused messages are no frames: %+v", s)
	}
}

func TestAMonitorThatNeverSaysValidityIsTold(t *testing.T) {
	var wire [][]byte
	for range 2 * manyDoubts {
		wire = append(wire, message(204, obx(101, 2101, "72")))
	}
	got := said(t, "", wire...)
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "HR") })
	same(t, "advice", got, []string{"once advisory low values are not shown because the monitor does not say whether they are valid: see validity in the settings of this device"})
}

func TestSettingsAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"pressure: mbar": `pressure "mbar": want mmHg, kPa`, "validity: maybe": `validity "maybe": want required, none`, "unit: x": "unknown field",
		"parameters: [101, 101]": "parameters: 101: want numbers from 1 to 99999, each once", "parameters: [0]": "parameters: 0", "parameters: [101, 'x']": "cannot unmarshal",
		"st: cm\nco2: '%'": "st \"cm\": want mV, mm\nco2 \"%\": want mmHg, kPa, percent",
	} {
		if _, err := configure([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

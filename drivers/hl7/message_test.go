package hl7

import (
	"strings"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// obx gives segments with numbers of the heart rate.
func obx(v string) string {
	return "OBR|1\rOBX|1|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.147842|" + v + "|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F\r"
}

// of gives a framed ORU^R01 with groups of results, each after its PID and PV1.
func of(groups ...string) string {
	return "\x0bMSH|^~\\&|MON||||||ORU^R01||P|2.6\r" + strings.Join(groups, "") + "\x1c\r"
}

func group(location, patient, v string) string {
	return "PID|||" + patient + "\rPV1||I|" + location + "\r" + obx(v)
}

// The frame of the sheet.
func TestWorkedFrame(t *testing.T) {
	wire := drivertest.Load(t, "testdata/worked.hex")
	obs := drivertest.Decode(Driver.NewDecoder(), wire)
	if len(obs) != 2 || obs[0].Text != "MON" || obs[1].Code != protocol.HeartRate || obs[1].Value != protocol.Int(72) || obs[1].Quality != protocol.QualityGood ||
		!obs[1].DeviceTime.Equal(time.Date(2026, 11, 20, 9, 28, 0, 0, time.UTC)) || obs[1].Delay != 0 || obs[1].Channel != "" {
		t.Errorf("got %+v", obs)
	}
}

func TestTheFirstBedBindsWhereSettingsNameNone(t *testing.T) {
	const start = "Other bed start medium technical: results of another bed or patient arrive here and are not taken: name the bed in settings.location, or set single_bed if there is only one"
	const changed = "Patient changed once low advisory: the monitor has been given another patient: check who is at this bed"
	expect(t, "another bed", told(Driver, of(group("W7^^B12", "1", "72")), of(group("W7^^B13", "2", "99")), of(group("W7^^B13", "1", "98")), of(group("W7^^B12", "1", "73"))),
		"HR good 72/min", start, "HR good 73/min")
	expect(t, "the bed's next patient", told(Driver, of(group("W7^^B12", "1", "72")), of(group("W7^^B12", "2", "73")), of(group("W7^^B12", "", "74")), of(group("W7^^B12", "2", "75"))),
		"HR good 72/min", changed, "HR good 73/min", "HR good 74/min", "HR good 75/min")
	cuff := "OBX|1|NM|150021^MDC_PRESS_BLD_NONINV_SYS^MDC||121|mmHg|||||R|||20261120092755\r"
	dated := func(patient, v string) string {
		return strings.Replace(of(group("W7^^B12", patient, v), cuff), "MON||||||ORU", "MON||||20261120092800||ORU", 1)
	}
	expect(t, "a result of the patient before", told(Driver, dated("1", "72"), dated("1", "73"), dated("2", "74"), dated("2", "75")),
		"HR good 72/min", "NIBP sys good 121mm[Hg]", "HR good 73/min", changed, "NIBP sys missing mm[Hg]", "HR good 74/min", "HR good 75/min")
	expect(t, "two beds in one message", told(Driver, of(group("W7^^B12", "1", "72"), group("W7^^B13", "2", "99"))), start, "HR good 72/min")
	expect(t, "no location, another patient", told(Driver, of("PID|||1\r"+obx("72")), of("PID|||2\r"+obx("99")), of("PID|||2\r"+obx("99")), of(obx("98")), of("PID|||1\r"+obx("73"))),
		"HR good 72/min", start, "HR good 73/min")
	expect(t, "the location comes later", told(Driver, of("PID|||1\r"+obx("72")), of(group("W7^^B12", "1", "73")), of(group("W7^^B13", "1", "99")), of(group("W7^^B12", "2", "74"))),
		"HR good 72/min", "HR good 73/min", start, changed, "HR good 74/min")
	expect(t, "a location is missing", told(Driver, of(group("W7^^B12", "1", "72")), of("PID|||1\r"+obx("99"))), "HR good 72/min", start)
	expect(t, "nobody is named", told(Driver, of(obx("72")), of(obx("73"))), "HR good 72/min", "HR good 73/min")
	expect(t, "nobody is named at first", told(Driver, of(obx("72")), of("PID|||1\r"+obx("73")), of("PID|||2\r"+obx("99"))), "HR good 72/min", "HR good 73/min", start)

	var back []string
	for range quietAfter {
		back = append(back, of(group("W7^^B12", "1", "72")))
	}
	got := told(Driver, append([]string{of(group("W7^^B12", "1", "72")), of(group("W7^^B13", "1", "99"))}, back...)...)
	if last := got[len(got)-2]; last != "Other bed end none technical: no results of another bed or patient arrive any more" {
		t.Errorf("%d messages after another bed: %q", quietAfter, got[len(got)-3:])
	}
}

// A gateway may leave out the PID, or write a place that cannot be read.
func TestBedsOfOneMessageStayApart(t *testing.T) {
	visit := func(location, v string) string { return "PV1||I|" + location + "\r" + obx(v) }
	const others = "Other bed once none advisory: results of other beds arrive here too and are not taken"
	for _, groups := range [][]string{{visit("W8", "99"), visit("W7", "72")}, {visit("W7", "72"), visit("W8", "99")}, {group("W8", "1", "99"), visit("W7", "72"), visit("W8", "98")}} {
		expect(t, strings.Join(groups, ""), told(with(t, "location: W7"), of(groups...)), others, "HR good 72/min")
	}
	const start = "Other bed start medium technical: results of another bed or patient arrive here and are not taken: name the bed in settings.location, or set single_bed if there is only one"
	expect(t, "the second is not of the first patient", told(Driver, of("PID|||1\r"+obx("72"), visit("W8", "99"))), start, "HR good 72/min")
	gb := func(location, v string) string {
		return strings.Replace(of(visit(location, v)), "|2.6\r", "|2.6||||||GB 18030-2000\r", 1)
	}
	expect(t, "places in Chinese", told(Driver, gb("\xd2\xbb\xb4\xb2", "72"), gb("\xb6\xfe\xb4\xb2", "99"), gb("\xd2\xbb\xb4\xb2", "73")), "HR good 72/min", start, "HR good 73/min")
	expect(t, "places in an unknown character set", told(Driver, of(visit("Z\xe4", "72")), of(visit("Z\xf6", "99"))), "HR good 72/min", start)
	expect(t, "patients in an unknown character set", told(Driver, of("PID|||Z\xe4\r"+obx("72")), of("PID|||Z\xf6\r"+obx("99"))), "HR good 72/min", start)
}

func TestSettingsNameTheBed(t *testing.T) {
	const others = "Other bed once none advisory: results of other beds arrive here too and are not taken"
	for _, c := range []struct{ location, taken, dropped string }{
		{"W7^^B12", "W7^^B12", "W7^^B13 W7^^B12^GENHOSP W7 B12 W7^1^B12 "},
		{"W7^*^B12", "W7^^B12 W7^R1^B12", "W8^^B12 W7^^B1"},
		{"W7^^B12^*", "W7^^B12 W7^^B12^GENHOSP W7^^B12^GENHOSP^^N", "W7^^B13^GENHOSP"},
		{"^^W7&12&*", "^^W7&12&3232237756&4601", "^^W7&13&1 ^^W7&1"},
		{"B12", "B12 B12^", "b12 W7^^B12 B123"},
		{" W7^ ^B12 ", "W7^^B12", ""},
	} {
		for want, locations := range map[string]string{"HR good 72/min": c.taken, others: c.dropped} {
			for _, l := range strings.Split(locations, " ") {
				if l != "" || want == others && strings.HasSuffix(locations, " ") {
					expect(t, c.location+" and "+l, told(with(t, "location: '"+c.location+"'"), of(group(l, "1", "72"))), want)
				}
			}
		}
	}
	expect(t, "a single bed", told(with(t, "single_bed: true"), of(group("W7^^B12", "1", "72")), of(group("W8", "1", "73")), of(obx("74"))),
		"HR good 72/min", "HR good 73/min", "HR good 74/min")
}

// A message of another bed is no sign that this one's monitor works.
func TestOtherBedsDoNotCountAsFrames(t *testing.T) {
	d := with(t, "location: W7").NewDecoder()
	other := strings.Replace(report("7", obx("99")), "W7", "W8", 1)
	drivertest.Decode(d, []byte(of(group("W8", "1", "72"))+of(group("W7", "1", "72"))+other+other+of("PID|||1\rPV1||I|W8\r")+strings.Replace(of("PV1||I|W8\r"), "ORU^R01", "ADT^A01", 1)))
	if s := d.Stats(); s.Frames != 1 || s.Skipped == 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestARepeatedMessageIsNoSecondReading(t *testing.T) {
	expect(t, "sent again", told(Driver, report("7", obx("72")), report("7", obx("72")), report("8", obx("72"))), "HR good 72/min", "HR good 72/min")
	expect(t, "without an id", told(Driver, report("", obx("72")), report("", obx("72"))), "HR good 72/min", "HR good 72/min")
	undated := strings.ReplaceAll(report("7", obx("72")), "20261120092800", "")
	expect(t, "without a time", told(Driver, undated, undated), "HR good 72/min", "HR good 72/min")
}

// at gives a report that was sent at a time.
func at(clock, segments string) string {
	return strings.Replace(report("", segments), "20261120092800", clock, 1)
}

func TestACuffThatIsRepeatedIsOneMeasurement(t *testing.T) {
	cuff := func(v, time, method string) string {
		return "OBX|1|NM|150021^MDC_PRESS_BLD_NONINV_SYS^MDC|1.5.1|" + v + "|266016^MDC_DIM_MMHG^MDC|||||R|||" + time + "|||" + method + "\r"
	}
	expect(t, "with its time", told(Driver, at("20261120092800", cuff("121", "20261120092755", "")), at("20261120092801", cuff("121", "20261120092755", "")),
		at("20261120094001", cuff("121", "20261120092755", "")), at("20261120094002", cuff("121", "20261120094002", "")), at("20261120094003", cuff("", "20261120094003", ""))),
		"NIBP sys good 121mm[Hg]", "NIBP sys good 121mm[Hg]", "NIBP sys missing mm[Hg]")
	expect(t, "without its time", told(Driver, at("20261120092800", cuff("121", "", "")), at("20261120092900", cuff("121", "", "")),
		at("20261120093200", cuff("122", "", "")), at("20261120094200", cuff("122", "", ""))),
		"NIBP sys unknown 121mm[Hg]", "NIBP sys good 122mm[Hg]", "NIBP sys unknown 122mm[Hg]")
	expect(t, "measured while nobody listened", told(Driver, at("20261120092800", cuff("121", "", "")), at("20261120092900", cuff("121", "", "")), at("20261120101000", cuff("131", "", "")),
		at("20261120101100", cuff("132", "", ""))), "NIBP sys unknown 121mm[Hg]", "NIBP sys unknown 131mm[Hg]", "NIBP sys good 132mm[Hg]")
	expect(t, "the same after none", told(Driver, at("20261120092800", cuff("", "", "")), at("20261120092801", cuff("121", "", "")), at("20261120092802", cuff("121", "", "")),
		at("20261120092803", cuff("", "", "")), at("20261120092804", cuff("121", "", ""))),
		"NIBP sys missing mm[Hg]", "NIBP sys good 121mm[Hg]", "NIBP sys missing mm[Hg]", "NIBP sys unknown 121mm[Hg]")
	expect(t, "spot checks", told(Driver, at("20261120092800", cuff("121", "", "")), at("20261120102800", cuff("121", "", "")), at("20261120112800", cuff("125", "", ""))),
		"NIBP sys unknown 121mm[Hg]", "NIBP sys good 121mm[Hg]", "NIBP sys good 125mm[Hg]")
	expect(t, "times that cannot be compared", told(Driver, at("20261120092800", cuff("121", "20261120082755+0000", "")), at("20261120092801", cuff("121", "20261120082755+0000", "")),
		at("20261120092802", cuff("121", "20261120092801+0000", ""))), "NIBP sys unknown 121mm[Hg]", "NIBP sys good 121mm[Hg]")
	temp := "OBX|1|NM|150344^MDC_TEMP^MDC||36.8|268192^MDC_DIM_DEGC^MDC|||||R|||20261120092755|||^APERIODIC\r"
	expect(t, "marked", told(Driver, at("20261120092800", temp), at("20261120092801", temp)), "Temp good 36.8Cel")
	obs := drivertest.Decode(Driver.NewDecoder(), []byte(at("20261120092800", cuff("121", "20261120091755", ""))))
	if o := obs[len(obs)-1]; o.Delay != 10*time.Minute+5*time.Second {
		t.Errorf("a cuff of ten minutes ago has delay %v", o.Delay)
	}
}

func TestTimesWithoutAZoneAreThoseOfTheSetting(t *testing.T) {
	last := func(d string, wire string) protocol.Observation {
		drv := Driver
		if d != "" {
			drv = with(t, d)
		}
		obs := drivertest.Decode(drv.NewDecoder(), []byte(wire))
		return obs[len(obs)-1]
	}
	slice := "OBR|1||||||20261120092700\rOBX|1|NM|147842^^MDC||72|/min|||||F\r"
	zoned := strings.Replace(slice, "92700", "92700+0100", 1)
	for _, c := range []struct {
		settings, wire string
		at             int // hour UTC
		delay          time.Duration
	}{
		{"", report("", slice), 9, time.Minute},
		{"time_zone: Europe/Berlin", report("", slice), 8, time.Minute},
		{"", report("", zoned), 8, 0},                                   // the clocks of one message cannot be compared
		{"time_zone: Europe/Berlin", report("", zoned), 8, time.Minute}, // but here
	} {
		if o := last(c.settings, c.wire); o.DeviceTime.Hour() != c.at || o.DeviceTime.Minute() != 27 || o.Delay != c.delay {
			t.Errorf("%q %q: %v, delay %v", c.settings, c.wire, o.DeviceTime, o.Delay)
		}
	}
}

func TestSeveralValuesOfOneCodeAreToldApart(t *testing.T) {
	row := func(place, v string) string {
		return "OBX|1|NM|150344^MDC_TEMP^MDC|" + place + "|" + v + "|268192^MDC_DIM_DEGC^MDC|||||F\r"
	}
	expect(t, "two at once", told(Driver, report("", row("1.3.1.150344", "36.8")+row("1.3.2.150344", "22.0"))), "Temp/1.3.1 good 36.8Cel", "Temp/1.3.2 good 22.0Cel")
	expect(t, "one", told(Driver, report("", row("1.3.1.150344", "36.8")), report("", row("1.3.1.150344", "36.9"))), "Temp good 36.8Cel", "Temp good 36.9Cel")
	expect(t, "another later", told(Driver, report("", row("1.3.1.1", "36.8")), report("", row("1.3.2.1", "22.0")), report("", row("1.3.1.1", "36.9"))),
		"Temp good 36.8Cel", "Temp/1.3.2.1 good 22.0Cel", "Temp/1.3.1.1 good 36.9Cel")
	expect(t, "a running number", told(Driver, report("", row("4", "36.8")), report("", row("5", "36.9"))), "Temp good 36.8Cel", "Temp good 36.9Cel")
	expect(t, "two names", told(Driver, report("", row("T1", "36.8")+row("T2", "22.0"))), "Temp/T1 good 36.8Cel", "Temp/T2 good 22.0Cel")
	expect(t, "a person's name", told(Driver, report("", row("Jane", "36.8")+row("T2", "22.0"))), "Temp good 36.8Cel", "Temp/T2 good 22.0Cel")
	expect(t, "two times", told(Driver, report("", row("1.3.1", "36.8")+"OBR|2\r"+row("1.3.1", "36.9"))), "Temp good 36.8Cel", "Temp good 36.9Cel")
}

func TestWaves(t *testing.T) {
	const lead = "NA|131330^MDC_ECG_ELEC_POTL_II^MDC|1.1.1.131330|"
	const mV = "|266418^MDC_DIM_MILLI_VOLT^MDC|||||R\r"
	facets := func(all ...string) string {
		var b strings.Builder
		for i, f := range all {
			code, v, _ := strings.Cut(f, "=")
			b.WriteString("OBX||NM|" + code + "^MDC|1.1.1.131330." + string(rune('1'+i)) + "|" + v + "||||||R\r")
		}
		return b.String()
	}
	const rate, res = "0^MDC_ATTR_SAMP_RATE=4", "2327^MDC_ATTR_NU_MSMT_RES=0.005"
	for segments, want := range map[string][]string{
		lead + "1^-2^32767^^4" + mV + facets(rate, res):                                                   {"II good 4 0.005mV [1 -2 -2147483648 -2147483648] 1.25s", "II good 4 0.005mV [4] 250ms"},
		lead + "1^-2^3" + mV + facets(rate, res, "262196^MDC_EVT_INOP=3") + obxTail:                       {"II good 4 0.005mV [1 -2 -2147483648] 750ms", "HR good 72/min"},
		lead + "1^2" + mV + facets(rate, res, "196660^MDC_EVT_INOP="):                                     {"II missing 4 0.005mV [-2147483648 -2147483648] 500ms"},
		lead + "0.5^-1.25" + mV + facets(rate, res):                                                       {"II good 4 0.00005mV [50 -125] 500ms"},
		lead + "1^2" + "|266419^MDC_DIM_MICRO_VOLT^MDC|||||R\r" + facets(rate, "2327^x=2.44"):             {"II good 4 0.00244mV [1 2] 500ms"},
		lead + "1^2" + "||||||X\r" + facets(rate, res):                                                    {"ECG raw/II missing 4 0.005" + "1 [-2147483648 -2147483648] 500ms"},
		lead + "1^2" + mV + facets(rate):                                                                  {"ECG raw/II good 4 11 [1 2] 500ms"},
		lead + "1^2" + mV:                                                                                 {"Not read once none advisory: code 131330 of system MDC is not read: a rate, or a unit that can be kept, is missing with its samples"},
		lead + mV + facets(rate, res):                                                                     nil,
		lead + "1^2" + mV + "OBX||NM|0^MDC_ATTR_SAMP_RATE^MDC|1.1.1.131329.1|4||||||R\r":                  {"Not read once none advisory: code 131330 of system MDC is not read: a rate, or a unit that can be kept, is missing with its samples"},
		"NA|150452^MDC_PULS_OXIM_PLETH^MDC||1^2^3||||||R\rOBX||NM|0^MDC_ATTR_SAMP_RATE^MDC||2.5||||||R\r": {"Pleth good 2.5 11 [1 2] 1.2s", "Pleth good 2.5 11 [3] 400ms"},
		"NA|151780^MDC_IMPED_TTHOR^MDC||1^2||||||R\rOBX||NM|0^MDC_ATTR_SAMP_RATE^MDC||2||||||R\r":         {"Breathing good 2 11 [1 2] 1s"},
		"NA|150036^MDC_PRESS_BLD_ART_ABP^MDC||1^2||||||R\rOBX||NM|0^MDC_ATTR_SAMP_RATE^MDC||2||||||R\r":   {"Not read once none advisory: code 150036 of system MDC is not read: a rate, or a unit that can be kept, is missing with its samples"},
		lead + strings.Repeat("^1", maxWave) + mV + facets(rate, res):                                     {"Not read once none advisory: code 131330 of system MDC is not read: its samples are too many or too fine"},
		lead + "1^2" + mV + facets("0^MDC_ATTR_SAMP_RATE=0.5", res):                                       {"Not read once none advisory: code 131330 of system MDC is not read: a rate, or a unit that can be kept, is missing with its samples"},
		lead + "9999999999^1^x^1.2345678" + mV + facets(rate, res):                                        {"Not read once none advisory: code 131330 of system MDC is not read: its samples are too many or too fine"},
		lead + "9999999999^1^x" + mV + facets(rate, res):                                                  {"II good 4 0.005mV [-2147483648 1 -2147483648] 750ms"},
		lead + "1^2" + mV + facets("0^MDC_ATTR_SAMP_RATE=1e99", res):                                      {"Not read once none advisory: code 131330 of system MDC is not read: a rate, or a unit that can be kept, is missing with its samples"},
	} {
		expect(t, segments, told(Driver, report("", "OBX|1|"+segments)), want...)
	}
}

const obxTail = "OBX|9|NM|147842^MDC_ECG_HEART_RATE^MDC||72|/min|||||F\r"

func TestAlarms(t *testing.T) {
	alarm := func(first string, facets ...string) string {
		b := "OBR|1|||196616^MDC_EVT_ALARM^MDC|||20261120092800\rOBX|1|" + first + "\r"
		for _, f := range facets {
			code, v, _ := strings.Cut(f, "=")
			b += "OBX||ST|" + code + "^x^MDC|1.1.1.150456.3|" + v + "||||||F\r"
		}
		return strings.Replace(report("", b), "R01^ORU_R01", "R40^ORU_R40", 1)
	}
	const low = "ST|196670^MDC_EVT_LO^MDC|1.1.1.150456.1|SpO2 low|||L~PM~SP|||F"
	const source = "150456=86"
	for wire, want := range map[string][]string{
		alarm(low, source, "68481=start", "68482=active", "68484=PH", "68485=SP"): {"Low start high physiological: SpO2 low"},
		alarm(low, source, "68481=continue"):                                      {"Low continue medium physiological: SpO2 low"},
		alarm(low, source, "68481=END", "68482=inactive"):                         {"Low end medium physiological: SpO2 low"},
		alarm(low, "68165=start", "68168=PL"):                                     {"Low start low physiological: SpO2 low"},
		alarm(low, "68482=active"):                                                {"Low continue medium physiological: SpO2 low"},
		alarm(low, "68482=inactive"):                                              {"Low end medium physiological: SpO2 low"},
		alarm(low):                                                                {"Low once medium physiological: SpO2 low"},
		alarm("CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|10016^LOW SPO2^99MNDRY|||A~PL~ST|||F", "68481=start"): {"Alarm/10016 start low technical: LOW SPO2"},
		alarm("CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|199680^APNEA^MDC|||SP|||F", "68481=start"):            {"Apnoea start medium physiological: APNEA"},
		alarm("ST|0^MDC_EVT_APNEA^MDC|1.1.1.1.1||||SP|||F", "68481=start"):                                  {"Apnoea start medium physiological: no breath"},
		alarm("ST|77^Low^99X|1.1.1.1.1|Low||||||F", "68481=start"):                                          {"Alarm/77 start low unknown: Low"},
		alarm("ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|Jane Doe low|||PM~SP|||F", "68481=start"):                 {"Low start medium physiological: value below its limit"},
		alarm("ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|low|||PH~SP~DEMO|||F", "68481=start"):                     {"Low start none physiological: low"},
		alarm("ST|196616^MDC_EVT_ALARM^MDC|0.0.0.0.1|watchdog|||PN~SA|||F", "68481=tpoint"):                 {"Alarm once none advisory: watchdog"},
		alarm("ST|196616^MDC_EVT_ALARM^MDC|0.0.0.0.1|hint|||PI~SP|||F", "68481=start"):                      {"Alarm start none advisory: hint"},
		alarm("ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|low|||PN~SP|||F", "68481=start"):                          {"Low start medium physiological: low"},
		alarm("ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1||||PM~SP|||F", "68481=end"):                               {"Low end medium physiological: "},
		alarm("|69965^MDC_DEV_MON^MDC|1.0.0.0||||||||X"):                                                    nil,
		alarm(low+"\rOBX|2|ST|199680^MDC_EVT_APNEA^MDC|1.2.1.1.1|Apnoea|||PH~SP", "68481=start"):            {"Low once medium physiological: SpO2 low", "Apnoea start high physiological: Apnoea"},
	} {
		expect(t, wire, told(Driver, wire), want...)
	}
	obs := drivertest.Decode(Driver.NewDecoder(), []byte(alarm(low, source, "68481=start")))
	if o := obs[len(obs)-1]; o.Event.Source != protocol.SpO2 || o.Channel != "" || o.DeviceTime.IsZero() {
		t.Errorf("got %+v %+v", o, o.Event)
	}
	// An end must not be older than what it ends.
	for phase, want := range map[string]time.Duration{"start": 8 * time.Minute, "continue": 0, "end": 0} {
		obs := drivertest.Decode(Driver.NewDecoder(), []byte(strings.Replace(alarm(low, source, "68481="+phase), "20261120092800\rOBX", "20261120092000\rOBX", 1)))
		if o := obs[len(obs)-1]; o.Delay != want {
			t.Errorf("%s: delay %v, want %v", phase, o.Delay, want)
		}
	}
	// A second probe in the meantime makes the place a channel, but not of this alarm.
	probe := func(place, v string) string {
		return report("", "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|"+place+".150456|"+v+"|262688^MDC_DIM_PERCENT^MDC|||||F\r")
	}
	expect(t, "ends where it began", told(Driver, probe("1.1.1", "86"), alarm(low, source, "68481=start"), probe("1.1.2", "97"), alarm(low, source, "68481=continue"), alarm(low, source, "68481=end"), alarm(low, source, "68481=start")),
		"SpO2 good 86%", "Low start medium physiological: SpO2 low", "SpO2/1.1.2 good 97%", "Low continue medium physiological: SpO2 low", "Low end medium physiological: SpO2 low", "Low/1.1.1 start medium physiological: SpO2 low")
	// An alarm does not make the number another series.
	expect(t, "a number beside an alarm", told(Driver, report("", obx("72")), strings.ReplaceAll(alarm(low, "147842=72"), "150456", "147842"), report("", obx("73"))),
		"HR good 72/min", "Low once medium physiological: SpO2 low", "HR good 73/min")
}

func TestAlarmsThatAreOffAtTheMonitorAreTold(t *testing.T) {
	off := strings.Replace(obx("72"), "MDC|||||F", "MDC||ALINH|||F", 1)
	expect(t, "alarm off", told(Driver, report("", obx("72")), report("", off), report("", off), report("", obx("72"))),
		"HR good 72/min", "Alarm off start none advisory: the monitor's own alarm is off", "HR good 72/min", "HR good 72/min",
		"Alarm off end none advisory: the monitor's own alarm is off", "HR good 72/min")
}

func TestTrainingIsNoPatient(t *testing.T) {
	expect(t, "MSH-11 T", told(Driver, strings.Replace(report("", obx("72")), "|P|", "|T|", 1)), "HR demo 72/min")
}

func TestInvalidMarksAreThoseOfTheSettings(t *testing.T) {
	d := with(t, "invalid: [-100, 32767]")
	expect(t, "-100", told(d, report("", obx("-100")+obx("-100.00")+obx("32767")+obx("72"))), "HR missing /min", "HR missing /min", "HR missing /min", "HR good 72/min")
}

func TestBelowZeroIsNoHeartRate(t *testing.T) {
	expect(t, "-999", told(Driver, report("", obx("-999")+obx("-99.9")+obx("72"))), "HR missing /min", "HR missing /min", "HR good 72/min")
}

func TestSettingsNameCodesAndUnits(t *testing.T) {
	d := with(t, `
codes:
  - {id: "120", system: 99MNDRY, code: MONITORME_BISPECTRAL_INDEX, unit: "1"}
  - {id: "T2", code: MDC_TEMP_SKIN, channel: foot, unit: "[degF]"}
units: {MDC_PRESS_BLD_NONINV_SYS: kPa}
`)
	expect(t, "codes", told(d, report("", "OBX||NM|120^BIS^99MNDRY||45||||||F\rOBX||NM|T2^x^L||98.6||||||F\rOBX||NM|120^x^99X||45||||||F\rOBX||NM|150021^^MDC||16.0||||||F\r")),
		"BIS good 451", "T skin/foot good 37.00Cel", "Not read once none advisory: code 120 of system 99X is not read: settings.codes can say what it is", "NIBP sys unknown 120.0mm[Hg]")
}

func TestBadSettingsAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"location: '^*'":                                            `location "^*": want PV1-3`,
		"location: W7\nsingle_bed: true":                            "either a location or single_bed",
		"time_zone: Mars/Base":                                      `time_zone "Mars/Base"`,
		"invalid: [none]":                                           `invalid "none": want numbers`,
		"units: {MDC_ECG_HEART_RATE: kPa}":                          `unit "kPa" of MDC_ECG_HEART_RATE`,
		"units: {MDC_NO: kPa}":                                      `code "MDC_NO"`,
		"codes: [{id: '', code: MDC_TEMP}]":                         `codes[0]: id ""`,
		"codes: [{id: a, code: nothing}]":                           `code "nothing"`,
		"codes: [{id: a, code: MDC_TEMP, unit: '%'}]":               `unit "%" of MDC_TEMP`,
		"codes: [{id: a, code: MDC_TEMP}, {id: a, code: MDC_TEMP}]": "there twice",
		"silence: 1ms":                                              `silence "1ms"`,
		"patient: 12345":                                            "patient",
		"silence: [1, 2]":                                           "silence",
	} {
		if _, err := Driver.Configure([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

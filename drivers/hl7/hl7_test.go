package hl7

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "IHE PCD-01 and PCD-04, every second.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 2500 * time.Millisecond, What: "72/min, 97 %"},
		drivertest.Act{For: 2 * time.Second, What: "SpO2 80 %", Do: func(p *drivertest.Patient) { p.Set(protocol.SpO2, 80) }},
		drivertest.Act{For: 2 * time.Second, What: "sensors off", Do: func(p *drivertest.Patient) { p.AllOff(true) }})
	drivertest.Run(t, Driver, options)
}

// options: text has no checksum, a message says what it measures and may have
// 1 MiB, and the simulated cuff inflates once a minute.
var options = drivertest.Options{Unchecked: []string{"*"}, AnyCode: true, MaxBuffer: 2*maxMessage + 64<<10, Span: 2 * time.Minute, Settle: 65 * time.Second}

func TestASenderOfEnhancedModeIsAnsweredToo(t *testing.T) {
	d := Driver
	d.Simulate = Device{Enhanced: true, NoWaves: true}.Simulate
	drivertest.Play(t, d, options)
}

func TestConfiguredDriverPassesTheKit(t *testing.T) {
	d := with(t, "location: 'SIM^^1'")
	drivertest.Play(t, d, options)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

// Without control ids the messages do not count as repeated.
func BenchmarkDecoder(b *testing.B) {
	wire := regexp.MustCompile(`\|\d+\|P\|2\.6`).ReplaceAll(drivertest.Load(b, "testdata/played.hex"), []byte("||P|2.6"))
	drivertest.Bench(b, Driver, wire)
}

func BenchmarkNumerics(b *testing.B) {
	drivertest.Bench(b, Driver, []byte(report("", strings.Repeat("OBR|1|||VITALS|||20261120092800\r"+
		"OBX|1|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.147842|72|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R|||20261120092800.000+0000\r"+
		"OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.2.1.150456|97|262688^MDC_DIM_PERCENT^MDC|||||R|||20261120092800.000+0000\r", 20))))
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

const doe = "PID|||12345^^^GENHOSP^MR||Doe^Jane^Q||19580412|F\r"

// report gives a framed ORU^R01 of the bed W7^^B12 with these segments. Its
// control id is empty, so that it is never a repeated one, unless id is set.
func report(id string, segments string) string {
	return "\x0bMSH|^~\\&|MON|ICU|AGT||20261120092800||ORU^R01^ORU_R01|" + id + "|P|2.6||||||UNICODE UTF-8\r" + doe + "PV1||I|W7^^B12\r" + segments + "\x1c\r"
}

// told is what messages say, in short.
func told(d drivers.Driver, wire ...string) []string {
	return tell(d.NewDecoder(), wire...)
}

func tell(dec drivers.Decoder, wire ...string) (all []string) {
	for _, o := range drivertest.Decode(dec, []byte(strings.Join(wire, ""))) {
		if err := drivertest.Check(o); err != nil {
			all = append(all, err.Error())
		}
		term, _ := protocol.Lookup(o.Code)
		name := term.Label
		if o.Channel != "" {
			name += "/" + o.Channel
		}
		switch {
		case o.Code == protocol.IdentityModel:
			continue
		case o.Event != nil:
			all = append(all, fmt.Sprint(name, " ", o.Event.Phase, " ", o.Event.Priority, " ", o.Event.Type, ": ", o.Event.Text))
		case o.Samples != nil:
			all = append(all, fmt.Sprint(name, " ", o.Quality, " ", o.Samples.RateHz(), " ", o.Samples.Scale, o.Unit, " ", o.Samples.Raw, " ", o.Delay))
		default:
			all = append(all, strings.TrimSpace(fmt.Sprint(name, " ", o.Quality, " ", o.Value, o.Unit, o.Text)))
		}
	}
	return all
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\n got %q\nwant %q", what, got, want)
	}
}

// What single OBX segments say. Of a cuff's first result nobody knows the age.
func TestResults(t *testing.T) {
	const hr, bp, bpm, mmHg = "147842^MDC_ECG_HEART_RATE^MDC", "150021^MDC_PRESS_BLD_NONINV_SYS^MDC", "264864^MDC_DIM_BEAT_PER_MIN^MDC", "266016^MDC_DIM_MMHG^MDC"
	for obx, want := range map[string]string{
		"NM|" + hr + "|1.1.1|72|" + bpm + "|||||F":                         "HR good 72/min",
		"NM|" + hr + "|1.1.1| 72 |" + bpm:                                  "HR good 72/min",
		"NM|0^MDC_ECG_HEART_RATE^MDC||72|" + bpm + "|||||R":                "HR good 72/min",
		"NM|MDC_ECG_HEART_RATE||72|/min|||||R":                             "HR good 72/min",
		"NM|147842^MDC_PULS_OXIM_SAT_O2^MDC||72|" + bpm:                    "Not read once none advisory: code 147842 of system MDC is not read: settings.codes can say what it is",
		"NM|8867-4^Heart rate^LN||72|{beats}/min|||||F":                    "HR good 72/min",
		"NM|X1^HR^99X^8867-4^Heart rate^LN||72|bpm|||||F":                  "HR good 72/min",
		"NM|X1^HR^99X||72|bpm|||||F":                                       "Not read once none advisory: code X1 of system 99X is not read: settings.codes can say what it is",
		"NM|150301^MDC_PRESS_CUFF_SYS^MDC||121|" + mmHg + "|||||F":         "NIBP sys unknown 121mm[Hg]",
		"NM|" + bp + "||16.0|265987^MDC_DIM_KILO_PASCAL^MDC|||||F":         "NIBP sys unknown 120.0mm[Hg]",
		"NM|" + bp + "||121|mmHg|||||F":                                    "NIBP sys unknown 121mm[Hg]",
		"NM|" + bp + "||121||||||F":                                        "NIBP sys invalid 121",
		"NM|" + bp + "||121|furlong|||||F":                                 "NIBP sys invalid 121furlong",
		"NM|150364^MDC_TEMP_BODY^MDC||98.6|266560^MDC_DIM_FAHR^MDC|||||F":  "T body good 37.00Cel",
		"NM|150364^MDC_TEMP_BODY^MDC||36.80||||||F":                        "T body good 36.80Cel",
		"NM|160184^x^MDC||5.5|mmol/L|||||F":                                "Glucose good 99mg/dL",
		"NM|151728^MDC_AWAY_CO2_ET^MDC||5.1|262688^MDC_DIM_PERCENT^MDC":    "etCO2 % good 5.1%",
		"NM|" + hr + "||||||||F":                                           "HR missing /min",
		"NM|" + hr + "||72|" + bpm + "|||||X":                              "HR missing /min",
		"|" + hr + "||||||||X":                                             "HR missing /min",
		"NM|" + hr + "||\"\"|" + bpm:                                       "HR missing /min",
		"NM|" + hr + "||---|" + bpm:                                        "HR missing /min",
		"NM|" + hr + "||7x2|" + bpm:                                        "HR invalid /min",
		"NM|" + hr + "||72|" + bpm + "|||||P":                              "HR questionable 72/min",
		"NM|" + hr + "||72|" + bpm + "|||||W":                              "HR invalid 72/min",
		"NM|" + hr + "||72|" + bpm + "|||||Q":                              "HR unknown 72/min",
		"NM|" + hr + "||72|" + bpm + "|||||I":                              "HR ongoing /min",
		"NM|" + hr + "||72|" + bpm + "||H~QUES|||R":                        "HR questionable 72/min",
		"NM|" + hr + "||72|" + bpm + "||QUES~INV|||R":                      "HR invalid 72/min",
		"NM|" + hr + "||72|" + bpm + "||INV~CAL|||R":                       "HR calibrating /min",
		"NM|" + hr + "||72|" + bpm + "||DEMO|||R":                          "HR demo 72/min",
		"NM|" + hr + "||72|" + bpm + "||TEST~NAV|||R":                      "HR demo 72/min",
		"NM|" + hr + "|||" + bpm + "||>|||R":                               "HR overflow /min",
		"NM|" + hr + "||300|" + bpm + "||>|||R":                            "HR overflow 300/min",
		"NM|" + hr + "||<20|" + bpm + "|||||R":                             "HR underflow 20/min",
		"SN|" + hr + "||>^300|" + bpm + "||INV|||R":                        "HR invalid 300/min",
		"NM|" + hr + "||<20|" + bpm + "|||||W":                             "HR invalid 20/min",
		"SN|" + hr + "||>^300|" + bpm + "|||||R":                           "HR overflow 300/min",
		"SN|" + hr + "||^72|" + bpm + "|||||R":                             "HR good 72/min",
		"SN|" + hr + "||^1^:^2|" + bpm + "|||||R":                          "HR invalid /min",
		"ST|" + hr + "||72|" + bpm + "|||||R":                              "HR good 72/min",
		"ST|" + hr + "||Jane Doe|" + bpm + "|||||R":                        "HR invalid /min",
		"NM|158888^MDC_SOMETHING^MDC||5|262688^MDC_DIM_PERCENT^MDC|||||R":  "?158888 good 5%",
		"NM|158888^MDC_SOMETHING^MDC||5|Doe|||||R":                         "?158888 good 5",
		"ST|158888^MDC_SOMETHING^MDC||a note|||||R":                        "",
		"TX|49999-9^note^LN||Jane is well|||||R":                           "Not read once none advisory: code 49999-9 of system LN is not read: settings.codes can say what it is",
		"NM|131841^MDC_ECG_AMPL_ST_I^MDC||-1.5|263442^MDC_DIM_MILLI_M^MDC": "ST I good -0.150mV",
		"CWE|184352^MDC_VENT_MODE^MDC||12^SIMV^99X||||||R":                 "Mode good SIMV",
		"ST|184352^MDC_VENT_MODE^MDC||||||||X":                             "Mode missing",
		"ST|184352^MDC_VENT_MODE^MDC||for Mrs Doe||||||R":                  "Mode missing",
		"||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X":   "",
		"|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X":    "",
		"NM|" + hr + "||72|" + bpm + "|||||R|||19991231000000":             "HR good 72/min",
		"NM|" + hr + "||72|264928^MDC_DIM_RESP_PER_MIN^MDC|50-120||||R":    "HR good 72/min",
		"NM|150036^MDC_PRESS_BLD_ART_ABP^MDC||92|" + mmHg:                  "Not read once none advisory: code 150036 of system MDC is not read: values of this type are not taken",
		"NM|196616^MDC_EVT_ALARM^MDC||92":                                  "",
		"ED|" + hr + "||QUJD|" + bpm:                                       "Not read once none advisory: code 147842 of system MDC is not read: values of this type are not taken",
		"NM|" + hr + "||123456789012345678901234567890|" + bpm:             "HR invalid /min",
		"NM|" + hr + "||72.50|" + bpm:                                      "HR good 72.50/min",
		"NM|" + hr + "||7\\T\\2|" + bpm:                                    "HR invalid /min",
		"NM|" + hr + "||-100|" + bpm:                                       "HR missing /min",
		"NM|147842^MDC_ECG_HEART_RATE^MDC^8867-4^Heart rate^LN||72|" + bpm: "HR good 72/min",
		"NM|8867-4^MDC_ECG_HEART_RATE^LN||72|1^x^99X^/min^per minute^UCUM": "HR good 72/min",
		"NM|150456^^MDC||97|%25|||||R":                                     "SpO2 invalid 97%25",
		"NM|4294967295^^MDC||97|%|||||R":                                   "Not read once none advisory: code 4294967295 of system MDC is not read: settings.codes can say what it is",
	} {
		got := strings.Join(told(Driver, report("", "OBX|1|"+obx+"\r")), "; ")
		if got != want {
			t.Errorf("%s\n got %q\nwant %q", obx, got, want)
		}
	}
}

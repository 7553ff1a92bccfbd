package patient

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

var _ drivers.Patient = (*Recorded)(nil)

// folder writes files below a temporary directory.
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, files map[string][]byte) *Recordings {
	t.Helper()
	r, err := OpenRecordings(folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func recorded(t testing.TB, r *Recordings, id string) *Recorded {
	t.Helper()
	p, err := r.Patient(id, noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tone is n samples of a sine of hz at rate, with the given amplitude.
func tone(n int, rate, hz, amplitude float64) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(i)/rate)))
	}
	return out
}

func format16(samples []int16) []byte {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, samples)
	return b.Bytes()
}

func format212(samples []int16) []byte {
	var b []byte
	for i := 0; i+1 < len(samples); i += 2 {
		x, y := uint16(samples[i])&0xfff, uint16(samples[i+1])&0xfff
		b = append(b, byte(x), byte(x>>8)|byte(y>>8)<<4, byte(y))
	}
	return b
}

func sumOf(samples []int16) (sum int16) {
	for _, v := range samples {
		sum += v
	}
	return sum
}

func TestWavesOfEveryLayoutAreRead(t *testing.T) {
	const n = 250 * 20
	ii, abp := tone(n, 250, 1, 800), tone(n/2, 125, 1, 400)
	fast := tone(4*n/2, 500, 1, 1000)
	var shared []int16
	for i := range ii {
		shared = append(shared, ii[i], -ii[i])
	}
	r := open(t, map[string][]byte{
		"a/a.hea": fmt.Appendf(nil, "# a comment\na 1 250 %d 12:00:00\na.dat 16 400(100)/mV 16 0 %d %d 0 II\n", n, ii[0], sumOf(ii)),
		"a/a.dat": format16(ii),
		"b.hea":   fmt.Appendf(nil, "b 2 250 %d\r\nb.dat 212 200/mV 12 0 0 %d 0 II\r\nb.dat 212 200/mV 12 0 0 0 0 V5\r\n", n, sumOf(ii)),
		"b.dat":   format212(shared),
		"c.hea":   fmt.Appendf(nil, "c 2 125 %d\nc_1.dat 16x4 1000(0)/mV 16 0 0 %d 0 I\nc_2.dat 16+4 10(-500)/mmHg 16 0 0 %d 0 ABP\n", n/2, sumOf(fast), sumOf(abp)),
		"c_1.dat": format16(fast),
		"c_2.dat": append([]byte("skip"), format16(abp)...),
	})
	if ids := r.IDs(); !slices.Equal(ids, []string{"a", "b", "c"}) {
		t.Fatalf("ids %v", ids)
	}
	for _, c := range []struct {
		id          string
		code        protocol.Code
		mean, swing float64
	}{
		{"a", protocol.ECGLeadII, -100.0 / 400, 2}, {"b", protocol.ECGLeadII, 0, 4}, {"b", protocol.ECGLeadV, 0, 4},
		{"c", protocol.ECGLeadI, 0, 1}, {"c", protocol.ABPWave, 50, 40},
	} {
		p := recorded(t, r, c.id)
		w := wave(t, p, c.code, noon, 200, 8*time.Second)
		hi, lo := slices.Max(w), slices.Min(w)
		if math.Abs((hi+lo)/2-c.mean) > 0.01*c.swing || math.Abs((hi-lo)/2-c.swing) > 0.01*c.swing {
			t.Errorf("%s %d: %.3f to %.3f, want %.2f ± %.2f", c.id, c.code, lo, hi, c.mean, c.swing)
		}
		if p.Wave(protocol.Pleth, noon, 75, make([]float64, 10)) {
			t.Errorf("%s: a pleth that is not recorded", c.id)
		}
		if p.Wave(c.code, noon.Add(-time.Second), 75, make([]float64, 10)) {
			t.Errorf("%s: a wave before the start", c.id)
		}
	}
}

func TestALoopClosesWithoutAStep(t *testing.T) {
	const n = 250 * 30
	ii := tone(n, 250, 1.23, 1000)
	r := open(t, map[string][]byte{"a.hea": fmt.Appendf(nil, "a 1 250 %d\na.dat 16 1000/mV 16 0 %d %d 0 II\n", n, ii[0], sumOf(ii)), "a.dat": format16(ii)})
	w := wave(t, recorded(t, r, "a"), protocol.ECGLeadII, noon, 250, 3*time.Minute)
	steepest := 2 * math.Pi * 1.23 / 250
	for i := 1; i < len(w); i++ {
		if d := math.Abs(w[i] - w[i-1]); d > 1.15*steepest {
			t.Fatalf("a step of %.3f mV at %.2f s", d, float64(i)/250)
		}
	}
}

func TestMissingSamplesAreHeldAndAllMissingIsNoWave(t *testing.T) {
	const n = 250 * 20
	gap, none := tone(n, 250, 1, 500), make([]int16, n)
	for i := range none {
		none[i] = missing
	}
	copy(gap[250*5:250*8], none)
	r := open(t, map[string][]byte{
		"a.hea":  fmt.Appendf(nil, "a 2 250 %d\na1.dat 16 500/mV 16 0 0 %d 0 II\na2.dat 16 500/mV 16 0 0 %d 0 V\n", n, sumOf(gap), sumOf(none)),
		"a1.dat": format16(gap), "a2.dat": format16(none),
	})
	p := recorded(t, r, "a")
	if p.Wave(protocol.ECGLeadV, noon, 250, make([]float64, 250)) {
		t.Error("a wave without one sample")
	}
	start := time.Duration((5 - p.only.begin) * float64(time.Second))
	for _, v := range wave(t, p, protocol.ECGLeadII, noon.Add(start-500*time.Millisecond), 250, time.Second) {
		if math.IsNaN(v) {
			t.Fatal("NaN in a wave")
		}
	}
	if p.Wave(protocol.ECGLeadII, noon.Add(start+time.Second), 250, make([]float64, 250)) {
		t.Error("a wave in the middle of a gap")
	}
}

const monitorCSV = "\ufefftime_s,HR,SPO2,BP_SYS,GLUCOSE,SLEEP,charted,MDC_TEMP_BODY\r\n" +
	"0,60,97,120,,awake,1,36.5\r\n" +
	"60,62,,,101,awake,0,\r\n" +
	"120,,96,,,asleep,0,\r\n" +
	"180,66,95,125,,asleep,0,\r\n" +
	"240,68,95,,,asleep,0,\r\n"

func TestTablesHoldAValueForItsStepAndThenHaveNone(t *testing.T) {
	if _, ok := protocol.LookupRefID("MDC_TEMP_BODY"); !ok {
		t.Log("the table of terms has no MDC_TEMP_BODY: reference ids as column names are not tested")
	}
	r := open(t, map[string][]byte{"m.csv": []byte(monitorCSV), "notes.csv": []byte("annotator,who\n1,2\n")})
	p := recorded(t, r, "m")
	for _, c := range []struct {
		code protocol.Code
		at   float64
		want float64 // 0: none
	}{
		{protocol.HeartRate, 0, 60}, {protocol.HeartRate, 59.9, 60}, {protocol.HeartRate, 60, 62}, {protocol.HeartRate, 125, 0},
		{protocol.SpO2, 65, 0}, {protocol.SpO2, 130, 96}, {protocol.PulseRate, 10, 60}, {protocol.PulseRate, 65, 0},
		{protocol.NIBPSystolic, 170, 120}, {protocol.NIBPSystolic, 181, 125}, {pressureSystolic, 1, 120}, {protocol.ABPSystolic, 1, 0},
		{protocol.Glucose, 30, 0}, {protocol.Glucose, 61, 101}, {protocol.RespirationRate, 1, 0},
		{protocol.HeartRate, 300, 60}, {protocol.HeartRate, 362, 62}, {protocol.HeartRate, -1, 0},
	} {
		v, ok := p.Numeric(c.code, noon.Add(time.Duration(c.at*float64(time.Second))))
		if ok != (c.want != 0) || v != c.want {
			t.Errorf("%d at %g s: %g, %v, want %g", c.code, c.at, v, ok, c.want)
		}
	}
	for at, want := range map[int]string{10: "awake", 130: "asleep"} {
		if w, ok := p.Word(protocol.SleepStatus, noon.Add(time.Duration(at)*time.Second)); !ok || w != want {
			t.Errorf("asleep at %d s: %q, %v", at, w, ok)
		}
	}
	if s := r.Skipped(); !slices.Contains(s, `m.csv: column "charted" is not known`) || !slices.Contains(s, "notes.csv: no time_s column first, or no column that is known") {
		t.Errorf("skipped: %q", s)
	}
}

func TestARecordPlaysItsNumericsInStepWithItsWaves(t *testing.T) {
	const n = 250 * 20
	ii := tone(n, 250, 1, 500)
	rows := "time_s,HR\n"
	for s := range 20 {
		rows += fmt.Sprintf("%d,%d\n", s, 60+s)
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte(rows))
	w.Close()
	r := open(t, map[string][]byte{
		"a.hea": fmt.Appendf(nil, "a 1 250 %d\na.dat 16 500/mV 16 0 0 %d 0 II\n", n, sumOf(ii)), "a.dat": format16(ii), "a_numerics.csv.gz": z.Bytes(),
		"manifest.json": []byte(`{"files":[{"record":"a","clean_segments_s":[[2,16],[17,19]]}]}`),
	})
	if ids := r.IDs(); !slices.Equal(ids, []string{"a"}) {
		t.Fatalf("ids %v", ids)
	}
	p := recorded(t, r, "a")
	if p.only.begin != 3 || p.only.end > 16 || p.only.end < 13 {
		t.Errorf("loops %g to %g s, want 3 to at most 16", p.only.begin, p.only.end)
	}
	for s := range 60 {
		want := 60 + math.Floor(p.only.position(float64(s)))
		if v := numeric(t, p, protocol.HeartRate, noon.Add(time.Duration(s)*time.Second)); v != want {
			t.Fatalf("heart rate %g after %d s, want %g", v, s, want)
		}
	}
}

func TestDamagedRecordingsSayFileAndLine(t *testing.T) {
	good := "time_s,HR\n0,60\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"number":     {map[string]string{"m.csv": "time_s,HR\n0,60\n60,fast\n"}, `m.csv:3: column HR is "fast", want a number or nothing`},
		"not a time": {map[string]string{"m.csv": "time_s,HR\nnoon,60\n"}, `m.csv:2: time_s is "noon"`},
		"backwards":  {map[string]string{"m.csv": "time_s,HR\n0,60\n0,61\n"}, `m.csv:3: time_s is 0 after 0: it must grow`},
		"fields":     {map[string]string{"m.csv": "time_s,HR\n0\n"}, `m.csv:2: 1 fields, the header has 2`},
		"no rows":    {map[string]string{"m.csv": "time_s,HR\n"}, `m.csv: no rows`},
		"sleep":      {map[string]string{"m.csv": "time_s,SLEEP\n0,yes\n"}, `m.csv:2: column SLEEP is "yes"`},
		"format":     {map[string]string{"m.csv": good, "a.hea": "a 1 250 10\na.dat 80 200 12 0 0 0 0 II\n"}, `a.hea:2: format "80", want 16 or 212`},
		"signals":    {map[string]string{"m.csv": good, "a.hea": "a 2 250 10\na.dat 16 200 12 0 0 0 0 II\n"}, `a.hea: 1 signal lines, the first line says 2`},
		"segments":   {map[string]string{"m.csv": good, "a.hea": "a/3 2 250 10\n"}, `a.hea:1: record "a/3" has segments`},
		"rate":       {map[string]string{"m.csv": good, "a.hea": "a 1 fast\n"}, `a.hea:1: rate "fast"`},
		"outside":    {map[string]string{"m.csv": good, "a.hea": "a 1 250\n../x.dat 16\n"}, `a.hea:2: file "../x.dat" lies in another folder`},
		"empty":      {map[string]string{"readme.txt": "hello"}, `no WFDB header (.hea) and no CSV`},
		"twice":      {map[string]string{"m.csv": good, "x/m.csv": good}, `as well`},
		"manifest":   {map[string]string{"m.csv": good, "manifest.json": "{"}, `manifest.json: unexpected end`},
	} {
		files := map[string][]byte{}
		for k, v := range c.files {
			files[k] = []byte(v)
		}
		if _, err := OpenRecordings(folder(t, files)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	ii := tone(2500, 250, 1, 100)
	for name, c := range map[string]struct{ header, want string }{
		"short":    {"a 1 250 9999\na.dat 16\n", "a.dat has 2500 samples of each signal, the header says 9999"},
		"checksum": {"a 1 250 2500\na.dat 16 200 16 0 0 77 0 II\n", "the header says 77"},
		"unknown":  {"a 1 250 2500\na.dat 16 200 16 0 0 " + fmt.Sprint(sumOf(ii)) + " 0 EEG\n", "none of its signals is known"},
		"absent":   {"a 1 250 2500\nb.dat 16\n", "b.dat: no such file"},
	} {
		r := open(t, map[string][]byte{"a.hea": []byte(c.header), "a.dat": format16(ii)})
		if _, err := r.Patient("a", noon, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	r := open(t, map[string][]byte{"m.csv": []byte(good)})
	if _, err := r.Patient("n", noon, nil); err == nil || !strings.Contains(err.Error(), `recording "n" is not one of m`) {
		t.Errorf("unknown recording: %v", err)
	}
	if _, err := r.Patient("m", noon, Scenario{{Kind: Fever, Lasts: time.Minute}}); err == nil {
		t.Error("a recorded patient was given a fever")
	}
}

// collection opens the shared recordings, or skips the test.
func collection(t *testing.T) (*Recordings, string) {
	t.Helper()
	dir := os.Getenv("MONITORME_RECORDINGS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "recordings")
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Skipf("no recordings: %s has no manifest.json (set MONITORME_RECORDINGS to the folder of the collection)", dir)
	}
	r, err := OpenRecordings(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r, dir
}

func TestEveryRecordingOfTheCollectionPlays(t *testing.T) {
	r, _ := collection(t)
	t.Logf("%d recordings", len(r.IDs()))
	for _, s := range r.Skipped() {
		t.Log("skipped ", s)
	}
	for _, id := range r.IDs() {
		p := recorded(t, r, id)
		values, waves := 0, 0
		for at := noon; at.Before(noon.Add(36 * time.Hour)); at = at.Add(7 * time.Minute) {
			for code := range sensorOfEverything() {
				if v, ok := p.Numeric(code, at); ok {
					values++
					if math.IsNaN(v) {
						t.Fatalf("%s: NaN", id)
					}
				}
			}
			if _, ok := p.Word(protocol.SleepStatus, at); ok {
				values++
			}
			dst := make([]float64, 50)
			for _, code := range []protocol.Code{protocol.ECGLeadII, protocol.ECGLeadV, protocol.Pleth, protocol.ABPWave, protocol.RespirationWave} {
				if p.Wave(code, at, 125, dst) {
					waves++
					if slices.ContainsFunc(dst, func(v float64) bool { return math.IsNaN(v) || math.Abs(v) > 400 }) {
						t.Fatalf("%s: wave %d: %v", id, code, dst)
					}
				}
			}
		}
		if values+waves == 0 {
			t.Errorf("%s: nothing in 36 hours", id)
		}
	}
}

func sensorOfEverything() map[protocol.Code]bool {
	out := map[protocol.Code]bool{}
	for _, codes := range sensors {
		for _, c := range codes {
			out[c] = true
		}
	}
	return out
}

func TestRecordedWavesAndNumbersAgreeWithTheFacts(t *testing.T) {
	r, dir := collection(t)
	var facts struct {
		Files map[string]struct {
			Minutes []struct {
				Minute    float64 `json:"minute"`
				HR        float64 `json:"HR"`
				Sys       float64 `json:"ABP_SYS"`
				Confirmed bool    `json:"hr_confirmed_by_pulse"`
			} `json:"per_minute"`
		} `json:"files"`
	}
	data, err := os.ReadFile(filepath.Join(dir, "facts.json"))
	if err == nil {
		err = json.Unmarshal(data, &facts)
	}
	if err != nil {
		t.Fatal(err)
	}
	minutes := 0
	for _, id := range []string{"bidmc01", "v292s", "v316s", "v271l", "v246s", "v102s"} {
		p := recorded(t, r, id)
		for _, m := range facts.Files["waveforms/"+id+"/"+id+"_numerics.csv"].Minutes {
			from := m.Minute*60 - p.only.begin
			if from < 0 || (m.Minute+1)*60 > p.only.end-fade || !m.Confirmed {
				continue
			}
			minutes++
			start := noon.Add(time.Duration(from * float64(time.Second)))
			limit := max(3, 0.05*m.HR)
			beats := rPeaks(wave(t, p, protocol.ECGLeadII, start, 250, time.Minute), 250)
			if counted := 60 * float64(len(beats)-1) / (beats[len(beats)-1] - beats[0]); math.Abs(counted-m.HR) > limit {
				t.Errorf("%s minute %g: %.1f/min in the wave, the facts say %.1f", id, m.Minute, counted, m.HR)
			}
			if shown := average(t, p, protocol.HeartRate, start, time.Minute); math.Abs(shown-m.HR) > limit {
				t.Errorf("%s minute %g: heart rate %.1f, the facts say %.1f", id, m.Minute, shown, m.HR)
			}
			if m.Sys == 0 {
				continue
			}
			if shown := average(t, p, protocol.ABPSystolic, start, time.Minute); math.Abs(shown-m.Sys) > 5 {
				t.Errorf("%s minute %g: systolic %.1f, the facts say %.1f", id, m.Minute, shown, m.Sys)
			}
		}
	}
	if minutes < 15 {
		t.Errorf("compared %d minutes only", minutes)
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add("a 1 250 10\na.dat 16x2+4 200(5)/mV 12 0 0 0 0 II\n")
	f.Add("a 2 360\nb.dat 212\nb.dat 212 1 2 3 4 5 6 MLII\n# end")
	f.Fuzz(func(t *testing.T, text string) {
		rec, err := parseHeader("x.hea", text)
		if err == nil && (len(rec.signals) == 0 || !(rec.rate > 0)) {
			t.Errorf("%q: %+v", text, rec)
		}
	})
}

func FuzzParseTable(f *testing.F) {
	f.Add(monitorCSV)
	f.Add("time_s,wave,SLEEP_STAGE\n0,a,N1\n30,b,REM\n")
	f.Fuzz(func(t *testing.T, text string) {
		tab, ok, err := parseTable("x.csv", strings.NewReader(text))
		if err != nil || !ok {
			return
		}
		for sec := -1.0; sec < 100; sec += 7 {
			for _, c := range tab.numbers {
				if v, ok := tab.at(c, sec); ok && math.IsNaN(v) {
					t.Error("NaN")
				}
			}
			tab.word(tab.sleep, sec)
			tab.word(tab.wave, sec)
		}
	})
}

func FuzzDecodeSamples(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		if n := len(decode(16, data)); n != len(data)/2 {
			t.Errorf("format 16: %d samples in %d bytes", n, len(data))
		}
		whole := data[:len(data)/3*3]
		if got := format212(decode(212, whole)); len(got) != len(whole) {
			t.Errorf("format 212: %d bytes became %d", len(whole), len(got))
		}
	})
}

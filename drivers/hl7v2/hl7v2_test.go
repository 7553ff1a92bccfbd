package hl7v2

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// worked is the frame of the sheet, workedAnswer what is said to it.
const (
	worked = "\x0bMSH|^~\\&|MON||AGT||20261120092800||ORU^R01|7|P|2.6\rPID|||12345\rOBR|1|||VITALS|||20261120092800\r" +
		"OBX|1|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1|72|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F\r\x1c\r"
	workedAnswer = "\x0bMSH|^~\\&|AGT||MON||20261120092801||ACK^R01|1|P|2.6\rMSA|AA|7\r\x1c\r"
)

func TestWorkedFrameAndItsAnswer(t *testing.T) {
	var answer []byte
	f := Framer{Message: func(b []byte) bool {
		var m Message
		if err := m.Parse(b); err != nil {
			t.Fatal(err)
		}
		var names []string
		for s := range m.Segments() {
			names = append(names, s.Field(0).Text())
			if !s.Is("OBX") {
				continue
			}
			v, ok := s.Field(5).Number()
			code, _ := s.Field(3).Component(1).Digits()
			unit, _ := s.Field(6).Component(1).Digits()
			if v != protocol.Int(72) || !ok || code != 147842 || unit != 264864 || !s.Field(11).Is("F") || !s.Field(12).Empty() {
				t.Errorf("read %v %d %d", v, code, unit)
			}
		}
		if !slices.Equal(names, []string{"MSH", "PID", "OBR", "OBX"}) || !m.Is("ORU", "R01") || !m.Is("ORU", "") || m.Is("ORU", "R40") {
			t.Errorf("segments %q", names)
		}
		var r Replier
		answer = r.Append(nil, &m, Accepted, "", time.Date(2026, 11, 20, 9, 28, 1, 0, time.UTC))
		return true
	}}
	f.Feed([]byte(worked))
	if string(answer) != workedAnswer {
		t.Errorf("answer\n got %q\nwant %q", answer, workedAnswer)
	}
	if f.Stats() != (drivers.Stats{Bytes: uint64(len(worked)), Frames: 1}) {
		t.Errorf("stats %+v", f.Stats())
	}
}

func collect(max int) (*Framer, *[]string) {
	var got []string
	return &Framer{Max: max, Message: func(b []byte) bool { got = append(got, string(b)); return true }}, &got
}

func TestFramesAreFoundHoweverTheStreamIsCut(t *testing.T) {
	long := "MSH|^~\\&|" + strings.Repeat("x", 300)
	for _, c := range []struct {
		in      string
		want    []string
		skipped int
	}{
		{"\x0bMSH|1\x1c\r\x0bMSH|2\x1c\r", []string{"MSH|1", "MSH|2"}, 0},
		{"\x0bMSH|1\x1c\r\n\r\n\x0bMSH|2\r\n\x1c\r\n", []string{"MSH|1", "MSH|2\r\n"}, 0},
		{"junk\x0bMSH|1\x1c\r", []string{"MSH|1"}, 4},
		{"\x0bMSH|half\x0bMSH|1\x1c\r", []string{"MSH|1"}, 9},
		{"\x0bMSH|1\x1cx\x0bMSH|2\x1c\r", []string{"MSH|2"}, 8},
		{"\x0bMSH|1\x1c\x0bMSH|2\x1c\r", []string{"MSH|2"}, 7},
		{"\x0b\x0b\x0bMSH|2\x1c\r", []string{"MSH|2"}, 2},
		{"\x0bXYZ\x1c\r\x0bMS\x1c\r\x0b\x1c\rMSH|1\x1c\r", nil, 21},
		{"\x0b" + long + "\x1c\r\x0bMSH|2\x1c\r", []string{"MSH|2"}, len(long) + 3},
		{"\x1c\r\r\nMSH\n", nil, 8},
	} {
		for step := range len(c.in) {
			f, got := collect(200)
			for piece := range slices.Chunk([]byte(c.in), step+1) {
				spoil := bytes.Clone(piece)
				f.Feed(spoil)
				clear(spoil)
			}
			if s := f.Stats(); !slices.Equal(*got, c.want) || int(s.Skipped) != c.skipped || int(s.Frames) != len(c.want) || int(s.Bytes) != len(c.in) {
				t.Fatalf("%q in pieces of %d: %q, %+v, want %q and %d skipped", c.in, step+1, *got, s, c.want, c.skipped)
			}
			if too := f.TooLong(); (too == 1) != (len(c.in) > 300) {
				t.Errorf("%q: %d too long", c.in, too)
			}
		}
	}
}

func TestAMessageThatIsRefusedIsNoFrame(t *testing.T) {
	f := Framer{Message: func([]byte) bool { return false }}
	f.Feed([]byte(worked))
	if s := f.Stats(); s.Frames != 0 || int(s.Skipped) != len(worked) {
		t.Errorf("stats %+v", s)
	}
}

func TestAnEndlessMessageIsGivenUp(t *testing.T) {
	f, _ := collect(0)
	f.Feed([]byte("\x0bMSH|^~\\&"))
	chunk := bytes.Repeat([]byte("x"), 4096)
	for range 1024 {
		f.Feed(chunk)
	}
	if cap(f.buf) > 2*DefaultMax || f.TooLong() != 1 {
		t.Errorf("kept %d bytes, %d too long", cap(f.buf), f.TooLong())
	}
}

// read parses a message whose second line is the field.
func read(t testing.TB, charset, field string) Value {
	t.Helper()
	var m Message
	if err := m.Parse([]byte(`MSH|^~\&|||||||ORU^R01|1|P|2.6||||||` + charset + "\rZZZ|" + field + "|end")); err != nil {
		t.Fatal(err)
	}
	for s := range m.Segments() {
		if s.Is("ZZZ") {
			if !s.Field(2).Is("end") {
				t.Errorf("%q in %q runs into the next field %q", field, charset, s.Field(2).Raw())
			}
			return s.Field(1)
		}
	}
	t.Fatal("no ZZZ")
	return Value{}
}

func TestTextsAreReadableWhateverTheCharacterSet(t *testing.T) {
	for _, c := range []struct{ charset, field, want string }{
		{"", "plain", "plain"},
		{"", `a\F\b\S\c\T\d\R\e\E\f`, `a|b^c&d~e\f`},
		{"", `\X41\\X4243\`, "ABC"},
		{"", `one\.br\two\H\three\N\`, "one twothree"},
		{"", `\X4G\\Q\\Xe\`, "\uFFFD\uFFFD\uFFFD"},
		{"", `\X0B1C0D\x`, "   x"},
		{"", `never ends \F`, `never ends \F`},
		{"", "  padded ", "padded"},
		{"", "37 \xb0C", "37 \uFFFDC"},
		{"", "37 °C", "37 °C"},
		{"ASCII", "tab\there", "tab here"},
		{"UNICODE UTF-8", "Größe \xff", "Größe \uFFFD"},
		{"UNICODE UTF-8", `\XC2B0\C`, "°C"},
		{"8859/1", "37 \xb0C \x85", "37 °C  "},
		{"8859/1", `\XB0\C`, "°C"},
		{"GB 18030-2000", "\xd0|\x81^\x81~\x81\\b\x810\x810c", "\uFFFD\uFFFD\uFFFD\uFFFDb\uFFFD\uFFFDc"},
		{"GB18030", "ok", "ok"},
		{"8859/2", "\xb1", "\uFFFD"},
	} {
		if got := read(t, c.charset, c.field).Text(); got != c.want {
			t.Errorf("%s: %q is %q, want %q", c.charset, c.field, got, c.want)
		}
	}
}

// Names of beds that cannot be read must not become one name.
func TestDifferentFieldsStayDifferent(t *testing.T) {
	seen := map[string]string{}
	for _, field := range []string{"\xd2\xbb\xb4\xb2", "\xb6\xfe\xb4\xb2", "\x81\x30\x81\x30", "\x81\x30\x81\x31", "\x81\x30\x82\x30", "\x82\x30\x81\x30", "\x81\x31\x81\x30", "\x80", "\xff", "\x81\x40", "\x81\x80"} {
		raw := string(read(t, "GB 18030-2000", field).Raw())
		if was, ok := seen[raw]; ok {
			t.Errorf("%x and %x are one", field, was)
		}
		seen[raw] = field
	}
}

func TestPartsOfAField(t *testing.T) {
	v := read(t, "", `a&b^c^~d^e&f`)
	for _, c := range []struct {
		got  Value
		want string
	}{
		{v.Component(1), "a&b"}, {v.Component(1).Sub(2), "b"}, {v.Component(2), "c"}, {v.Component(3), ""}, {v.Component(4), ""}, {v.Component(0), ""},
		{v.Repetition(2), "d^e&f"}, {v.Repetition(2).Component(2).Sub(1), "e"}, {v.Repetition(3), ""},
	} {
		if string(c.got.Raw()) != c.want {
			t.Errorf("got %q, want %q", c.got.Raw(), c.want)
		}
	}
	var all []string
	for r := range v.Repetitions() {
		for p := range r.Components() {
			all = append(all, string(p.Raw()))
		}
	}
	if !slices.Equal(all, []string{"a&b", "c", "", "d", "e&f"}) {
		t.Errorf("got %q", all)
	}
	for range read(t, "", "").Repetitions() {
		t.Error("an empty field has a repetition")
	}
	if !read(t, "", `""`).Null() || !read(t, "", "").Empty() {
		t.Error("null and empty")
	}
	if d, ok := read(t, "", " -12.50 ").Number(); !ok || d != protocol.Dec(-1250, -2) {
		t.Errorf("number %v", d)
	}
}

func TestDelimitersAreThoseOfTheMessage(t *testing.T) {
	var m Message
	if err := m.Parse([]byte("MSH*%@!+*A*B*C*D*20261120092800**ORU%R01*9*P*2.6\nZZZ*a%b+c@d!F!e\n\n")); err != nil {
		t.Fatal(err)
	}
	if m.Delimiters() != (Delimiters{'*', '%', '@', '!', '+'}) || !m.Header().Field(1).Is("*") || !m.Header().Field(2).Is("%@!+") || !m.ControlID().Is("9") {
		t.Errorf("delimiters %c", m.Delimiters())
	}
	for s := range m.Segments() {
		if s.Is("ZZZ") && (!s.Field(1).Component(2).Sub(2).Is("c") || s.Field(1).Repetition(2).Text() != "d*e") {
			t.Errorf("parts of %q", s.Field(1).Raw())
		}
	}
	var r Replier
	if got := r.Append(nil, &m, Accepted, "", time.Date(2026, 11, 20, 9, 28, 1, 0, time.UTC)); string(got) != "\x0bMSH*%@!+*C*D*A*B*20261120092801**ACK%R01*1*P*2.6\rMSA*AA*9\r\x1c\r" {
		t.Errorf("answer %q", got)
	}
	for _, bad := range []string{"", "MSH", "MSH|", "MSH||", "MSH|^^", "MSH|a~", "MSH|^~\\&#!|", "MSHX^~\\&|", "PID|^~\\&|", "MSH \x00"} {
		if err := m.Parse([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
		if got := r.Append(nil, &m, Rejected, "no header", time.Time{}); !bytes.Contains(got, []byte("MSA|AR||no header\r")) {
			t.Errorf("the answer to %q is %q", bad, got)
		}
	}
}

func TestTimeStamps(t *testing.T) {
	cet := time.FixedZone("CET", 3600)
	for in, want := range map[string]string{
		"20261120092800":            "2026-11-20T08:28:00Z",
		"202611200928":              "2026-11-20T08:28:00Z",
		"20261120092800.25":         "2026-11-20T08:28:00.25Z",
		"20261120092800.1234+0000":  "2026-11-20T09:28:00.1234Z+",
		"20261120092800-0530":       "2026-11-20T14:58:00Z+",
		"202611200928+0100^S":       "2026-11-20T08:28:00Z+",
		"20240229235960":            "2024-02-29T22:59:59Z",
		"":                          "",
		"20261120":                  "",
		"2026112009":                "",
		"20260229120000":            "",
		"20261320120000":            "",
		"20261120250000":            "",
		"00000000000000":            "",
		"19691231120000":            "",
		"22010101000000":            "",
		"20261120092800+25":         "",
		"20261120092800+1500":       "",
		"2026112009280x":            "",
		"20261120092800.1234567891": "",
		"202611200928.5":            "",
		"20261120092800+0100+0100":  "",
	} {
		got := ""
		if at, zoned, ok := read(t, "", in).Time(cet); ok {
			if got = at.Format(time.RFC3339Nano); zoned {
				got += "+"
			}
		}
		if got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// The rules of original and enhanced mode.
func TestAnswersAreThoseAskedFor(t *testing.T) {
	for _, c := range []struct {
		accept, application string
		outcome             Outcome
		want                []string
	}{
		{"", "", Accepted, []string{"AA"}}, {"", "", Failed, []string{"AE"}}, {"", "", Rejected, []string{"AR"}},
		{"NE", "NE", Accepted, nil}, {"NE", "NE", Rejected, nil}, {"NE", "", Accepted, nil},
		{"AL", "NE", Accepted, []string{"CA"}}, {"AL", "NE", Failed, []string{"CE"}}, {"AL", "", Rejected, []string{"CR"}},
		{"NE", "AL", Accepted, []string{"AA"}}, {"", "AL", Accepted, []string{"AA"}},
		{"AL", "AL", Accepted, []string{"CA", "AA"}}, {"SU", "ER", Accepted, []string{"CA"}}, {"SU", "ER", Failed, []string{"AE"}},
	} {
		var m Message
		m.Parse([]byte(`MSH|^~\&|A|B|C|D|||ORU^R01^ORU_R01|77|P|2.6|||` + c.accept + "|" + c.application + "|||\r"))
		var r Replier
		var got []string
		f := Framer{Message: func(b []byte) bool {
			var a Message
			if err := a.Parse(b); err != nil || !a.Is("ACK", "R01") || !a.Header().Field(9).Component(3).Is("ACK") {
				t.Errorf("answer %q: %v", b, err)
			}
			for s := range a.Segments() {
				if s.Is("MSA") {
					got = append(got, s.Field(1).Text())
					if !s.Field(2).Is("77") || s.Field(3).Empty() == (c.outcome != Accepted) {
						t.Errorf("answer %q", b)
					}
				}
			}
			if again := (&Replier{}).Append(nil, &a, Accepted, "", time.Time{}); len(again) != 0 {
				t.Errorf("an answer is answered: %q", again)
			}
			return true
		}}
		f.Feed(r.Append(nil, &m, c.outcome, "why", time.Time{}))
		if !slices.Equal(got, c.want) || int(r.Sent) != len(c.want) {
			t.Errorf("%s/%s %d: %q, want %q", c.accept, c.application, c.outcome, got, c.want)
		}
	}
}

// An answer repeats of a message what identifies it, and nothing that could
// break the frame or speak of a patient.
func TestAnswersAreSafe(t *testing.T) {
	var m Message
	m.Parse([]byte("MSH|^~\\&|A\tB|" + strings.Repeat("x", 500) + "|C|D||secret|ORU^longer than an event|" + strings.Repeat("9", 300) + "|P|2.6\rPID|||12345||Doe^Jane||19580412|F\r"))
	got := string((&Replier{}).Append(nil, &m, Failed, "a reason", time.Time{}))
	if want := "\x0bMSH|^~\\&|C|D|||00010101000000||ACK^|1|P|2.6\rMSA|AE||a reason\r\x1c\r"; got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(worked), uint64(1))
	f.Add([]byte(workedAnswer), uint64(2))
	f.Add([]byte("\x0bMSH|^~\\&|||||||ORU^R01|204|P|2.3.1|\rOBX||NM|170^Sys|2105|118||||||F||APERIODIC|20261120092755\r\x1c\r"), uint64(3))
	f.Add([]byte("\x0bMSH*%@!+*A*B*C*D*20261120092800**ORU%R01*9*P*2.6******GB 18030\nZZZ*a%b+c@d!X41!e\xd0|\x1c\r"), uint64(4))
	f.Fuzz(func(t *testing.T, wire []byte, seed uint64) {
		var texts []string
		var m Message
		var r Replier
		framed := func() *Framer {
			texts = nil
			return &Framer{Max: 4096, Message: func(b []byte) bool {
				err := m.Parse(b)
				for s := range m.Segments() {
					for n := range 20 {
						for rep := range s.Field(n).Repetitions() {
							for c := range rep.Components() {
								text := c.Text()
								if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) || strings.ToValidUTF8(text, "") != text {
									t.Errorf("text %q", text)
								}
								texts = append(texts, text, c.Sub(2).Text())
								if at, _, ok := c.Time(time.UTC); ok && (at.Year() < 1970 || at.Year() > 2200) {
									t.Errorf("time %v", at)
								}
							}
						}
					}
				}
				a := r.Append(nil, &m, Failed, "why", time.Time{})
				if n := bytes.Count(a, []byte{Start}); n != bytes.Count(a, []byte{End, '\r'}) || n > 2 {
					t.Errorf("answer %q", a)
				}
				return err == nil
			}}
		}
		whole := framed()
		whole.Feed(wire)
		want := texts
		rnd := rand.New(rand.NewPCG(seed, 1))
		cut := framed()
		for rest := bytes.Clone(wire); len(rest) > 0; {
			n := min(len(rest), 1+rnd.IntN(50))
			cut.Feed(rest[:n])
			clear(rest[:n])
			rest = rest[n:]
		}
		if !slices.Equal(texts, want) || cut.Stats() != whole.Stats() || whole.Stats().Skipped > whole.Stats().Bytes || int(whole.Stats().Bytes) != len(wire) {
			t.Errorf("cut: %+v, whole: %+v", cut.Stats(), whole.Stats())
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	var m Message
	var r Replier
	var answer []byte
	n := 0
	f := Framer{Message: func(p []byte) bool {
		m.Parse(p)
		for s := range m.Segments() {
			if s.Is("OBX") {
				for _, i := range []int{2, 3, 5, 6, 8, 11, 14} {
					n += len(s.Field(i).Raw())
				}
			}
		}
		answer = r.Append(answer[:0], &m, Accepted, "", time.Time{})
		return true
	}}
	b.SetBytes(int64(len(worked)))
	b.ReportAllocs()
	for b.Loop() {
		f.Feed([]byte(worked))
	}
}

package drivers

import "testing"

func TestALineIsReadAsItIsWritten(t *testing.T) {
	for text, want := range map[string]Line{
		"9600 8N1":                 {Baud: 9600},
		"19200 7E1":                {Baud: 19200, DataBits: 7, Parity: ParityEven},
		"115200 8M2 dtr=low":       {Baud: 115200, Parity: ParityMark, StopBits: 2, DTRLow: true},
		"4800 5S2 dtr=low rts=low": {Baud: 4800, DataBits: 5, Parity: ParitySpace, StopBits: 2, DTRLow: true, RTSLow: true},
		"4000000 8O1 rts=low":      {Baud: 4_000_000, Parity: ParityOdd, RTSLow: true},
	} {
		if got, err := ParseLine(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q: %+v %q, %v", text, got, got.String(), err)
		}
	}
	if l, err := ParseLine("9600"); err != nil || l != (Line{Baud: 9600}) {
		t.Errorf("a speed alone: %+v, %v", l, err)
	}
	if got := (Line{Baud: 9600, DataBits: 8, StopBits: 1}).String(); got != "9600 8N1" {
		t.Error(got)
	}
	for _, text := range []string{"", "fast", "49", "4000001", "9600 9N1", "9600 8X1", "9600 8N3", "9600 8N1 8N1", "9600 dtr=high", "9600 8N1 loud"} {
		if l, err := ParseLine(text); err == nil {
			t.Errorf("%q was taken as %+v", text, l)
		}
	}
}

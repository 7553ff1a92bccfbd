package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
)

var began = time.Date(2026, 11, 20, 11, 48, 3, 250e6, time.UTC)

var head = Header{Program: "monitorme-edge 1.2 linux/arm64", Driver: "nonin", Port: "/dev/ttyUSB0", USB: "0403:6001",
	Line: drivers.Line{Baud: 9600}, Started: began}

// write gives the text of a capture.
func write(t *testing.T, h Header, entries ...Entry) string {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// read gives all that is in a capture, and how it ends.
func read(text string) (Header, []Entry, error) {
	r, err := NewReader(strings.NewReader(text))
	if err != nil {
		return Header{}, nil, err
	}
	var all []Entry
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header(), all, nil
		}
		if err != nil {
			return r.Header(), all, err
		}
		all = append(all, e)
	}
}

func TestACaptureIsReadAsItWasWritten(t *testing.T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	entries := []Entry{
		{At: 0, Kind: FromDevice, Bytes: []byte("P:JANE")},
		{At: 1500 * time.Microsecond, Kind: ToDevice, Bytes: []byte{6}},
		{At: 2 * time.Second, Kind: LineSet, Line: drivers.Line{Baud: 19200, DataBits: 7, Parity: drivers.ParityEven, DTRLow: true}},
		{At: 2 * time.Second, Kind: FromDevice, Bytes: every},
		{At: time.Hour, Kind: Remark, Text: "the line is gone"},
	}
	text := write(t, head, entries...)
	if !Is([]byte(text)) || Is([]byte("\x01\x80")) || !strings.Contains(text, "|P:JANE|") || !strings.Contains(text, Warning) {
		t.Errorf("written:\n%s", text)
	}
	h, got, err := read(text)
	if err != nil || h != head {
		t.Fatalf("%+v, %v", h, err)
	}
	var long []byte
	for _, e := range got[3 : len(got)-1] {
		if e.At != 2*time.Second || e.Kind != FromDevice {
			t.Fatalf("%+v", e)
		}
		long = append(long, e.Bytes...)
	}
	if !bytes.Equal(long, every) {
		t.Errorf("%x", long)
	}
	if !reflect.DeepEqual(got[:3], entries[:3]) || !reflect.DeepEqual(got[len(got)-1], entries[4]) {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsNoCaptureIsRefusedByLine(t *testing.T) {
	good := write(t, head)
	for text, want := range map[string]string{
		"":                                      "line 0: unexpected EOF",
		"\x01\x80\x00\n":                        "line 1: \"\\x01\\x80\\x00\": want \"MONITORME-CAPTURE 1\"",
		"MONITORME-CAPTURE 2\n\n":               "line 1: ",
		magic + "\nnonsense\n":                  `line 2: "nonsense": want a header`,
		magic + "\nline: 9600 8X1\n":            "line 2: line \"9600 8X1\"",
		magic + "\nstarted: today\n":            `line 2: started "today"`,
		magic + strings.Repeat("\na:b", 80):     "more than 64 lines",
		good + "1.0 < 00\n":                     `line 10: time "1.0"`,
		good + "-1.000000 < 00\n":               `time "-1.000000"`,
		good + "99999999.000000 < 00\n":         `time "99999999.000000"`,
		good + "2.000000 < 00\n1.000000 < 00\n": `line 11: time "1.000000" is before`,
		good + "1.000000 ? 00\n":                `line 10: "?": want <, >, = or !`,
		good + "1.000000 < \n":                  "line 10: 0 bytes",
		good + "1.000000 < |..|\n":              "line 10: 0 bytes",
		good + "1.000000 < 0\n":                 `byte "0"`,
		good + "1.000000 < GG\n":                `byte "GG"`,
		good + "1.000000 < " + strings.Repeat("00 ", 33) + "\n": "33 bytes",
		good + "1.000000 ! " + strings.Repeat("x", 5000):        "more than 1024",
		good + "1.000000 = fast\n":                              `line "fast"`,
	} {
		if _, _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", cutText(text), err, want)
		}
	}
	all := good + "1.000000 < 01\n2.000000 < 02 "
	if _, got, err := read(all); len(got) != 1 || !errors.Is(err, ErrCut) {
		t.Errorf("a cut capture: %v, %v", got, err)
	}
}

func TestTimesOfACaptureNeverGoBack(t *testing.T) {
	text := write(t, head, Entry{At: time.Second, Kind: FromDevice, Bytes: []byte{1}}, Entry{At: 0, Kind: ToDevice, Bytes: []byte{2}})
	if _, got, err := read(text); err != nil || got[1].At != time.Second {
		t.Errorf("%+v, %v", got, err)
	}
}

// full takes n writes.
type full struct{ n int }

func (f *full) Write(p []byte) (int, error) {
	if f.n--; f.n < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

// lined is a port whose line can change.
type lined struct {
	net.Conn
	line drivers.Line
}

func (l *lined) SetLine(line drivers.Line) error { l.line = line; return nil }

func TestAWrappedPortIsAsBeforeAndNotesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		var b bytes.Buffer
		w, _ := NewWriter(&b, head)
		under := &lined{Conn: near}
		p := Wrap(under, w, time.Now())
		defer near.Close()
		go func() {
			far.Write([]byte("hello"))
			time.Sleep(time.Second)
			io.ReadFull(far, make([]byte, 3))
		}()
		buf := make([]byte, 16)
		if n, err := p.Read(buf); string(buf[:n]) != "hello" || err != nil {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		if _, err := p.Write([]byte("ask")); err != nil {
			t.Fatal(err)
		}
		if err := p.(drivers.LineSetter).SetLine(drivers.Line{Baud: 19200}); err != nil || under.line.Baud != 19200 {
			t.Error(err)
		}
		p.(drivers.StatsSink).ReportStats(drivers.Stats{})
		_, got, err := read(b.String())
		want := []Entry{{Kind: FromDevice, Bytes: []byte("hello")}, {At: time.Second, Kind: ToDevice, Bytes: []byte("ask")},
			{At: time.Second, Kind: LineSet, Line: drivers.Line{Baud: 19200}}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, ok := Wrap(near, w, began).(drivers.LineSetter); ok {
			t.Error("a port whose line cannot change became one whose line can")
		}
		w, _ = NewWriter(&full{1}, head)
		go far.Write([]byte("x"))
		if n, err := Wrap(near, w, began).Read(buf); n != 1 || err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestACaptureIsPlayedWithItsTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := NewReader(strings.NewReader(write(t, head,
			Entry{At: time.Second, Kind: FromDevice, Bytes: []byte("a")},
			Entry{At: 3 * time.Second, Kind: ToDevice, Bytes: []byte("??")},
			Entry{At: 3500 * time.Millisecond, Kind: FromDevice, Bytes: []byte("b")},
			Entry{At: 4 * time.Second, Kind: ToDevice, Bytes: []byte("?")},
			Entry{At: 4500 * time.Millisecond, Kind: FromDevice, Bytes: []byte("c")},
		)))
		if err != nil {
			t.Fatal(err)
		}
		host, device := net.Pipe()
		start := time.Now()
		done := make(chan error, 1)
		go func() {
			done <- Play(t.Context(), device, r)
			device.Close()
		}()
		got := make(chan string)
		go func() {
			var s string
			buf := make([]byte, 8)
			for {
				n, err := host.Read(buf)
				if err != nil {
					got <- s
					return
				}
				s += fmt.Sprintf("%s@%v ", buf[:n], time.Since(start))
			}
		}()
		time.Sleep(4 * time.Second)
		host.Write([]byte("?")) // one of the two that were sent after 3 s
		time.Sleep(500 * time.Millisecond)
		host.Write([]byte("?")) // 1.5 s late, so b is too; the last question never comes
		if s := <-got; s != "a@1s b@5s c@8s " {
			t.Error(s)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestPlayingEndsWithItsContextAndItsWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := write(t, head, Entry{At: time.Hour, Kind: FromDevice, Bytes: []byte("a")})
		host, device := net.Pipe()
		r, _ := NewReader(strings.NewReader(text))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := Play(ctx, device, r); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		r, _ = NewReader(strings.NewReader(text))
		device.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { host.Close() })
		if err := Play(t.Context(), device, r); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add(magic + "\nprogram: p\nline: 9600 8N1\nstarted: 2026-11-20T11:48:03Z\n\n0.000000 < 01 80 |..|\n1.000000 > 06\n1.000000 = 19200 7E1\n2.000000 ! gone\n")
	f.Add(magic + "\n\n0.000000 < FF")
	f.Add(magic + "\r\nusb: 0403:6001\r\n\r\n# remark\r\n12345678.000001 < ff\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, got, err := read(text)
		if err != nil {
			return
		}
		var b bytes.Buffer
		w, werr := NewWriter(&b, h)
		if werr != nil {
			t.Fatal(werr)
		}
		for _, e := range got {
			if err := w.Write(e); err != nil {
				t.Fatal(err)
			}
		}
		_, again, err := read(b.String())
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v\n%s", err, b.String())
		}
		if len(again) != len(got) {
			t.Fatalf("%d entries became %d", len(got), len(again))
		}
		for i := range got {
			if got[i].Kind == Remark {
				continue // spaces of a remark are made one
			}
			if !reflect.DeepEqual(got[i], again[i]) {
				t.Fatalf("%+v became %+v", got[i], again[i])
			}
		}
	})
}

package probe

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/edge/port"
)

func TestWhatWasRecognisedIsRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "probe.json")
	m, err := OpenMemory(path)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	socket := port.Info{VID: "0403", PID: "6001", Serial: "A9", ByPath: "/dev/serial/by-path/usb-1-2"}
	want := Known{Driver: "nonin", Line: drivers.Line{Baud: 9600, Parity: drivers.ParityMark}, Model: "Nonin", At: at}
	if err := m.Keep(Key("/dev/ttyUSB0", socket), want); err != nil {
		t.Fatal(err)
	}
	if err := m.Keep("tcp://h:1", Known{Driver: "summed", At: at}); err != nil {
		t.Fatal(err)
	}
	m, err = OpenMemory(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := m.Find("0403:6001 A9 /dev/serial/by-path/usb-1-2"); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	if got, ok := m.Find("tcp://h:1"); !ok || got.Line != (drivers.Line{}) {
		t.Errorf("%+v, %v", got, ok)
	}
	other := socket
	other.Serial = "B1"
	if _, ok := m.Find(Key("/dev/ttyUSB0", other)); ok {
		t.Error("another adapter is taken for the one that was there")
	}
	if Key("/dev/ttyS0", port.Info{}) != "/dev/ttyS0" {
		t.Error(Key("/dev/ttyS0", port.Info{}))
	}
	for i := range maxKnown + 10 {
		if err := m.Keep(fmt.Sprint(i), Known{Driver: "x", At: at.Add(time.Duration(i) * time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := m.Find("9"); ok || len(m.all) != maxKnown {
		t.Errorf("%d are kept, the oldest %v", len(m.all), ok)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%d files", len(entries))
	}
}

func TestADamagedMemoryIsToldAndBegunAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "probe.json")
	os.WriteFile(path, []byte(`{"a": {"driver": "x", "li`), 0o600)
	m, err := OpenMemory(path)
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if err := m.Keep("a", Known{Driver: "nonin"}); err != nil {
		t.Error(err)
	}
	if m, err = OpenMemory(path); err != nil || m.all["a"].Driver != "nonin" {
		t.Errorf("%+v, %v", m.all, err)
	}
	os.WriteFile(path, []byte(`{"a": {"driver": "x", "line": "fast"}, "b": {"driver": "y"}, "c": null}`), 0o600)
	if m, err = OpenMemory(path); err != nil || len(m.all) != 2 {
		t.Errorf("%+v, %v", m.all, err)
	}
}

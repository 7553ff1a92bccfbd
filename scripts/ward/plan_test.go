package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"monitorme/drivers"
	"monitorme/drivers/patient"
	"monitorme/protocol"
)

func TestCalmBedsStayWithinTheUsualLimits(t *testing.T) {
	beds, err := plan(maxBeds)
	if err != nil {
		t.Fatal(err)
	}
	limits := map[protocol.Code][2]float64{
		protocol.HeartRate: {45, 120}, protocol.SpO2: {90, 100}, protocol.RespirationRate: {8, 30}, protocol.BodyTemperature: {36, 39},
		protocol.NIBPSystolic: {90, 160}, protocol.NIBPDiastolic: {50, 90}, protocol.NIBPMean: {60, 110}, protocol.Glucose: {70, 180},
	}
	start := time.Date(2026, 3, 14, 9, 0, 0, 0, time.Local)
	calm := 0
	for _, b := range beds {
		if b.story != "" {
			continue
		}
		calm++
		p, err := b.person(1, start, nil)
		if err != nil {
			t.Fatal(err)
		}
		outside := map[protocol.Code]int{}
		for at := start; at.Before(start.Add(24 * time.Hour)); at = at.Add(70 * time.Second) {
			for code, limit := range limits {
				if v, ok := p.Numeric(code, at); !ok || v < limit[0] || v > limit[1] {
					outside[code]++
				}
			}
		}
		for code, n := range outside {
			if n > 2 {
				t.Errorf("bed %d: %d of 1234 values of %d are outside of %v", b.number, n, code, limits[code])
			}
		}
	}
	if calm < 10 {
		t.Errorf("only %d beds are calm", calm)
	}
}

func TestEveryStoryBeginsWithinTwoMinutesAndComesAgain(t *testing.T) {
	beds, err := plan(maxBeds)
	if err != nil {
		t.Fatal(err)
	}
	happening := map[int]bool{}
	waves, oximeters := 0, 0
	for _, b := range beds {
		for _, e := range b.scenario {
			happening[b.number] = e.After <= 2*time.Minute && e.Every > e.Lasts
			if err := e.Validate(); err != nil {
				t.Errorf("bed %d: %v", b.number, err)
			}
		}
		for _, i := range []*interruption{b.cut, b.unplug} {
			if i != nil {
				happening[b.number] = i.after <= 2*time.Minute && i.every > i.lasts
			}
		}
		ids := map[string]bool{}
		for _, d := range b.devices {
			if ids[d.id] {
				t.Errorf("bed %d has two devices %q", b.number, d.id)
			}
			ids[d.id] = true
			if d.waves >= 4 {
				waves++
			}
			if d.driver == "nonin" {
				oximeters++
			}
		}
		if len(b.devices) == 0 {
			t.Errorf("bed %d has no device", b.number)
		}
	}
	for n := 3; n < 20; n += 2 {
		if !happening[n] {
			t.Errorf("nothing happens at bed %d", n)
		}
	}
	if waves < 6 || oximeters < 3 {
		t.Errorf("%d beds with waves, %d with a Nonin", waves, oximeters)
	}
}

func TestRecordingsThatAreThereAreUsed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ward_stable.csv"), []byte("time_s,HR\n0,63\n86400,64\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	recordings, err := patient.OpenRecordings(dir)
	if err != nil {
		t.Fatal(err)
	}
	beds, err := plan(6)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range beds {
		p, err := b.person(1, time.Now(), recordings)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := p.(*patient.Recorded); ok != (b.number == 2) {
			t.Errorf("bed %d is a recording: %v", b.number, ok)
		}
	}
}

func TestABoxConfigurationNamesPortsCertificateAndBroker(t *testing.T) {
	o := options{data: t.TempDir()}
	b := &bed{number: 7, unit: unit, devices: []device{{id: "hub", driver: "stayhealthy"}, {id: "oximeter", driver: "nonin"}}}
	if err := writeBoxConfig(o, b, "127.0.0.1:12345"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(o.data, "boxes", "box-07", "edge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c boxConfig
	if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if c.Box != "box-07" || c.Unit != unit || len(c.Devices) != 2 || !reflect.DeepEqual(c.Devices[1], deviceConfig{ID: "oximeter", Driver: "nonin", Port: filepath.Join(o.data, "dev", "box-07-oximeter")}) ||
		c.Uplink.Broker != "tls://127.0.0.1:12345" || c.Uplink.Key != filepath.Join(o.data, "boxes", "box-07", "box.key") || c.Health.Listen != "127.0.0.1:9087" {
		t.Errorf("%s", text)
	}
}

func TestAnUnpluggedDeviceIsGoneUntilItIsPluggedInAgain(t *testing.T) {
	link := filepath.Join(t.TempDir(), "dev", "hub")
	played := make(chan bool, 8)
	s := &socket{bed: &bed{number: 1}, link: link, plugged: make(chan struct{}), device: device{id: "hub",
		simulate: func(ctx context.Context, wire drivers.Port, p drivers.Patient) error {
			played <- true
			<-ctx.Done()
			return ctx.Err()
		}}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.run(ctx) }()
	there := func() bool { _, err := os.Stat(link); return err == nil }
	for range 2 {
		until(t, "the device is there", there)
		box, err := os.OpenFile(link, os.O_RDWR|syscall.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		<-played
		s.unplug()
		until(t, "the device is gone", func() bool { return !there() })
		box.Close()
		s.plug()
		s.plug() // twice is once
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if there() {
		t.Error("the device is left")
	}
}

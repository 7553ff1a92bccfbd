package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/drivers/patient"
	"monitorme/drivers/stayhealthy"
	"monitorme/protocol"
)

const (
	unit    = "ward-1"
	maxBeds = 20
	// timeScale is how much more often than on a ward the slow signs are
	// measured, so that a spectator sees them change: a cuff every two minutes.
	timeScale = 30
)

// A bed is what stands at one bed and what happens there.
type bed struct {
	number  int
	unit    string
	label   string // where beds are not just numbered
	profile string
	// recording is played instead of the profile if it is there.
	recording string
	scenario  patient.Scenario
	devices   []device
	// story is what is printed when an episode of scenario begins.
	story string
	// cut and unplug are what happens to the network and to the first device.
	cut, unplug *interruption
}

// An interruption comes after the start, lasts, and comes again.
type interruption struct{ after, lasts, every time.Duration }

// A device is one port of a box.
type device struct {
	id       string // of the device at its box, and of its pseudo-terminal
	driver   string
	settings string // YAML, for a driver that needs some
	waves    int    // how many it draws
	simulate func(ctx context.Context, wire drivers.Port, p drivers.Patient) error
}

func (b *bed) box() string { return fmt.Sprintf("box-%02d", b.number) }

// episode is one that comes again; each bed has another distance, so that the
// ward never falls into step.
func episode(kind patient.Kind, after, lasts, every time.Duration, severity float64) patient.Episode {
	return patient.Episode{Kind: kind, After: after, Lasts: lasts, Every: every, Severity: severity}
}

const s, m = time.Second, time.Minute

// plan is the ward. Beds without a story are calm: nothing there should ring.
func plan(beds int) ([]*bed, error) {
	ward := make([]*bed, 0, maxBeds)
	for n := 1; n <= maxBeds; n++ {
		ward = append(ward, &bed{number: n, unit: unit, profile: "stable adult"})
	}
	at := func(n int) *bed { return ward[n-1] }
	at(8).profile, at(14).profile = "elderly in atrial fibrillation", "post-op"
	at(11).profile, at(17).profile = "post-op", "post-op"

	happens := func(n int, story string, e patient.Episode) { at(n).story, at(n).scenario = story, patient.Scenario{e} }
	happens(3, "desaturates", episode(patient.Desaturation, 45*s, 90*s, 6*m, 0.6))
	happens(5, "has a tachycardia", episode(patient.Tachycardia, 30*s, 100*s, 7*m, 0.8))
	happens(9, "has lost the oximeter", patient.Episode{Kind: patient.SensorOff, Sign: protocol.SignOxygen, After: 60 * s, Lasts: 60 * s, Every: 8 * m})
	happens(11, "deteriorates (sepsis)", episode(patient.Deterioration, 20*s, 20*m, 32*m, 1))
	happens(13, "stops breathing", episode(patient.Apnoea, 75*s, 45*s, 7*m+30*s, 0.8))
	happens(15, "loses blood pressure", episode(patient.Hypotension, 40*s, 4*m, 10*m, 0.9))
	happens(17, "runs a fever", episode(patient.Fever, 30*s, 8*m, 18*m, 1))
	at(7).cut = &interruption{70 * s, 60 * s, 8 * m}
	at(19).unplug = &interruption{100 * s, 30 * s, 6*m + 30*s}

	for n, id := range map[int]string{2: "ward_stable", 6: "night_hypoglycaemia", 10: "desaturation", 12: "sepsis_fever", 20: "septic_shock"} {
		at(n).recording = id
	}
	for _, b := range ward[:beds] {
		if err := b.equip(); err != nil {
			return nil, fmt.Errorf("bed %d: %w", b.number, err)
		}
	}
	return ward[:beds], nil
}

// equip puts the devices at the bed: waves on a hub, single sensors, or a hub
// for numbers; and at some a Nonin oximeter instead of the hub's own.
func (b *bed) equip() error {
	allBut := func(leave ...protocol.Sign) []protocol.Sign {
		return slices.DeleteFunc(slices.Clone(protocol.Signs), func(s protocol.Sign) bool { return slices.Contains(leave, s) })
	}
	hub := stayhealthy.Device{Signs: allBut(protocol.SignECG)}
	switch b.number {
	case 1, 2, 3, 5, 11, 13:
		hub.Signs = nil
		hub.Waves = []protocol.Code{protocol.ECGLeadII, protocol.ECGLeadV, protocol.Pleth, protocol.RespirationWave}
		hub.ECGRateHz, hub.SlowRateHz, hub.BlocksPerSecond = 250, 125, 2
		if b.number == 5 {
			hub.ECGRateHz = 500
		}
		if b.number == 11 {
			hub.Waves = append(hub.Waves, protocol.ABPWave)
		}
	case 4, 8, 12, 16:
		for _, one := range []struct {
			id string
			d  stayhealthy.Device
		}{{"heart", stayhealthy.HeartPatch}, {"oxygen", stayhealthy.OxygenClip}, {"cuff", stayhealthy.Cuff},
			{"thermo", stayhealthy.Thermo}, {"glucose", stayhealthy.GlucosePatch}, {"sleep", stayhealthy.SleepBand}} {
			b.add(one.id, one.d)
		}
		return nil
	case 6, 9, 14, 18:
		hub.Signs = allBut(protocol.SignECG, protocol.SignOxygen)
		b.add("hub", hub)
		return b.addNonin()
	}
	b.add("hub", hub)
	return nil
}

// add puts a StayHealthy device at the bed.
func (b *bed) add(id string, d stayhealthy.Device) {
	d.Serial = fmt.Sprintf("SH-%02d-%s", b.number, id)
	d.TimeScale = timeScale
	b.devices = append(b.devices, device{id: id, driver: stayhealthy.Driver.Name, waves: len(d.Waves), simulate: d.Simulate})
}

func (b *bed) addNonin() error {
	d, ok := all.Find("nonin")
	if !ok {
		return errors.New("the driver nonin is not built in")
	}
	b.devices = append(b.devices, device{id: "oximeter", driver: d.Name, simulate: d.Simulate})
	return nil
}

// person makes the patient of the bed. The people of one seed are the same at
// every start; only what happens to them is counted from it.
func (b *bed) person(seed uint64, start time.Time, recordings *patient.Recordings) (drivers.Patient, error) {
	if recordings != nil && slices.Contains(recordings.IDs(), b.recording) {
		local := start.Local()
		noon := time.Date(local.Year(), local.Month(), local.Day(), 12, 0, 0, 0, time.Local) // when a composite begins
		if noon.After(start) {
			noon = noon.AddDate(0, 0, -1)
		}
		return recordings.Patient(b.recording, noon, nil)
	}
	profile, err := patient.NamedProfile(b.profile)
	if err != nil {
		return nil, err
	}
	return patient.New(patient.Config{Seed: seed*1000 + uint64(b.number), Profile: profile, Start: start, Zone: time.Local, Scenario: b.scenario})
}

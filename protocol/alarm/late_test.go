package alarm

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"monitorme/protocol"
)

// outage makes batches of what a box measured while it was cut off, and then
// one live heart rate at back. The backlog comes with a later call of catchUp.
type outage struct {
	b       *bed
	backlog []protocol.Batch
	back    float64
}

func newOutage(b *bed, back float64, obs ...protocol.Observation) *outage {
	o := &outage{b: b, back: back}
	b.send(num(protocol.HeartRate, -5, "80"))
	for _, ob := range obs {
		o.backlog = append(o.backlog, b.batch(ob))
	}
	b.send(num(protocol.HeartRate, back, "80"))
	return o
}

// catchUp sends the backlog oldest first, all at back.
func (o *outage) catchUp() []Alarm {
	n := len(o.b.all)
	for i := range o.backlog {
		o.backlog[i].Sent = sec(o.back)
		o.b.all = o.b.e.Observe(&o.backlog[i], true, sec(o.back), o.b.all)
	}
	return o.b.all[n:]
}

func TestADockedGlucoseMeterRingsForItsLastMeasurement(t *testing.T) {
	b := newBed(t)
	batch := b.batch(num(protocol.Glucose, 0, "250"), num(protocol.Glucose, 3600, "38"))
	batch.Sent = sec(4200)
	got := b.e.Observe(&batch, false, sec(4200), nil)
	same(t, "the last one", shorts(got), "glucose-high low ended missed", "glucose-high low latched missed",
		"glucose-extreme-low high active", "glucose-low medium active", "glucose-low medium active hidden")
	for _, a := range got {
		if a.Rule == "glucose-extreme-low" && (a.Text != "Blood sugar extremely low, 10 min old when it came" || !a.Started.Equal(sec(3600))) {
			t.Errorf("%+v", a)
		}
	}
}

func TestAnEpisodicValueOfAnOutageRingsIfItIsStillTheLatest(t *testing.T) {
	b := newBed(t)
	o := newOutage(b, 1500, num(protocol.NIBPSystolic, 0, "65"), num(protocol.NIBPSystolic, 900, "85"))
	same(t, "only the last one", shorts(o.catchUp()),
		"nibp-sys-extreme-low high ended missed", "nibp-sys-extreme-low low latched missed",
		"nibp-sys-low medium ended missed", "nibp-sys-low medium active")
	if a := b.all[len(b.all)-1]; a.Text != "Systolic pressure low, 10 min old when it came" {
		t.Errorf("%q", a.Text)
	}
	b = newBed(t)
	o = newOutage(b, 1500, num(protocol.NIBPSystolic, 0, "65"), num(protocol.NIBPSystolic, 900, "120"))
	o.catchUp()
	same(t, "it is over: told, not rung", b.now(), "nibp-sys-extreme-low low latched missed")
	b = newBed(t)
	o = newOutage(b, 3*3600, num(protocol.NIBPSystolic, 0, "65"))
	o.catchUp()
	same(t, "older than a screen shows it as valid", b.now(), "nibp-sys-extreme-low low latched missed")
}

func TestALateGoodValueEndsAnAlarm(t *testing.T) {
	b := newBed(t)
	b.send(num(protocol.NIBPSystolic, -600, "85"))
	newOutage(b, 300, num(protocol.NIBPSystolic, 0, "120")).catchUp()
	same(t, "now", b.now())
}

func TestALateValueNeverRingsBesideANewerOne(t *testing.T) {
	b := newBed(t)
	o := newOutage(b, 700, num(protocol.NIBPSystolic, 0, "65"), num(protocol.BodyTemperature, 10, "40.5"))
	b.send(num(protocol.NIBPSystolic, 701, "120"), num(protocol.BodyTemperature, 702, "37.0"))
	o.catchUp()
	same(t, "the same device", b.now(), "nibp-sys-extreme-low low latched missed")
	b = newBed(t)
	other := num(protocol.Glucose, 500, "110")
	other.Device = "meter-2"
	o = newOutage(b, 700, num(protocol.Glucose, 0, "38"))
	b.send(other)
	o.catchUp()
	same(t, "another device", b.now(), "glucose-extreme-low low latched missed")
}

func TestTheDelayOfALateValueHasPassed(t *testing.T) {
	b := newBed(t)
	o := newOutage(b, 600, num(protocol.BodyTemperature, 0, "39.6"))
	o.catchUp()
	got := b.advance(601)
	same(t, "at the next tick", shorts(got), "temp-high medium active")
	if !got[0].Declared.Equal(sec(30)) || !strings.HasSuffix(got[0].Text, ", 10 min old when it came") {
		t.Errorf("%+v", got[0])
	}
}

func TestALateValueWaitsForTheRestOfTheBacklogButNotForever(t *testing.T) {
	b := newBed(t)
	o := newOutage(b, 600, num(protocol.NIBPSystolic, 0, "85"), num(protocol.HeartRate, 100, "80"))
	o.backlog = o.backlog[:1] // the rest never comes
	same(t, "it might be over", shorts(o.catchUp()))
	same(t, "still", shorts(b.advance(609)))
	same(t, "waited in vain", shorts(b.advance(611)), "nibp-sys-low medium active", "box-silent low active")
}

func TestABoxWithoutOtherReadingsRingsOnceTheBacklogIsOver(t *testing.T) {
	b := newBed(t)
	b.late = true
	var got []Alarm
	for i, v := range []string{"85", "84", "120", "83"} {
		batch := b.batch(num(protocol.NIBPSystolic, float64(900*i), v))
		batch.Sent = sec(3000)
		got = b.e.Observe(&batch, true, sec(3000), got)
	}
	same(t, "no burst", b.now(), "nibp-sys-low low latched missed")
	for _, a := range got {
		if a.State == Active {
			t.Errorf("rings: %s", short(a))
		}
	}
	same(t, "the last one", shorts(b.advance(3010)), "nibp-sys-low medium active", "box-silent low active")
}

func TestNewestFirstOnTheLiveLaneRingsToo(t *testing.T) {
	b := newBed(t)
	cuff, beat := b.batch(num(protocol.NIBPSystolic, 0, "65")), b.batch(num(protocol.HeartRate, 8, "80"))
	b.all = b.e.Observe(&beat, false, sec(8), b.all)
	cuff.Sent = sec(8)
	b.all = b.e.Observe(&cuff, false, sec(8), b.all)
	same(t, "8 s old", b.now(), "nibp-sys-extreme-low high active", "nibp-sys-low medium active hidden")
	if a := b.e.Alarms(nil)[0]; a.Text != "Systolic pressure extremely low" {
		t.Errorf("%q: 8 s are not old", a.Text)
	}
}

func TestWithoutAClockTheLatestValueRings(t *testing.T) {
	b := newBed(t)
	cuff := num(protocol.NIBPSystolic, -1e9, "65")
	cuff.Clock = protocol.ClockUncertain
	rate := num(protocol.HeartRate, -1e9, "170")
	rate.Clock = protocol.ClockUncertain
	newOutage(b, 600, cuff, rate).catchUp()
	same(t, "now", b.now(), "nibp-sys-extreme-low high active", "nibp-sys-low medium active hidden")
	if a := b.e.Alarms(nil)[0]; a.Text != "Systolic pressure extremely low, measured at an unknown time" {
		t.Errorf("%q", a.Text)
	}
}

func TestWhatHappenedOutOfTouchIsToldOnceAndInSilence(t *testing.T) {
	b := newBed(t)
	var obs []protocol.Observation
	for at := 0.0; at < 3600; at += 2 { // ten times 60 s of 140, once of 160, and doubtful oxygen
		v := "80"
		if int(at)%360 < 60 {
			v = map[bool]string{true: "160", false: "140"}[int(at)/360 == 4]
		}
		obs = append(obs, num(protocol.HeartRate, at, v), num(protocol.SpO2, at, "97?"))
	}
	newOutage(b, 3700, obs...).catchUp()
	standing := b.e.Alarms(nil)
	same(t, "one for the family, none about equipment", shorts(standing), "hr-extreme-high low latched missed")
	a := standing[0]
	if a.Text != "Happened while out of touch, within 56 min: Heart rate extremely high" || a.Limit != protocol.Int(150) || !a.Started.Equal(t0) || !a.Ended.Equal(sec(9*360+65)) && !a.Ended.Equal(sec(9*360+66)) {
		t.Errorf("%+v", a)
	}
	missed := map[string]bool{}
	for _, c := range b.all {
		if c.State == Active {
			t.Errorf("rings: %s", short(c))
		}
		if c.State == Ended {
			missed[c.ID] = true
		}
	}
	if len(missed) < 11 {
		t.Errorf("%d alarms in the log, want each", len(missed))
	}
	snap, err := b.e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := Restore(Default(), snap)
	if d := cmp.Diff(standing, e.Alarms(nil)); err != nil || d != "" {
		t.Fatal(err, d)
	}
	fresh := NewEvaluator("box-1", Default())
	if !fresh.Adopt(a) || cmp.Diff(standing, fresh.Alarms(nil)) != "" {
		t.Error("not taken up from the log")
	}
	if got, _, found := b.e.Acknowledge(a.ID, "anna", sec(3800)); !found || got.State != Ended {
		t.Errorf("%+v", got)
	}
	same(t, "seen", b.now())
}

func TestWhatWasMeasuredOfAnotherPatientIsRecordedOnly(t *testing.T) {
	b := newBed(t)
	var obs []protocol.Observation
	for at := 0.0; at < 60; at++ {
		obs = append(obs, num(protocol.HeartRate, at, "170"))
	}
	o := newOutage(b, 600, append(obs, num(protocol.Glucose, 60, "38"))...)
	b.e.Stop("anna", sec(300), nil)
	for _, a := range o.catchUp() {
		if a.State != Ended || !a.Missed {
			t.Errorf("%s", short(a))
		}
	}
	same(t, "now", b.now())
}

func TestAHeldReadingSurvivesARestart(t *testing.T) {
	b := newBed(t)
	o := newOutage(b, 600, num(protocol.NIBPSystolic, 0, "65"), num(protocol.HeartRate, 100, "80"))
	o.backlog = o.backlog[:1]
	o.catchUp()
	snap, err := b.e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if b.e, _, err = Restore(Default(), snap); err != nil {
		t.Fatal(err)
	}
	b.advance(611)
	same(t, "now", b.now(), "box-silent low active", "nibp-sys-extreme-low high active", "nibp-sys-low medium active hidden")
}

func TestAnEventOfAnOutageRingsThoughTheBacklogHasAHole(t *testing.T) {
	b := newBed(t)
	b.send(happening(protocol.EventHigh, 0, protocol.PhaseStart, protocol.PriorityMedium), happening(protocol.EventHigh, 1, protocol.PhaseEnd, 0))
	late := b.batch(happening(protocol.MustCode("MDC_EVT_ECG_ASYSTOLE"), 100, protocol.PhaseStart, protocol.PriorityHigh))
	b.batch(happening(protocol.EventHigh, 110, protocol.PhaseStart, protocol.PriorityLow)) // lost
	b.send(happening(protocol.EventBoxStarted, 400, protocol.PhaseOnce, 0))
	late.Sent = sec(400)
	b.all = b.e.Observe(&late, true, sec(400), b.all)
	same(t, "its end may be under way", b.now())
	b.advance(410)
	same(t, "waited in vain", b.now(), "box-silent low active", "device-asystole high active")
}

func TestAnEndThatComesBeforeItsBeginningEndsIt(t *testing.T) {
	b := newBed(t)
	b.send(happening(protocol.EventBoxStarted, -1, protocol.PhaseOnce, 0))
	begin := b.batch(says(protocol.EventAlarm, "1", 0, protocol.PhaseStart, protocol.PriorityHigh, "Occlusion"))
	b.send(says(protocol.EventAlarm, "1", 5, protocol.PhaseEnd, protocol.PriorityHigh, "Occlusion"))
	begin.Sent = sec(6)
	b.all = b.e.Observe(&begin, false, sec(6), b.all)
	same(t, "newest first", b.shown(), "low latched: Happened while out of touch: Occlusion (pump-1, channel 1)")
}

func TestAReadingStampedAfterItWasSentIsNoMystery(t *testing.T) {
	b := newBed(t)
	o := num(protocol.NIBPSystolic, 0, "65")
	batch := b.batch(o)
	batch.Sent = o.At.Add(-time.Microsecond)
	b.all = b.e.Observe(&batch, false, o.At, b.all)
	if a := b.e.Alarms(nil)[0]; a.Text != "Systolic pressure extremely low" {
		t.Errorf("%q", a.Text)
	}
}

func TestAReadingThatWaitedForThePatientBeforeDoesNotRing(t *testing.T) {
	b := newBed(t)
	cuff := num(protocol.NIBPSystolic, 0, "65")
	cuff.Clock = protocol.ClockUncertain
	o := newOutage(b, 600, num(protocol.Glucose, 0, "38"), cuff, num(protocol.HeartRate, 100, "80"))
	o.backlog = o.backlog[:2]
	o.catchUp()
	b.e.Stop("anna", sec(605), nil)
	b.e.Contact(sec(611), true, nil)
	b.advance(611)
	same(t, "now", b.now())
	if got := shorts(b.all); len(got) != 4 {
		t.Errorf("in the log: %v, want the limits that each was beyond", got)
	}
}

func TestAMomentInAShortGapStandsAsUsual(t *testing.T) {
	b := newBed(t)
	o := happening(protocol.EventAlarm, 0, protocol.PhaseOnce, protocol.PriorityMedium)
	batch := b.batch(o)
	batch.Sent = sec(30)
	b.all = b.e.Observe(&batch, true, sec(30), b.all)
	same(t, "30 s late", b.now(), "device-alarm medium latched")
	batch = b.batch(happening(protocol.EventHigh, 1, protocol.PhaseOnce, protocol.PriorityHigh))
	batch.Sent = sec(300)
	b.all = b.e.Observe(&batch, true, sec(300), b.all)
	same(t, "5 min late", b.now(), "device-alarm medium latched", "device-alarm low latched missed")
}

// Whatever the order of a backlog, the last value of an episodic sign decides.
func TestTheLatestValueDecidesInWhateverOrderABacklogComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBed(nil)
		values := rapid.SliceOfN(rapid.SampledFrom([]string{"60", "85", "120"}), 1, 8).Draw(t, "values")
		var backlog []protocol.Batch
		for i, v := range values {
			backlog = append(backlog, b.batch(num(protocol.NIBPSystolic, float64(300*i), v)))
		}
		last := float64(300 * len(values))
		if rapid.Bool().Draw(t, "live first") {
			b.send(num(protocol.HeartRate, last, "80"))
		}
		for _, batch := range rapid.Permutation(backlog).Draw(t, "order") {
			batch.Sent = sec(last)
			b.all = b.e.Observe(&batch, rapid.Bool().Draw(t, "backfill"), sec(last), b.all)
		}
		b.advance(last + 5)
		b.e.Contact(sec(last+10), true, nil)
		b.advance(last + 10.5)
		rings := ""
		for _, a := range b.e.Alarms(nil) {
			if a.State == Active && !a.Hidden {
				rings = a.Rule
			}
		}
		want := map[string]string{"60": "nibp-sys-extreme-low", "85": "nibp-sys-low", "120": ""}[values[len(values)-1]]
		if rings != want {
			t.Fatalf("%v: rings %q, want %q", values, rings, want)
		}
	})
}

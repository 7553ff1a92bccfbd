package alarm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"monitorme/protocol"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func sec(s float64) time.Time { return t0.Add(time.Duration(s * 1e9)) }

var unitOf = map[protocol.Code]protocol.Unit{
	protocol.HeartRate: "/min", protocol.PulseRate: "/min", protocol.RespirationRate: "/min", protocol.SpO2: "%",
	protocol.BodyTemperature: "Cel", protocol.Glucose: "mg/dL", protocol.NIBPSystolic: "mm[Hg]", protocol.NIBPDiastolic: "mm[Hg]",
	protocol.NIBPMean: "mm[Hg]", protocol.ABPSystolic: "mm[Hg]", protocol.ABPMean: "mm[Hg]", protocol.ABPDiastolic: "mm[Hg]",
}

// A bed is a box under test that talks to an evaluator without delay.
type bed struct {
	t    testing.TB
	e    *Evaluator
	seq  [4]uint64
	all  []Alarm // every change
	late bool    // send as backfill
}

func newBed(t testing.TB) *bed { return &bed{t: t, e: NewEvaluator("box-1", Default())} }

func num(code protocol.Code, at float64, value string) protocol.Observation {
	o := protocol.Observation{Device: "monitor", Code: code, Unit: unitOf[code], Kind: protocol.KindNumeric,
		Quality: protocol.QualityGood, At: sec(at)}
	switch value {
	case "off":
		o.Quality = protocol.QualitySensorOff
	case "missing":
		o.Quality = protocol.QualityMissing
	case "calibrating":
		o.Quality = protocol.QualityCalibrating
	default:
		if v, ok := strings.CutSuffix(value, "?"); ok {
			o.Quality, value = protocol.QualityQuestionable, v
		} else if v, ok := strings.CutSuffix(value, "!"); ok {
			o.Quality, value = protocol.QualityInvalid, v
		} else if v, ok := strings.CutSuffix(value, "+"); ok {
			o.Quality, value = protocol.QualityOverflow, v
		} else if v, ok := strings.CutSuffix(value, "-"); ok {
			o.Quality, value = protocol.QualityUnderflow, v
		}
		if value != "" {
			d, err := protocol.ParseDecimal(value)
			if err != nil {
				panic(err)
			}
			o.Value = d
		}
	}
	return o
}

func sleep(at float64, word string) protocol.Observation {
	return protocol.Observation{Device: "mat", Code: protocol.SleepStatus, Kind: protocol.KindEnumeration,
		Quality: protocol.QualityGood, Text: word, At: sec(at)}
}

func happening(code protocol.Code, at float64, ph protocol.Phase, pr protocol.Priority) protocol.Observation {
	return protocol.Observation{Device: "monitor", Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, At: sec(at),
		Event: &protocol.Event{Phase: ph, Priority: pr, Type: protocol.AlarmTechnical}}
}

// batch makes the next batch of the stream of the observations.
func (b *bed) batch(obs ...protocol.Observation) protocol.Batch {
	st := protocol.StreamOf(obs[0].Kind)
	first := b.seq[st] + 1
	b.seq[st] += uint64(len(obs))
	return protocol.Batch{Box: "box-1", Epoch: 7, Stream: st, FirstSeq: first, Base: obs[0].At, Sent: obs[len(obs)-1].At, Observations: obs}
}

// send observes each observation as a batch of its own at its own instant.
func (b *bed) send(obs ...protocol.Observation) []Alarm {
	n := len(b.all)
	for _, o := range obs {
		batch := b.batch(o)
		b.all = b.e.Observe(&batch, b.late, o.At, b.all)
	}
	return b.all[n:]
}

// every sends value every step seconds in [from, to).
func (b *bed) every(code protocol.Code, from, to, step float64, value string) []Alarm {
	n := len(b.all)
	for t := from; t < to; t += step {
		b.send(num(code, t, value))
	}
	return b.all[n:]
}

func (b *bed) advance(at float64) []Alarm {
	n := len(b.all)
	b.all = b.e.Advance(sec(at), b.all)
	return b.all[n:]
}

// now lists the alarms that stand, in short.
func (b *bed) now() []string {
	var out []string
	for _, a := range b.e.Alarms(nil) {
		out = append(out, short(a))
	}
	return out
}

func short(a Alarm) string {
	s := fmt.Sprintf("%s %s %s", a.Rule, a.Priority, a.State)
	if a.Hidden {
		s += " hidden"
	}
	if a.Missed {
		s += " missed"
	}
	if a.AcknowledgedBy != "" {
		s += " by " + a.AcknowledgedBy
	}
	return s
}

func shorts(as []Alarm) []string {
	var out []string
	for _, a := range as {
		out = append(out, short(a))
	}
	return out
}

func same(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func TestEveryLimitOfTheDefaultRules(t *testing.T) {
	for _, tt := range []struct {
		rule     string
		code     protocol.Code
		step     float64
		bad      string
		inside   string // not beyond the limit
		declared float64
		priority protocol.Priority
	}{
		{"asystole", protocol.HeartRate, 0.5, "0", "1", 4, protocol.PriorityHigh},
		{"hr-extreme-low", protocol.HeartRate, 0.5, "39", "40", 5, protocol.PriorityHigh},
		{"hr-low", protocol.HeartRate, 0.5, "49", "50", 10, protocol.PriorityMedium},
		{"hr-high", protocol.HeartRate, 0.5, "121", "120", 10, protocol.PriorityMedium},
		{"hr-extreme-high", protocol.HeartRate, 0.5, "151", "150", 5, protocol.PriorityHigh},
		{"pr-low", protocol.PulseRate, 1, "49", "50", 10, protocol.PriorityMedium},
		{"pr-high", protocol.PulseRate, 1, "121", "120", 10, protocol.PriorityMedium},
		{"spo2-low", protocol.SpO2, 5, "89", "90", 10, protocol.PriorityMedium},
		{"desat", protocol.SpO2, 5, "79", "80", 5, protocol.PriorityHigh},
		{"apnoea", protocol.RespirationRate, 1, "0", "4", 20, protocol.PriorityHigh},
		{"rr-low", protocol.RespirationRate, 1, "7", "8", 15, protocol.PriorityMedium},
		{"rr-high", protocol.RespirationRate, 1, "31", "30", 15, protocol.PriorityMedium},
		{"abp-sys-low", protocol.ABPSystolic, 1, "89", "90", 10, protocol.PriorityMedium},
		{"abp-sys-high", protocol.ABPSystolic, 1, "161", "160", 10, protocol.PriorityMedium},
		{"abp-mean-low", protocol.ABPMean, 1, "59", "60", 10, protocol.PriorityMedium},
		{"nibp-sys-low", protocol.NIBPSystolic, 60, "89", "90", 0, protocol.PriorityMedium},
		{"nibp-sys-high", protocol.NIBPSystolic, 60, "161", "160", 0, protocol.PriorityMedium},
		{"nibp-dia-low", protocol.NIBPDiastolic, 60, "49", "50", 0, protocol.PriorityMedium},
		{"nibp-mean-high", protocol.NIBPMean, 60, "111", "110", 0, protocol.PriorityMedium},
		{"temp-high", protocol.BodyTemperature, 10, "39.1", "39.0", 30, protocol.PriorityMedium},
		{"temp-low", protocol.BodyTemperature, 10, "35.9", "36.0", 30, protocol.PriorityLow},
		{"glucose-low", protocol.Glucose, 120, "69", "70", 0, protocol.PriorityMedium},
		{"glucose-extreme-low", protocol.Glucose, 120, "53", "54", 0, protocol.PriorityHigh},
		{"glucose-high", protocol.Glucose, 120, "181", "180", 0, protocol.PriorityLow},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			b := newBed(t)
			for at := -3 * tt.step; at <= 60 || at <= 2*tt.step; at += tt.step {
				v := tt.bad
				if at < 0 {
					v = tt.inside
				}
				b.send(num(tt.code, at, v))
			}
			var first *Alarm
			for i := range b.all {
				if b.all[i].Rule == tt.rule && first == nil {
					first = &b.all[i]
				}
				if a := b.all[i]; a.Started.Before(t0) && a.Rule == tt.rule {
					t.Errorf("%s at its limit is an alarm: %s", tt.inside, short(a))
				}
			}
			if first == nil {
				t.Fatalf("no alarm of %s; got %v", tt.rule, shorts(b.all))
			}
			if !first.Started.Equal(t0) || !first.Declared.Equal(sec(tt.declared)) || first.Priority != tt.priority ||
				first.Type != protocol.AlarmPhysiological || first.State != Active || first.Text == "" || first.Unit != unitOf[tt.code] || first.Value.String() != tt.bad {
				t.Errorf("alarm %+v", *first)
			}
			// The highest one of what is wrong is the one that is shown.
			shown := 0
			for _, a := range b.e.Alarms(nil) {
				if !a.Hidden {
					shown++
					if a.Rule != tt.rule {
						t.Errorf("shown is %s, want %s", a.Rule, tt.rule)
					}
				}
			}
			if shown != 1 {
				t.Errorf("%d alarms shown, want 1: %v", shown, b.now())
			}
		})
	}
}

func TestADelayThatIsNotFilledRaisesNothing(t *testing.T) {
	b := newBed(t)
	b.every(protocol.HeartRate, 0, 9.5, 0.5, "130")
	b.every(protocol.HeartRate, 9.5, 40, 0.5, "110")
	same(t, "changes", shorts(b.all))
}

func TestALargeExcursionSkipsTheDelay(t *testing.T) {
	b := newBed(t)
	same(t, "at once", shorts(b.send(num(protocol.SpO2, 0, "97"), num(protocol.SpO2, 5, "78"))), "spo2-low medium active")
	same(t, "and then the higher one of the family", shorts(b.send(num(protocol.SpO2, 10, "78"))),
		"desat high active", "spo2-low medium active hidden")
	same(t, "below 70 both at once", shorts(newBed(t).send(num(protocol.SpO2, 0, "69"))),
		"desat high active", "spo2-low medium active", "spo2-low medium active hidden")
}

func TestTheDelayOfAValueThatStandsRunsOut(t *testing.T) {
	b := newBed(t)
	b.send(num(protocol.SpO2, 0, "97"), num(protocol.SpO2, 5, "88"))
	b.e.Contact(sec(16), true, nil)
	same(t, "before", shorts(b.advance(16)))
	got := b.advance(17)
	same(t, "after delay and grace", shorts(got), "spo2-low medium active")
	if !got[0].Declared.Equal(sec(15)) {
		t.Errorf("declared %s, want 15 s whoever found it", got[0].Declared)
	}
	// A heart rate stands for 3 s only: one beat too fast is no alarm after 10 s.
	b = newBed(t)
	b.send(num(protocol.HeartRate, 0, "130"))
	for s := 1.0; s < 9; s++ {
		same(t, "heart rate", shorts(b.advance(s)))
	}
}

func TestHysteresisNeedsMarginAndTime(t *testing.T) {
	b := newBed(t)
	b.every(protocol.SpO2, 0, 15, 1, "88")
	same(t, "raised", b.now(), "spo2-low medium active")
	b.every(protocol.SpO2, 15, 60, 1, "90")
	same(t, "at the limit, inside the dead band", b.now(), "spo2-low medium active")
	b.every(protocol.SpO2, 60, 64, 1, "91")
	b.send(num(protocol.SpO2, 64, "90"))
	b.every(protocol.SpO2, 65, 70, 1, "91")
	same(t, "interrupted", b.now(), "spo2-low medium active")
	b.send(num(protocol.SpO2, 70, "91"))
	same(t, "5 s by the margin", b.now())
	if a := b.all[len(b.all)-1]; !a.Ended.Equal(sec(70)) || a.State != Ended || !a.Started.Equal(sec(0)) {
		t.Errorf("ended as %+v", a)
	}
}

func TestLatchedAlarmEndsByAcknowledgement(t *testing.T) {
	b := newBed(t)
	b.every(protocol.HeartRate, 0, 10, 0.5, "160")
	b.every(protocol.HeartRate, 10, 30, 0.5, "100")
	same(t, "latched", b.now(), "hr-extreme-high high latched")
	id := b.e.Alarms(nil)[0].ID
	a, changed, found := b.e.Acknowledge(id, "anna", sec(31))
	if !changed || !found || a.State != Ended || a.AcknowledgedBy != "anna" || !a.AcknowledgedAt.Equal(sec(31)) {
		t.Errorf("acknowledged: %+v %v %v", a, changed, found)
	}
	same(t, "reset", b.now())
	if _, _, found := b.e.Acknowledge(id, "anna", sec(32)); found {
		t.Error("an ended alarm is still known")
	}
}

func TestAcknowledgeIsIdempotentAndTheFirstUserStays(t *testing.T) {
	b := newBed(t)
	b.every(protocol.HeartRate, 0, 12, 0.5, "130")
	id := b.e.Alarms(nil)[0].ID
	b.e.Acknowledge(id, "anna", sec(13))
	a, changed, found := b.e.Acknowledge(id, "bert", sec(14))
	if changed || !found || a.AcknowledgedBy != "anna" || a.State != Active {
		t.Errorf("%+v %v %v", a, changed, found)
	}
}

func TestAnAcknowledgedLatchingAlarmEndsByItself(t *testing.T) {
	b := newBed(t)
	b.every(protocol.HeartRate, 0, 7, 0.5, "160")
	b.e.Acknowledge(b.e.Alarms(nil)[0].ID, "anna", sec(7))
	b.every(protocol.HeartRate, 7, 30, 0.5, "100")
	same(t, "now", b.now())
}

func TestQuestionableNeitherRaisesNorEnds(t *testing.T) {
	b := newBed(t)
	b.every(protocol.SpO2, 0, 29, 1, "60?")
	same(t, "never raises", b.now())
	b.every(protocol.SpO2, 29, 50, 1, "60?")
	same(t, "but is told", b.now(), "doubtful low active")
	b = newBed(t)
	b.every(protocol.SpO2, 0, 15, 1, "88")
	b.every(protocol.SpO2, 15, 600, 1, "99?")
	same(t, "never ends", b.now(), "spo2-low medium active", "doubtful low active")
	b = newBed(t)
	b.send(num(protocol.SpO2, 0, "88"))
	b.every(protocol.SpO2, 1, 25, 1, "88?")
	same(t, "a delay does not run on doubtful readings", b.now())
	b.send(num(protocol.SpO2, 25, "88"))
	same(t, "but is not broken by them", b.now(), "spo2-low medium active")
}

func TestSensorOff(t *testing.T) {
	b := newBed(t)
	b.every(protocol.SpO2, 0, 60, 1, "off")
	same(t, "a sensor that never was on", b.now())
	b.every(protocol.SpO2, 60, 75, 1, "88")
	b.every(protocol.SpO2, 75, 90, 1, "off")
	same(t, "a sensor that falls off does not end an alarm", b.now(), "spo2-low medium active", "oxygen-sensor-off medium active")
	b.every(protocol.SpO2, 90, 100, 1, "98")
	same(t, "on again", b.now())
}

func TestImplausibleValuesAndAlienUnitsAreTold(t *testing.T) {
	b := newBed(t)
	b.every(protocol.BodyTemperature, 0, 15, 1, "80!")
	same(t, "invalid", b.now(), "implausible low active")
	b = newBed(t)
	for s := 0.0; s < 15; s++ {
		o := num(protocol.Glucose, s, "5.1")
		o.Unit = "mmol/L"
		b.send(o)
	}
	same(t, "never compared with a limit in another unit", b.now(), "implausible low active")
}

func TestOverflowAndUnderflowAreBeyondTheirBound(t *testing.T) {
	b := newBed(t)
	b.send(num(protocol.Glucose, 0, "20-"))
	same(t, "LO", b.now(), "glucose-extreme-low high active", "glucose-low medium active hidden")
	b = newBed(t)
	b.send(num(protocol.Glucose, 0, "600+"))
	same(t, "HI", b.now(), "glucose-high low active")
	b = newBed(t)
	b.send(num(protocol.Glucose, 0, "100+"))
	same(t, "a bound short of the limit says nothing", b.now())
}

func TestEveryCuffReadingIsAnAlarmOfItsOwn(t *testing.T) {
	b := newBed(t)
	b.send(num(protocol.NIBPSystolic, 0, "85"))
	id := b.e.Alarms(nil)[0].ID
	b.e.Acknowledge(id, "anna", sec(5))
	for s := 1.0; s < 30; s++ {
		same(t, "the same reading repeated", shorts(b.send(num(protocol.NIBPSystolic, s, "85"))))
	}
	got := b.send(num(protocol.NIBPSystolic, 900, "85"))
	same(t, "the next measurement", shorts(got), "nibp-sys-low medium ended by anna", "nibp-sys-low medium active")
	b.send(num(protocol.NIBPSystolic, 1800, "100"))
	same(t, "a good one clears it", b.now())
}

func TestSparseReadingsAreStillEvaluated(t *testing.T) {
	b := newBed(t)
	b.every(protocol.HeartRate, 0, 121, 60, "130")
	same(t, "one a minute", b.now(), "hr-high medium active")
	b.every(protocol.HeartRate, 180, 301, 60, "100")
	same(t, "one a minute back", b.now())
	b = newBed(t)
	b.send(num(protocol.HeartRate, 0, "130"), num(protocol.HeartRate, 600, "130"))
	same(t, "ten minutes apart are two conditions", b.now())
}

func TestNightLimits(t *testing.T) {
	b := newBed(t)
	b.send(sleep(0, "deep"))
	b.every(protocol.SpO2, 0, 60, 1, "89")
	same(t, "asleep, above the night limit", b.now())
	b.send(sleep(60, "awake"))
	b.every(protocol.SpO2, 60, 69, 1, "89")
	same(t, "awake, in its delay", b.now())
	b.send(num(protocol.SpO2, 70, "89"))
	same(t, "awake", b.now(), "spo2-low medium active")
	if a := b.all[0]; a.Night || a.Limit != protocol.Int(90) || !a.Started.Equal(sec(60)) {
		t.Errorf("the limit changes at once: %+v", a)
	}
	b = newBed(t)
	b.send(sleep(0, "asleep"))
	b.every(protocol.SpO2, 0, 31, 1, "87")
	same(t, "below the night limit for its delay", b.now(), "spo2-low medium active")
	if a := b.all[0]; !a.Night || a.Limit != protocol.Int(88) || !a.Declared.Equal(sec(30)) {
		t.Errorf("%+v", a)
	}
}

func TestNightRelaxesNothingElse(t *testing.T) {
	b := newBed(t)
	b.send(sleep(0, "rem"))
	b.every(protocol.HeartRate, 0, 12, 0.5, "130")
	b.every(protocol.RespirationRate, 0, 20, 1, "7")
	same(t, "now", b.now(), "hr-high medium active", "rr-low medium active")
}

func TestNightEndsByStaleUnknownOrHighAlarm(t *testing.T) {
	b := newBed(t)
	b.send(sleep(0, "light"))
	b.every(protocol.SpO2, 355, 376, 1, "89")
	same(t, "6 minutes without a word", b.now(), "spo2-low medium active")
	b = newBed(t)
	b.send(sleep(0, "light"), sleep(1, "unknown"))
	b.every(protocol.SpO2, 2, 14, 1, "89")
	same(t, "unknown is awake", b.now(), "spo2-low medium active")
	b = newBed(t)
	b.send(sleep(0, "light"))
	b.every(protocol.HeartRate, 0, 6, 0.5, "160")
	b.every(protocol.SpO2, 6, 18, 1, "89")
	same(t, "a high alarm ends the night", b.now(), "hr-extreme-high high active", "spo2-low medium active")
}

func TestALowerAlarmIsShownAgainWhenTheHigherEnds(t *testing.T) {
	b := newBed(t)
	b.every(protocol.SpO2, 0, 30, 1, "88")
	low := b.e.Alarms(nil)[0].ID
	b.e.Acknowledge(low, "anna", sec(30))
	b.every(protocol.SpO2, 30, 40, 1, "75")
	same(t, "desat hides it", b.now(), "desat high active", "spo2-low medium active hidden")
	b.every(protocol.SpO2, 40, 50, 1, "88")
	same(t, "and it comes back unacknowledged", b.now(), "desat high latched", "spo2-low medium active")
	for _, a := range b.e.Alarms(nil) {
		if a.Rule == "spo2-low" && (a.ID != low || !a.Started.Equal(t0)) {
			t.Errorf("with another id or beginning: %+v", a)
		}
	}
}

func TestBoxSilentClimbs(t *testing.T) {
	b := newBed(t)
	b.send(num(protocol.HeartRate, 0, "80"))
	same(t, "9 s", shorts(b.advance(9)))
	same(t, "10 s", shorts(b.advance(10)), "box-silent low active")
	same(t, "29 s", shorts(b.advance(29)))
	same(t, "30 s", shorts(b.advance(30)), "box-silent medium active")
	same(t, "2 min", shorts(b.advance(120)), "box-silent high active")
	if a := b.e.Alarms(nil)[0]; !a.Started.Equal(t0) || a.Device != "" || a.Type != protocol.AlarmTechnical {
		t.Errorf("%+v", a)
	}
	same(t, "an hour", shorts(b.advance(3600)))
	b.all = b.e.Contact(sec(3601), true, b.all)
	same(t, "back, watched for a moment", b.now(), "box-silent high active")
	b.all = b.e.Contact(sec(3604), true, b.all)
	b.all = b.e.Contact(sec(3606), true, b.all)
	same(t, "in touch for 5 s", b.now())
}

func TestAcknowledgedSilenceDoesNotClimb(t *testing.T) {
	b := newBed(t)
	b.e.Contact(t0, true, nil)
	b.advance(11)
	b.e.Acknowledge(b.e.Alarms(nil)[0].ID, "anna", sec(12))
	b.advance(600)
	same(t, "now", b.now(), "box-silent low active by anna")
}

func TestAPlacedBoxThatNeverReportedIsSilent(t *testing.T) {
	b := newBed(t)
	same(t, "unplaced", shorts(b.advance(1000)))
	b.e.Expect(sec(1000))
	b.e.Expect(sec(1005))
	same(t, "placed", shorts(b.advance(1010)), "box-silent low active")
	b.all = b.e.Release(sec(1020), b.all)
	same(t, "taken away", b.now())
	same(t, "taken away", shorts(b.advance(2000)))
}

func TestSilenceWhileWeDidNotListenIsNotTheBoxes(t *testing.T) {
	b := newBed(t)
	b.send(num(protocol.HeartRate, 0, "80"))
	b.e.Resume(sec(300))
	same(t, "just back", shorts(b.advance(301)))
	same(t, "still silent", shorts(b.advance(310)), "box-silent low active")
}

func TestStaleValue(t *testing.T) {
	b := newBed(t)
	b.every(protocol.SpO2, 0, 30, 1, "97")
	for s := 1.0; s < 15; s += 0.5 { // spo2 goes on, heart rate stops at 2 s
		if s <= 2 {
			b.send(num(protocol.HeartRate, 30+s, "80"))
		}
		b.send(num(protocol.SpO2, 30+s, "97"))
		b.advance(30 + s)
	}
	same(t, "now", b.now(), "stale-heart-rate low active")
	if a := b.all[0]; !a.Started.Equal(sec(32)) {
		t.Errorf("began %s, want the last reading", a.Started)
	}
	b.send(num(protocol.HeartRate, 46, "80"))
	same(t, "ended by a reading", b.now())
}

func TestStaleDoesNotEndAnAlarmNorRingBesideASilentBox(t *testing.T) {
	b := newBed(t)
	b.every(protocol.HeartRate, 0, 12, 0.5, "130")
	for s := 12.0; s < 400; s++ {
		b.advance(s)
	}
	same(t, "now", b.now(), "box-silent high active", "hr-high medium active")
}

func TestEpisodicValuesAreNeverStale(t *testing.T) {
	b := newBed(t)
	b.send(num(protocol.NIBPSystolic, 0, "120"), num(protocol.Glucose, 0, "100"))
	for s := 1.0; s < 9000; s += 3 {
		b.all = b.e.Contact(sec(s), true, b.all)
		b.advance(s)
	}
	same(t, "now", b.now())
}

func TestClockOffset(t *testing.T) {
	b := newBed(t)
	for s := 0.0; s < 40; s++ {
		batch := b.batch(num(protocol.HeartRate, s, "80"))
		b.all = b.e.Observe(&batch, false, sec(s+3.5), b.all)
	}
	same(t, "now", b.now(), "clock-offset low active")
	if v := b.all[0].Value.String(); v != "3.5" {
		t.Errorf("offset %s, want 3.5", v)
	}
}

func TestAWrongClockDoesNotSilenceAlarms(t *testing.T) {
	b := newBed(t)
	for s := 0.0; s < 15; s += 0.5 { // two hours behind
		batch := b.batch(num(protocol.HeartRate, s, "160"))
		b.all = b.e.Observe(&batch, false, sec(s+7200), b.all)
	}
	same(t, "now", b.now(), "hr-extreme-high high active", "hr-high medium active hidden")
	b = newBed(t)
	b.every(protocol.HeartRate, 7200, 7203, 0.5, "160")
	b.every(protocol.HeartRate, 0, 5, 0.5, "160") // set back
	same(t, "set back", b.now(), "hr-extreme-high high active")
}

func TestDeviceEvents(t *testing.T) {
	vt := protocol.Code(199832)
	b := newBed(t)
	b.send(happening(vt, 0, protocol.PhaseStart, protocol.PriorityLow))
	same(t, "started", b.now(), "device-ventricular-tachycardia high active")
	b.send(happening(vt, 5, protocol.PhaseEnd, 0))
	same(t, "ended", b.now(), "device-ventricular-tachycardia high latched")

	b = newBed(t)
	b.send(happening(protocol.EventHigh, 0, protocol.PhaseStart, protocol.PriorityLow))
	a := b.e.Alarms(nil)[0]
	b.e.Acknowledge(a.ID, "anna", sec(1))
	same(t, "raised by the device: the acknowledgement goes",
		shorts(b.send(happening(protocol.EventHigh, 2, protocol.PhaseContinue, protocol.PriorityHigh))), "device-alarm high active")
	b.e.Acknowledge(a.ID, "bert", sec(3))
	same(t, "lowered: it stays",
		shorts(b.send(happening(protocol.EventHigh, 4, protocol.PhaseContinue, protocol.PriorityMedium))), "device-alarm medium active by bert")
	same(t, "ends", shorts(b.send(happening(protocol.EventHigh, 5, protocol.PhaseEnd, 0))), "device-alarm medium ended by bert")

	b = newBed(t)
	same(t, "information", shorts(b.send(happening(protocol.EventBoxStarted, 0, protocol.PhaseOnce, 0))))
	b.send(happening(protocol.EventDropped, 1, protocol.PhaseOnce, 0))
	b.send(happening(protocol.EventDropped, 2, protocol.PhaseOnce, 0))
	same(t, "what just happened stands until somebody saw it", b.now(), "readings-dropped low latched")
}

func TestEventsAreNotLeftHangingByARestartOfTheBox(t *testing.T) {
	b := newBed(t)
	b.send(happening(protocol.EventHigh, 0, protocol.PhaseStart, protocol.PriorityMedium))
	b.send(happening(protocol.EventBoxStarted, 10, protocol.PhaseOnce, 0))
	same(t, "now", b.now(), "device-alarm medium latched")
	same(t, "said again", shorts(b.send(happening(protocol.EventHigh, 12, protocol.PhaseStart, protocol.PriorityMedium))),
		"device-alarm medium ended", "device-alarm medium active")
}

func TestDeviceLostHasADelayAndKeepsStaleQuiet(t *testing.T) {
	b := newBed(t)
	b.every(protocol.HeartRate, 0, 10, 1, "80")
	b.send(happening(protocol.EventDisconnected, 10, protocol.PhaseStart, protocol.PriorityMedium))
	for s := 10.0; s < 39; s++ {
		b.all = b.e.Contact(sec(s), true, b.all)
		b.advance(s)
	}
	same(t, "now", b.now(), "device-lost low active")
	b.send(happening(protocol.EventDisconnected, 40, protocol.PhaseEnd, 0))
	same(t, "back", b.now())
}

func TestLateReadingsNeverRing(t *testing.T) {
	b := newBed(t)
	b.send(num(protocol.HeartRate, 1000, "80"))
	b.late = true
	b.every(protocol.HeartRate, 0, 20, 0.5, "170")
	b.every(protocol.HeartRate, 20, 60, 0.5, "90")
	b.late = false
	same(t, "live", b.now(), "hr-extreme-high low latched missed")
	var last Alarm
	for _, a := range b.all {
		if !a.Missed || a.State == Active {
			t.Errorf("rings: %s", short(a))
		}
		if a.Rule == "hr-extreme-high" && a.State == Ended {
			last = a
		}
	}
	if !last.Started.Equal(t0) || !last.Ended.Equal(sec(25)) || last.Ended.IsZero() {
		t.Errorf("missed %+v", last)
	}
}

func TestAnOldReadingOnTheLiveLaneIsLateToo(t *testing.T) {
	b := newBed(t)
	for s := 0.0; s < 20; s += 0.5 {
		batch := b.batch(num(protocol.HeartRate, s, "170"))
		batch.Sent = sec(s + 61)
		b.all = b.e.Observe(&batch, false, sec(s+61), b.all)
	}
	same(t, "live", b.now(), "hr-extreme-high low latched missed")
}

func TestNewestFirstDoesNotDisturbTheLiveState(t *testing.T) {
	b := newBed(t)
	var batches []protocol.Batch
	for s := 0.0; s < 10; s += 0.5 {
		v := "170"
		if s >= 9 {
			v = "90"
		}
		batches = append(batches, b.batch(num(protocol.HeartRate, s, v)))
	}
	for i := len(batches) - 1; i >= 0; i-- {
		b.all = b.e.Observe(&batches[i], false, sec(10), b.all)
	}
	same(t, "live", b.now())
	b.every(protocol.HeartRate, 10, 30, 0.5, "90")
	same(t, "live", b.now())
}

func TestARedeliveredBatchChangesNothing(t *testing.T) {
	b := newBed(t)
	var sent []protocol.Batch
	for s := 0.0; s < 30; s += 0.5 {
		v := "130"
		if s > 15 {
			v = "100"
		}
		batch := b.batch(num(protocol.HeartRate, s, v))
		sent = append(sent, batch)
		b.all = b.e.Observe(&batch, false, sec(s), b.all)
	}
	n := len(b.all)
	for i := range sent {
		b.all = b.e.Observe(&sent[i], i%2 == 0, sec(30), b.all)
	}
	same(t, "changes", shorts(b.all[n:]))
}

func TestAnEventThatBeganInAnOutageAndStillHoldsRings(t *testing.T) {
	b := newBed(t)
	b.send(happening(protocol.EventBatteryLow, 0, protocol.PhaseStart, 0))
	b.send(happening(protocol.EventBatteryLow, 1, protocol.PhaseEnd, 0))
	missed := b.batch(happening(protocol.EventBatteryLow, 100, protocol.PhaseStart, 0))
	between := b.batch(happening(protocol.EventHigh, 110, protocol.PhaseStart, protocol.PriorityMedium), happening(protocol.EventHigh, 120, protocol.PhaseEnd, 0))
	b.send(happening(protocol.EventBoxStarted, 400, protocol.PhaseOnce, 0))
	missed.Sent, between.Sent = sec(401), sec(401)
	same(t, "late", shorts(b.e.Observe(&missed, true, sec(401), nil)), "battery-low low ended missed")
	same(t, "now all is known", shorts(b.e.Observe(&between, true, sec(401), nil)),
		"device-alarm medium ended missed", "device-alarm medium ended missed", "device-alarm low latched missed", "battery-low low active")
	if a := b.e.Alarms(nil)[0]; !a.Started.Equal(sec(100)) || a.Revision < 2 {
		t.Errorf("%+v", a)
	}
}

func TestALateEndEndsALiveEvent(t *testing.T) {
	b := newBed(t)
	b.send(happening(protocol.EventBatteryLow, 0, protocol.PhaseStart, 0))
	b.late = true
	b.send(happening(protocol.EventBatteryLow, 50, protocol.PhaseEnd, 0))
	same(t, "now", b.now())
}

func TestStopEndsEverythingAndNamesTheUser(t *testing.T) {
	b := newBed(t)
	b.every(protocol.HeartRate, 0, 12, 0.5, "160")
	same(t, "stopped", shorts(b.e.Stop("anna", sec(12), nil)), "hr-extreme-high high ended by anna", "hr-high medium ended by anna")
	same(t, "now", b.now())
	b.every(protocol.HeartRate, 13, 20, 0.5, "160")
	same(t, "a new patient starts anew", b.now(), "hr-extreme-high high active")
}

func TestSeriesAndEventsAreBounded(t *testing.T) {
	b := newBed(t)
	for i := range 2 * maxSeries {
		o := num(protocol.SpO2, float64(i), "97")
		o.Channel = fmt.Sprint(i)
		b.send(o)
		ev := happening(protocol.EventHigh, float64(i), protocol.PhaseStart, protocol.PriorityLow)
		ev.Channel = fmt.Sprint(i)
		b.send(ev)
	}
	if n := b.e.Refused(); n != maxSeries+2*maxSeries-maxEvents {
		t.Errorf("refused %d", n)
	}
}

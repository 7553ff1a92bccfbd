package bbraun

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// The rack is asked every 5 s. What is left to infuse is 0 in the kit, and
// would be changed to less.
var options = drivertest.Options{
	Settle: 8 * time.Second,
	Expect: []protocol.Code{rate, volumeLeft, infused, pressure, inSyringe, bolusRate, bolus},
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/rack.hex", "A simulated rack with three pumps, stuffed.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 31 * time.Second, What: "running"},
		drivertest.Act{For: 11 * time.Second, What: "the pumps are removed", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 6 * time.Second, What: "and are there again", Do: func(p *drivertest.Patient) { p.AllOff(false) }})
	other := Driver
	other.Simulate = Device{Plain: true, Cyclic: 5 * time.Second}.Simulate
	drivertest.Record(t, "testdata/cyclic.hex", "A simulated rack with three pumps, not stuffed, that sends by itself.", other, drivertest.NewPatient(),
		drivertest.Act{For: 16 * time.Second, What: "running"})
	drivertest.Run(t, Driver, options)
}

func TestOtherRacks(t *testing.T) {
	for name, device := range map[string]Device{
		"without stuffing":            {Plain: true},
		"cyclic":                      {Cyclic: 5 * time.Second},
		"cyclic and without stuffing": {Cyclic: 3 * time.Second, Plain: true},
		"a bed id that is stuffed":    {Bed: "EdDE-eX7"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Driver
			d.Simulate = device.Simulate
			drivertest.Play(t, d, options)
		})
	}
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

// FuzzRecords is behind the check.
func FuzzRecords(f *testing.F) {
	f.Add("12,50100,GNACK,0", "207,50100,V3.30")
	f.Add(pumpText("11", "INNR,4", "INRT,5.0", "ALARM1,1024", "INDORT,0.05", "INDORTU,71"), pumpText("11", "INNR,5", "INRT,_NV", "RUNSTATE,4"))
	f.Add("1,50111,GNERR,39\x1e1,5011A,GNERR,41", "1,50100,GNERR,11\x1e1,50100,GNERR,51")
	f.Fuzz(func(t *testing.T, first, second string) {
		d := makeDecoder("")
		for _, info := range []string{first, second, first} {
			for _, o := range drivertest.Decode(d, appendBlock(nil, "ICU07", info, true, stuffed)) {
				if err := drivertest.Check(o); err != nil {
					t.Error(err)
				}
				if !slices.Contains(codes, o.Code) {
					t.Errorf("code %d is not in the list", o.Code)
				}
			}
		}
	})
}

func FuzzStuffing(f *testing.F) {
	f.Add([]byte("EX"), []byte("ADMIN:ALIVE"))
	f.Add([]byte("EEX"), []byte("EeDdXx"))
	f.Fuzz(func(t *testing.T, wire, text []byte) {
		if back, ok := unstuff(nil, stuff(nil, text)); !ok || string(back) != string(text) {
			t.Errorf("%q came back as %q, %v", text, back, ok)
		}
		if got, ok := unstuff(nil, wire); ok && string(stuff(nil, got)) != string(wire) {
			t.Errorf("%q was taken for %q", wire, got)
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	wire := drivertest.Load(b, "testdata/rack.hex")
	drivertest.Bench(b, Driver, wire)
}

func pumpText(place string, params ...string) string {
	var all []string
	for _, p := range params {
		all = append(all, "7,501"+place+","+p)
	}
	return strings.Join(all, "\x1e")
}

// A talk is a decoder that is told blocks of one bed.
type talk struct{ *decoder }

func newTalk() talk { return talk{makeDecoder("")} }

// says gives what is made of an answer of these blocks, in short.
func (d talk) says(blocks ...string) (all []string) {
	for i, info := range blocks {
		for _, o := range drivertest.Decode(d.decoder, appendBlock(nil, "ICU07", info, i == len(blocks)-1, stuffed)) {
			all = append(all, short(o))
		}
	}
	return all
}

func short(o protocol.Observation) string {
	t, _ := protocol.Lookup(o.Code)
	if e := o.Event; e != nil {
		return fmt.Sprintf("%s %s %s %s: %s", o.Channel, t.Label, e.Phase, e.Priority, e.Text)
	}
	s := fmt.Sprintf("%s %s %s", o.Channel, t.Label, o.Quality)
	if o.Value.Valid {
		s += " " + o.Value.String() + " " + string(o.Unit)
	}
	if o.Text != "" {
		s += " " + o.Text
	}
	return s
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestAPumpTellsAllThisOfItself(t *testing.T) {
	d := newTalk()
	got := d.says(pumpText("1A", "GNMODEL,688N030003", "INNR,48213", "INSERNUM,99", "INRT,7.50", "INVTB,100", "INVI,12.25", "INRMT,754", "INP2,31", "INVOLACT,37.75",
		"INBORT,1200.0", "INSOL,Noradrenalin 0,1 mg/ml", "INSOLSN,NorAdr", "INSYR,50", "INM1,1", "INM3,1", "INDOCAL,1", "INDORT,0.050", "INDORTU,00071", "INDCON,0.10", "INDCONU,31"))
	expect(t, "a pump", got,
		"1-A Serial good 48213", "1-A Model good B. Braun 688N030003",
		"1-A Rate good 7.50 mL/h", "1-A VTBI good 100 mL", "1-A Infused good 12.25 mL", "1-A Time left good 12.6 min", "1-A P of limit good 31 %", "1-A In syringe good 37.75 mL",
		"1-A Bolus rate good 1200.0 mL/h", "1-A Drug good Noradrenalin 0,1 mg/ml", "1-A Pump good infusing", "1-A Syringe good 50 mL",
		"1-A Dose good 0.050 ug/kg/min", "1-A Conc good 0.10 mg/mL")
	expect(t, "what was has no value any more", d.says(pumpText("1A", "INNR,48213", "INRT,_NV", "INVTB,_NA", "INVI,12.30", "INRMT,65535", "INP2,", "INSOL,_NA", "INSOLSN,_NV", "INM3,_NV", "INDOCAL,0", "INDORT,0.050", "INDORTU,71")),
		"1-A Rate missing", "1-A VTBI missing", "1-A Infused good 12.30 mL", "1-A Time left missing", "1-A P of limit missing", "1-A In syringe missing", "1-A Bolus rate missing",
		"1-A Drug missing", "1-A Pump missing", "1-A Syringe missing", "1-A Dose missing", "1-A Conc missing")
	expect(t, "what never had a value", newTalk().says(pumpText("12", "INRT,_NV", "INRMT,65535", "INDORT,_NA", "INSOL,_NV", "INVI,_NA")))
	expect(t, "what is no number", newTalk().says(pumpText("12", "INRT,12:30", "INVI,1e3", "INDORT,much", "INDORTU,71")), "1-2 Rate invalid", "1-2 Infused invalid")
}

func TestUnitsOfDoses(t *testing.T) {
	for code, want := range map[string]string{
		"1": "5 mL/h", "00044": "5 ng/min", "63": "5 [IU]/h", "64": "5 [IU]/d", "71": "5 ug/kg/min", "82": "5 meq/kg/d", "98": "5 ng/m2/min", "112": "5 g/m2/d",
		"129": "5 m[IU]/m2/d", "142": "5 M[IU]/kg/h", "155": "5 mL/kg/h", "92": "5 (unit 92)", "0": "5 (unit 0)", "4711": "5 (unit 4711)", "": "none", "ug": "none", "_NV": "none",
	} {
		got := "none"
		for _, s := range newTalk().says(pumpText("11", "INDORT,5", "INDORTU,"+code)) {
			if rest, ok := strings.CutPrefix(s, "1-1 Dose good "); ok {
				got = rest
			}
		}
		if got != want {
			t.Errorf("unit %q: %q, want %q", code, got, want)
		}
	}
}

func TestStates(t *testing.T) {
	for params, want := range map[string]string{
		"INM1,1 INM3,0":                    "ready",
		"INM1,0 INM3,0":                    "stopped",
		"INM3,1 INM10,0":                   "infusing",
		"INM3,1 INM10,1":                   "KVO",
		"INM3,1 INM2,1":                    "bolus",
		"INM3,1 INM14,1":                   "purging",
		"INM3,0 INM6,1":                    "standby",
		"DSSTATUS,00050 INM3,0":            "off",
		"DSSTATUS,00051 INM3,1":            "infusing",
		"RUNSTATE,1":                       "stopped",
		"RUNSTATE,2":                       "infusing",
		"RUNSTATE,8":                       "KVO",
		"PUMPSTAT,195":                     "infusing",
		"PUMPSTAT,1155":                    "bolus",
		"PUMPSTAT,7":                       "standby",
		"PUMPSTAT,0":                       "off",
		"DSSTATUS,00051":                   "",
		"INM1,1 INM2,0 INM10,0":            "",
		"INM6,1":                           "standby",
		"INM2,1":                           "bolus",
		"INM3,_NV RUNSTATE,0x2 PUMPSTAT,a": "",
	} {
		got := ""
		for _, s := range newTalk().says(pumpText("11", strings.Fields(params)...)) {
			if rest, ok := strings.CutPrefix(s, "1-1 Pump good "); ok {
				got = rest
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", params, got, want)
		}
	}
}

func TestAlarmsBeginAndEnd(t *testing.T) {
	d := newTalk()
	says := func(params ...string) []string {
		return slices.DeleteFunc(d.says(pumpText("11", params...)), func(s string) bool { return strings.HasPrefix(s, "1-1 Drug ") })
	}
	expect(t, "two alarms, one of them told twice", says("INSOLSN,NorAdr", "INA2,0", "INA3,1", "ALARM1,1024", "PREALARM,2", "INM8,1"),
		"1-1 syringe-near-end Alarm start low: pump 1-1 NorAdr: syringe nearly empty", "1-1 pressure Alarm start high: pump 1-1 NorAdr: pressure high")
	expect(t, "one says that it is over, the other that it stands", says("INSOLSN,NorAdr", "INA3,0", "ALARM1,1024", "PREALARM,2"))
	expect(t, "nothing is said of alarms", says("INSOLSN,NorAdr", "INA3,_NV", "ALARM1,_NA"))
	expect(t, "one ends, one begins", says("INSOLSN,NorAdr", "INA2,1", "INA3,0", "ALARM1,512", "PREALARM,0", "INM8,0"),
		"1-1 syringe-empty Alarm start high: pump 1-1 NorAdr: syringe empty", "1-1 syringe-near-end Alarm end low: pump 1-1 NorAdr: syringe nearly empty",
		"1-1 pressure Alarm end high: pump 1-1 NorAdr: pressure high", "1-1 on-battery Alarm start none: pump 1-1 NorAdr: runs on its battery")
	expect(t, "the rest", says("INA2,0", "ALARM1,1", "INA15,1", "INM8,1", "INM12,1"),
		"1-1 syringe-empty Alarm end high: pump 1-1: syringe empty", "1-1 air Alarm start high: pump 1-1: air in the line",
		"1-1 on-battery Alarm end none: pump 1-1: runs on its battery", "1-1 soft-low Low start none: pump 1-1: below the soft limit of the drug")

	d = newTalk()
	expect(t, "an alarm without a name", says("RUNSTATE,4"), "1-1 Pump good stopped", "1-1 other Alarm start high: pump 1-1: alarm")
	expect(t, "its name comes later", says("RUNSTATE,4", "INA14,1"), "1-1 Pump good stopped",
		"1-1 drops Alarm start high: pump 1-1: drops missing or not as they should be", "1-1 other Alarm end high: pump 1-1: alarm")
	expect(t, "a bit without a name", says("RUNSTATE,36", "INA14,0", "ALARM2,65536"), "1-1 Pump good stopped",
		"1-1 drops Alarm end high: pump 1-1: drops missing or not as they should be", "1-1 other Alarm start high: pump 1-1: alarm", "1-1 other-pre Alarm start low: pump 1-1: pre-alarm")

	d = newTalk()
	expect(t, "KVO", says("INM10,1", "RUNSTATE,40"), "1-1 Pump good KVO", "1-1 kvo Alarm start medium: pump 1-1: only keeps the vein open")
	expect(t, "KVO is over", says("INM10,0", "RUNSTATE,2", "PREALARM,0"), "1-1 Pump good infusing", "1-1 kvo Alarm end medium: pump 1-1: only keeps the vein open")

	d = newTalk()
	expect(t, "a fault of last year", says("LASTDA,1203"))
	expect(t, "a fault of now", says("LASTDA,1204"), "1-1 fault Malfunction once high: pump 1-1: device alarm 1204")
	expect(t, "the same", says("LASTDA,1204"))
}

func TestAfterASilenceWhatStandsIsToldAgain(t *testing.T) {
	d := newTalk()
	both := func() []string {
		return d.says(pumpText("11", "INA3,1", "INA15,0"), pumpText("12", "GNERR,41"), "9,50100,GNERR,51")
	}
	all := []string{"1-1 pressure Alarm start high: pump 1-1: pressure high", "1-2 link Alarm start medium: pump 1-2: the rack cannot reach it",
		"topology Alarm start medium: the rack does not know where its pumps are"}
	expect(t, "at first", both(), all...)
	expect(t, "later", both())
	d.standAgain()
	all[0], all[1] = strings.Replace(all[0], "start", "continue", 1), strings.Replace(all[1], "start", "continue", 1)
	expect(t, "after a silence", both(), all...)
	expect(t, "and once", both())

	d = newTalk()
	d.says(pumpText("11", "INA3,1"))
	d.standAgain()
	expect(t, "the rack is back before its pump", d.says(pumpText("11", "GNERR,41")), "1-1 link Alarm start medium: pump 1-1: the rack cannot reach it")
	expect(t, "and then the pump", d.says(pumpText("11", "INA3,1")), "1-1 link Alarm end medium: pump 1-1: the rack cannot reach it",
		"1-1 pressure Alarm continue high: pump 1-1: pressure high")
	d.standAgain()
	expect(t, "of this one nothing is said at first", d.says(pumpText("11", "INM3,1")), "1-1 Pump good infusing", "1-1 pressure Alarm continue high: pump 1-1: pressure high")
}

// A second start in other words would be a second alarm, and only one of them would end.
func TestAnAlarmOfAPumpWhoseDrugIsRenamedStaysOne(t *testing.T) {
	d := newTalk()
	d.says(pumpText("11", "INSOLSN,A", "INA3,1"))
	expect(t, "renamed", d.says(pumpText("11", "INSOLSN,B", "INA3,1")), "1-1 Drug good B", "1-1 pressure Alarm continue high: pump 1-1 B: pressure high")
	d.standAgain()
	expect(t, "renamed over a silence", d.says(pumpText("11", "INSOLSN,C", "INA3,1")), "1-1 Drug good C", "1-1 pressure Alarm continue high: pump 1-1 C: pressure high")
}

func TestAnAnswerLikeTheLastAllocatesNothing(t *testing.T) {
	d := makeDecoder("")
	wire := appendBlock(nil, "ICU07", pumpText("11", "GNMODEL,688N", "INNR,1", "INRT,5.0", "INSOL,NaCl", "INSOLSN,NaCl", "INSYR,50", "INM3,1", "INDORT,5", "INDORTU,71",
		"INBOVAL,2", "INBOCNT,1", "INA3,1", "ALARM1,1024", "LASTDA,1203", "PATID,1"), true, stuffed)
	n := 0
	emit := func(protocol.Observation) { n++ }
	d.Decode(wire, emit)
	if got := testing.AllocsPerRun(100, func() { d.Decode(wire, emit) }); got > 0 || n == 0 { // but for the time left, which is converted
		t.Errorf("%v allocations, %d observations", got, n)
	}
}

func TestEachAlarmHasAPlaceOfItsOwn(t *testing.T) {
	keys := map[string]bool{}
	for id, a := range alarms {
		if a.key == "" || a.text == "" || keys[a.key] {
			t.Errorf("alarm %d: %+v", id, a)
		}
		keys[a.key] = true
	}
	if len(alarms) != int(noAlarm) || noAlarm > 64 {
		t.Errorf("%d alarms, want %d", len(alarms), noAlarm)
	}
	// Each flag and each bit gives one alarm or none.
	for name, n := range map[string]int{"INA": 15, "ALARM1": 30, "ALARM2": 31, "PREALARM": 31} {
		got := 0
		for i := range 32 {
			param := fmt.Sprintf("%s,%d", name, uint32(1)<<i)
			if name == "INA" {
				param = fmt.Sprintf("INA%d,1", i+1)
			}
			switch begun := newTalk().says(pumpText("11", param)); len(begun) {
			case 0:
			case 1:
				got++
			default:
				t.Errorf("%s: %q", param, begun)
			}
		}
		if got != n {
			t.Errorf("%s: %d bits give an alarm, want %d", name, got, n)
		}
	}
}

func TestABolusIsToldOnce(t *testing.T) {
	d := newTalk()
	says := func(count, volume string) []string {
		return d.says(pumpText("11", "INBOVAL,"+volume, "INBOCNT,"+count))
	}
	expect(t, "one that was before", says("3", "1.50"), "1-1 Bolus unknown 1.50 mL")
	expect(t, "the same", says("3", "1.50"))
	expect(t, "as much again", says("4", "1.50"), "1-1 Bolus good 1.50 mL")
	expect(t, "one that grows", says("4", "1.70"), "1-1 Bolus good 1.70 mL")
	expect(t, "the counter wraps", says("0", "1.70"), "1-1 Bolus good 1.70 mL")
	expect(t, "nothing", says("_NV", "_NV"))
	expect(t, "still the same", says("0", "1.70"))
}

func TestAPumpIsRemovedAndComesBack(t *testing.T) {
	a := pumpText("11", "INNR,1", "INRT,5.0", "INM3,1", "INSOLSN,NorAdr", "INA12,1")
	b := pumpText("1O", "INNR,2", "INRT,6.0", "INM3,0")
	d := newTalk()
	d.says(a, b)
	expect(t, "removed while it ran", d.says(pumpText("11", "GNERR,39"), b),
		"1-1 gone Alarm once medium: pump 1-1 NorAdr: removed from the rack, or not reached, while it ran or gave an alarm", "1-1 Absent start none: pump 1-1 NorAdr: removed from the rack",
		"1-1 Rate missing", "1-1 Drug missing", "1-1 Pump missing", "1-1 syringe-near-end Alarm end low: pump 1-1 NorAdr: syringe nearly empty",
		"1-O Rate good 6.0 mL/h", "1-O Pump good stopped")
	expect(t, "and away", d.says(b), "1-O Rate good 6.0 mL/h", "1-O Pump good stopped")
	expect(t, "no pump at all", d.says("9,50100,GNERR,11"), "1-O Absent start none: pump 1-O: removed from the rack", "1-O Rate missing", "1-O Pump missing")
	expect(t, "still none", d.says("9,50100,GNERR,11"))
	expect(t, "another pump in its place", d.says(pumpText("11", "INNR,3", "INRT,7.0")), "1-1 Serial good 3", "1-1 Absent end none: pump 1-1: in the rack again", "1-1 Rate good 7.0 mL/h")
	expect(t, "exchanged between two answers", d.says(pumpText("11", "INNR,4", "INRT,8.0", "INM3,1")), "1-1 Rate missing", "1-1 Serial good 4", "1-1 Rate good 8.0 mL/h", "1-1 Pump good infusing")
	expect(t, "exchanged while it ran", d.says(pumpText("11", "INNR,5", "INRT,9.0")),
		"1-1 gone Alarm once medium: pump 1-1: removed from the rack, or not reached, while it ran or gave an alarm", "1-1 Rate missing", "1-1 Pump missing", "1-1 Serial good 5", "1-1 Rate good 9.0 mL/h")
}

func TestAPumpThatTwoAnswersLackIsRemoved(t *testing.T) {
	a, b := pumpText("11", "INNR,1", "INRT,5.0"), pumpText("21", "INNR,2", "INRT,6.0")
	d := newTalk()
	d.says(a, b)
	expect(t, "one answer", d.says(a), "1-1 Rate good 5.0 mL/h")
	d.says("12,50100,GNACK,0")
	d.says("12,50100,V3.36")
	expect(t, "another one", d.says(a), "1-1 Rate good 5.0 mL/h", "2-1 Absent start none: pump 2-1: removed from the rack", "2-1 Rate missing")
	// One that was cut off lacks nobody.
	d = newTalk()
	d.says(a, pumpText("21", "INRT,6.0", "INA3,1"))
	for range 5 {
		drivertest.Decode(d.decoder, appendBlock(nil, "ICU07", a, false, stuffed))
		expect(t, "cut off", d.says("12,50100,GNACK,0"))
	}
	d = newTalk()
	d.says(a, b)
	// What follows the pumps is no empty rack.
	expect(t, "no further data", d.says(a, "9,50100,GNERR,11"), "1-1 Rate good 5.0 mL/h")
}

func TestAPumpThatCannotBeReached(t *testing.T) {
	a := pumpText("11", "INNR,1", "INRT,5.0", "INA15,1")
	d := newTalk()
	d.says(a)
	expect(t, "its values go, its alarm stays", d.says(pumpText("11", "GNERR,41")), "1-1 link Alarm start medium: pump 1-1: the rack cannot reach it", "1-1 Rate missing")
	expect(t, "still", d.says(pumpText("11", "GNERR,41")))
	expect(t, "it is back", d.says(a), "1-1 link Alarm end medium: pump 1-1: the rack cannot reach it", "1-1 Rate good 5.0 mL/h",
		"1-1 air Alarm continue high: pump 1-1: air in the line")
	expect(t, "an error that nobody knows", d.says(pumpText("11", "GNERR,977")), "1-1 link Alarm start medium: pump 1-1: the rack cannot reach it", "1-1 Rate missing")
	expect(t, "it is removed", d.says(pumpText("11", "GNERR,39")), "1-1 link Alarm end medium: pump 1-1: the rack cannot reach it",
		"1-1 gone Alarm once medium: pump 1-1: removed from the rack, or not reached, while it ran or gave an alarm", "1-1 Absent start none: pump 1-1: removed from the rack",
		"1-1 air Alarm end high: pump 1-1: air in the line")
	expect(t, "topology", d.says("9,50100,GNERR,51"), "topology Alarm start medium: the rack does not know where its pumps are")
	expect(t, "topology again right", d.says(pumpText("12", "INRT,5")), "1-2 Rate good 5 mL/h", "topology Alarm end medium: the rack does not know where its pumps are")
	expect(t, "one refusal", d.says("9,50100,GNERR,68"))
	expect(t, "two refusals", d.says("9,50100,GNERR,811"), "refused Alarm start medium: the rack refuses to answer")
	expect(t, "an answer", d.says(pumpText("12", "INRT,5")), "1-2 Rate good 5 mL/h", "refused Alarm end medium: the rack refuses to answer")
}

func TestNothingOfPatientOrStaffLeaves(t *testing.T) {
	const secret = "Mustermann"
	var params []string
	for _, name := range []string{"PATID", "PATW", "PATH", "PATAGE", "PATSEX", "PATIDBADGE", "PATIDDRUG", "NURSEID", "DRUGORDERNO", "FMBANY", "SOMETHINGNEW", "GNERR"} {
		params = append(params, name+","+secret, "X"+name+","+secret)
	}
	d := newTalk()
	got := d.says(pumpText("11", append(params, "INRT,5.0")...), pumpText("00", params...))
	expect(t, "only the rate", got, "1-1 Rate good 5.0 mL/h")
	if d.unread != uint64(2*len(params)) {
		t.Errorf("%d parameters counted as not read, want %d", d.unread, 2*len(params))
	}
}

func TestRecordsThatAreNone(t *testing.T) {
	d := newTalk()
	for _, bad := range []string{"x,50111,INRT,5", "7,50011,INRT,5", "7,50141,INRT,5", "7,5011P,INRT,5", "7,50110,INRT,5", "7,50101,INRT,5", "7,5011:,INRT,5", "7,501110,INRT,5", "7,50111", "7,50111,", "", ",50111,INRT,5", "7,50111,INRT", "7,50111,inrt,5"} {
		if got := d.says(bad); got != nil {
			t.Errorf("%q gave %q", bad, got)
		}
	}
	expect(t, "the one between", d.says("\x1e\x1e7,50111,INRT,\x1e7,50111,INRT,5\x1ejunk"), "1-1 Rate good 5 mL/h")
	expect(t, "signs of the maker's own", d.says(pumpText("11", "INSOL,Na\ue012Cl µ")), "1-1 Rate missing", "1-1 Drug good Na\ue012Cl µ")
	expect(t, "what is no UTF-8", d.says(pumpText("11", "INSOL,Na\xffCl")), "1-1 Rate missing", "1-1 Drug good Na�Cl")
}

func TestTheFormIsSeenFromTheLetters(t *testing.T) {
	for _, c := range []struct {
		info string
		sent form
		want form
	}{
		{"12,50100,GNACK,0", stuffed, neutral}, {"12,50100,GNACK,0", plain, neutral}, {"12,50100,GNERR,11", stuffed, stuffed}, {"12,50100,GNERR,11", plain, plain},
		{"12,50111,INSOL,EEX EX dx ee", stuffed, stuffed}, {"12,50111,INSOL,EEX EX dx ee", plain, plain}, {"12,50111,INSOL,EE", plain, plain},
	} {
		wire := appendBlock(nil, "ICU07", c.info, true, c.sent)
		var o opener
		bl, n := o.open(wire)
		if n != len(wire) || string(bl.info) != c.info || bl.form != c.want || string(bl.bed) != "ICU07" || !bl.last {
			t.Errorf("%q sent in form %d: %d of %d bytes, %q, form %d", c.info, c.sent, n, len(wire), bl.info, bl.form)
		}
	}
	if got := string(stuff(nil, []byte("MEM:GET"))); got != "MEEM:GEET" {
		t.Errorf("MEM:GET is stuffed to %s", got)
	}
	for _, bad := range []string{"E", "Ex", "eX", "D", "EEd", "EXE"} {
		if got, ok := unstuff(nil, []byte(bad)); ok {
			t.Errorf("%q was unstuffed to %q", bad, got)
		}
	}
}

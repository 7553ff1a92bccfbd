package phd

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// A talk is a conversation with the session, second by second.
type talk struct {
	t   *testing.T
	s   *session
	now time.Duration
	got []protocol.Observation
}

func newTalk(t *testing.T, change ...func(*Settings)) *talk {
	s := defaults()
	for _, c := range change {
		c(&s)
	}
	return &talk{t: t, s: newSession(&s)}
}

func unhex(text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// hears gives what is sent after the device has said b.
func (k *talk) hears(b []byte) string {
	k.s.Decode(b, func(o protocol.Observation) {
		if err := drivertest.Check(o); err != nil {
			k.t.Error(err)
		}
		k.got = append(k.got, o)
	})
	return k.asks()
}

func (k *talk) asks() string {
	b, _ := k.s.Ask(nil, k.now)
	if err := allowed(b, k.s.settings.Scanners); err != nil {
		k.t.Error(err)
	}
	return fmt.Sprintf("% X", b)
}

// after lets time pass, as Run does.
func (k *talk) after(d time.Duration) string {
	var all []string
	for end := k.now + d; k.now < end; {
		k.now += 250 * time.Millisecond
		k.s.Decode(nil, func(o protocol.Observation) { k.got = append(k.got, o) })
		if b := k.asks(); b != "" {
			all = append(all, b)
		}
	}
	return strings.Join(all, " | ")
}

// take gives what was emitted since the last take, briefly.
func (k *talk) take() []string {
	all := brief(k.got)
	k.got = nil
	return all
}

func brief(got []protocol.Observation) (all []string) {
	for _, o := range got {
		what := o.Value.String() + o.Text
		if o.Event != nil {
			what = o.Event.Phase.String() + " " + o.Event.Text
		}
		if o.Samples != nil {
			what = fmt.Sprint(o.Samples.RateMilliHz, " ", o.Samples.Scale, " ", o.Samples.Offset, " ", o.Samples.Raw)
		}
		term, _ := protocol.Lookup(o.Code)
		line := fmt.Sprintf("%s/%s %s %s %s", strings.TrimPrefix(term.RefID, "MDC_"), o.Channel, o.Quality, what, o.Unit)
		if o.Delay != 0 {
			line += " " + o.Delay.String()
		}
		all = append(all, line)
	}
	return all
}

func (k *talk) wants(what string, want ...string) {
	k.t.Helper()
	if got := k.take(); !slices.Equal(got, want) {
		k.t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// allowed says what of b the driver must never send.
func allowed(b []byte, scanners bool) error {
	be := binary.BigEndian
	for len(b) > 0 {
		if len(b) < 6 || len(b) < 4+int(be.Uint16(b[2:])) {
			return fmt.Errorf("sends a piece: % X", b)
		}
		one := b[:4+int(be.Uint16(b[2:]))]
		b = b[len(one):]
		text := fmt.Sprintf("%X", one)
		ok := false
		switch be.Uint16(one) {
		case apduAssociated:
			ok = len(one) == 48
		case apduRelease, apduReleased:
			ok = text[8:] == "0000"
		case apduAbort:
			ok = text[8:] == "0000" || text[8:] == "0003"
		case apduData:
			if len(one) < dataHeader || int(be.Uint16(one[4:])) != len(one)-6 || int(be.Uint16(one[10:])) != len(one)-12 {
				return fmt.Errorf("sends a data APDU with a wrong length: %s", text)
			}
			switch argument := text[2*dataHeader:]; be.Uint16(one[8:]) {
			case answerEvent:
				ok = true
			case answerError:
				ok = argument == "00180000"
			case serviceGet:
				ok = argument == "000000000000"
			case serviceConfirmedAction:
				ok = argument[4:] == "0C0D0006000100020000" || argument[4:12] == "0C1C0002" && len(argument) == 16
			case serviceConfirmedSet:
				ok = scanners && argument[4:] == "00010008"+"0000"+"0953"+"0002"+"0001"
			}
		}
		if !ok {
			return fmt.Errorf("must not send %s", text)
		}
	}
	return nil
}

var (
	workedAssociate = unhex("E2 00 00 32 80 00 00 00 00 01 00 2A 50 79 00 26 80 00 00 00 A0 00 80 00 00 00 00 00 00 00 00 80 00 00 00 08 00 11 22 33 44 55 66 77 40 00 00 01 01 00 00 00 00 00")
	workedConfig    = unhex("E7 00 00 44 00 42 00 01 01 01 00 3C 00 00 00 00 00 00 0D 1C 00 32 40 00 00 01 00 2C 00 06 00 01 00 04 00 24 09 2F 00 04 00 02 4B 5C 0A 46 00 02 80 40 09 96 00 02 17 A0 0A 55 00 0C 00 02 00 08 0A 4C 00 02 09 90 00 08")
	workedReport    = unhex("E7 00 00 28 00 26 00 02 01 01 00 20 00 00 FF FF FF FF 0D 1D 00 16 F0 00 00 00 00 01 00 0E 00 01 00 0A F1 73 20 26 11 20 09 28 00 00")
	workedRelease   = unhex("E4 00 00 02 00 00")
)

const (
	workedAssociated = "E3 00 00 2C 00 03 50 79 00 26 80 00 00 00 80 00 80 00 00 00 00 00 00 00 80 00 00 00 00 08 02 4D 4F 4E 4D 45 00 01 00 00 00 00 00 00 00 00 00 00"
	workedAccepted   = "E7 00 00 16 00 14 00 01 02 01 00 0E 00 00 00 00 00 00 0D 1C 00 04 40 00 00 00"
	workedConfirmed  = "E7 00 00 12 00 10 00 02 02 01 00 0A 00 00 00 00 00 00 0D 1D 00 00"
	getAll           = "E7 00 00 0E 00 0C 00 %02X 01 03 00 06 00 00 00 00 00 00"
)

// says is a message of a device with this argument.
func says(invoke, service int, argument ...[]byte) []byte {
	return dataAPDU(uint16(invoke), service, bytes.Join(argument, nil))
}

// reports is an event of a device.
func reports(invoke int, handle, kind int, info []byte) []byte {
	return says(invoke, serviceConfirmedEvent, u16(nil, handle), []byte{0xFF, 0xFF, 0xFF, 0xFF}, u16(nil, kind), octets(info))
}

func clockOf(text string) []byte {
	at, err := time.Parse(time.DateTime, text)
	if err != nil {
		panic(err)
	}
	return bcdTime(at)
}

// attributesAre answers the question for attributes.
func attributesAre(invoke int, all ...[]byte) []byte {
	return says(invoke, answerGet, []byte{0, 0}, listOf(all...))
}

// configure associates a device with the configuration of these objects, whose
// clock shows 2026-11-20 09:30:00.
func (k *talk) configure(objects ...[]byte) {
	k.hears(workedAssociate)
	k.hears(reports(1, 0, eventConfig, append([]byte{0x40, 0}, listOf(objects...)...)))
	k.hears(attributesAre(int(k.s.invoke), attribute(attrTimeAbsolute, clockOf("2026-11-20 09:30:00"))))
	k.got = nil
}

func fixedReport(invoke int, observations ...[]byte) []byte {
	return reports(invoke, 0, eventFixed, append([]byte{0xF0, 0, 0, 0}, listOf(observations...)...))
}

func TestTheWorkedConversation(t *testing.T) {
	k := newTalk(t)
	if got := k.hears(nil); got != "" {
		t.Errorf("speaks first: %s", got)
	}
	for _, c := range []struct {
		hears []byte
		says  string
	}{
		{workedAssociate, workedAssociated},
		{workedConfig, workedAccepted + " " + fmt.Sprintf(getAll, 1)},
		{workedReport, ""}, // it waits for the clock
		{attributesAre(1, attribute(attrTimeAbsolute, clockOf("2026-11-20 09:28:02"))), workedConfirmed},
		{unhex("E7 00 00 1A 00 18 00 03 01 01 00 12 00 00 FF FF FF FF 0D 1D 00 08 F0 00 00 01 00 00 00 00"), strings.Replace(workedConfirmed, "00 02 02 01", "00 03 02 01", 1)},
		{workedRelease, "E5 00 00 02 00 00"},
		{workedAssociate, workedAssociated},
		{unhex("E6 00 00 02 00 02"), ""},
		{workedReport, "E6 00 00 02 00 00"}, // not associated
	} {
		if got := k.hears(c.hears); got != c.says {
			t.Errorf("% X:\nsays %s\nwant %s", c.hears, got, c.says)
		}
	}
	k.wants("the conversation", "ATTR_SYS_ID/ good 0011223344556677 ", "TEMP_BODY/ good 37.1 Cel",
		"EVT_ALARM/association good start the device has broken the association off: it had no answer in time ")
}

func TestAReadingIsEmittedBeforeItIsConfirmed(t *testing.T) {
	k := newTalk(t)
	k.hears(workedAssociate)
	k.hears(workedConfig)
	confirmed := false
	for _, b := range [][]byte{workedReport, attributesAre(1)} {
		k.s.Decode(b, func(o protocol.Observation) {
			if o.Code == protocol.BodyTemperature {
				confirmed = true
				for _, w := range k.s.waiting {
					if fmt.Sprintf("% X", w) == workedConfirmed {
						t.Error("confirmed before it was emitted")
					}
				}
			}
		})
	}
	if !confirmed || k.asks() != workedConfirmed {
		t.Error("not emitted, or not confirmed")
	}
}

func TestAReadingDoesNotWaitLongForTheClock(t *testing.T) {
	k := newTalk(t)
	k.hears(workedAssociate)
	k.hears(bytes.Replace(workedConfig, []byte{0x80, 0x40}, []byte{0xF0, 0x40}, 1)) // it may have been kept
	k.hears(workedReport)
	if got := k.after(2500 * time.Millisecond); got != workedConfirmed {
		t.Errorf("says %s", got)
	}
	k.wants("a reading of nobody knows when", "TEMP_BODY/ unknown 37.1 Cel")
	if got := k.after(2 * time.Minute); got != fmt.Sprintf(getAll, 2)+" | "+fmt.Sprintf(getAll, 3) && !strings.HasPrefix(got, fmt.Sprintf(getAll, 2)) {
		t.Errorf("the question without an answer: %s", got)
	}
}

func TestAnyOtherStateThanTheRightOneIsBrokenOff(t *testing.T) {
	get := unhex("E7 00 00 0E 00 0C 00 10 01 03 00 06 00 00 00 00 00 00")
	for _, before := range [][][]byte{{}, {workedAssociate}, {workedAssociate, workedConfig}} {
		for name, b := range map[string][]byte{"question": get, "release answer": unhex("E5 00 00 02 00 00")} {
			k := newTalk(t)
			for _, x := range before {
				k.hears(x)
			}
			want := "E6 00 00 02 00 00"
			if len(before) == 0 && name == "release answer" {
				want = ""
			}
			if got := k.hears(b); got != want {
				t.Errorf("%s after %d: says %s", name, len(before), got)
			}
		}
	}
	k := newTalk(t)
	if got := k.hears(workedRelease); got != "E6 00 00 02 00 00" {
		t.Errorf("a release without association: %s", got)
	}
	k.hears(workedAssociate)
	if got := k.hears(workedReport); got != "E6 00 00 02 00 00" {
		t.Errorf("a report before the configuration: %s", got)
	}
	if len(k.got) != 0 {
		t.Errorf("emitted %q", k.take())
	}
}

func TestAMissingConfigurationIsGivenUpAndAStandardOneThenTakenForKnown(t *testing.T) {
	standard := bytes.Clone(workedAssociate)
	standard[44], standard[45] = 0x03, 0x20
	k := newTalk(t)
	k.hears(standard)
	if got := k.after(11 * time.Second); got != "E6 00 00 02 00 03" {
		t.Errorf("says %s", got)
	}
	k.after(time.Second)
	k.wants("no configuration", "EVT_ALARM/association good start the device does not send its configuration ")
	if got := k.hears(standard); !strings.HasPrefix(got, "E3 00 00 2C 00 00") || !strings.HasSuffix(got, fmt.Sprintf(getAll, 1)) {
		t.Errorf("the second time: %s", got)
	}
	k.hears(attributesAre(1, attribute(attrTimeAbsolute, clockOf("2026-11-20 09:28:02"))))
	k.hears(workedReport)
	k.wants("standard", "ATTR_SYS_ID/ good 0011223344556677 ", "EVT_ALARM/association good end the device sends again ", "TEMP_BODY/ good 37.1 Cel")

	// A device that sends no configuration but reports at once knows better.
	k = newTalk(t)
	k.hears(standard)
	k.hears(workedReport)
	k.after(2 * time.Second)
	k.hears(attributesAre(int(k.s.invoke), attribute(attrTimeAbsolute, clockOf("2026-11-20 09:28:02"))))
	k.wants("at once", "TEMP_BODY/ unknown 37.1 Cel", "ATTR_SYS_ID/ good 0011223344556677 ")
	k.now += time.Second
	k.hears(standard)
	k.hears(workedReport)
	if got := k.hears(attributesAre(int(k.s.invoke), attribute(attrTimeAbsolute, clockOf("2026-11-20 09:28:12")))); got != workedConfirmed {
		t.Errorf("at once, with a clock: %s", got)
	}

	// An extended configuration is never guessed.
	k = newTalk(t)
	for range 3 {
		if got := k.hears(workedAssociate); got != workedAssociated {
			t.Errorf("says %s", got)
		}
		k.after(11 * time.Second)
	}
}

func TestAnAssociationRequestIsAnsweredInEachState(t *testing.T) {
	k := newTalk(t)
	k.configure(configured(classNumeric, 1, protocol.SpO2, unit("%"), valueMap(attrBasic, 2)))
	if got := k.hears(slices.Concat(workedAssociate, workedAssociate, workedAssociate)); got != workedAssociated {
		t.Errorf("three that waited in the line: %s", got)
	}
	if k.hears(fixedReport(5, observed(1, []byte{0, 97}))); len(k.got) != 0 {
		t.Errorf("a report by the configuration before: %q", k.take())
	}
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		at     int
		b      []byte
		result byte
	}{
		"version": {4, []byte{0x40}, resultVersion}, "protocol": {12, []byte{0xFF, 0xFF}, resultNoProtocol},
		"encoding": {20, []byte{0x20}, resultNoParameter}, "nomenclature": {22, []byte{0x40}, resultNoParameter},
	} {
		b := bytes.Clone(workedAssociate)
		copy(b[c.at:], c.b)
		k := newTalk(t)
		if got := k.hears(b); !strings.HasPrefix(got, fmt.Sprintf("E3 00 00 2C 00 %02X", c.result)) {
			t.Errorf("%s: says %s", name, got)
		}
		k.wants(name, "EVT_ALARM/association good start the device offers no form of the protocol that can be read ")
	}
	b := bytes.Clone(workedAssociate)
	b[16] = 0x60 // versions 2 and 3 of the protocol
	if got := newTalk(t).hears(b); !strings.HasPrefix(got, "E3 00 00 2C 00 03 50 79 00 26 40 00 00 00") {
		t.Errorf("later versions: %s", got)
	}
}

func TestTheRestOfAnAPDUIsNotWaitedForForEver(t *testing.T) {
	k := newTalk(t)
	k.hears(workedConfig[:40]) // the device was unplugged here
	k.after(time.Second)
	k.hears(workedConfig[40:41])
	k.after(4 * time.Second)
	if got := k.hears(workedAssociate); got != workedAssociated {
		t.Errorf("says %q", got)
	}
	k = newTalk(t)
	k.hears(workedAssociate[:30])
	k.after(2 * time.Second) // a slow line
	if got := k.hears(workedAssociate[30:]); got != workedAssociated {
		t.Errorf("a slow line: %q", got)
	}
}

func TestUnknownEventsAreRefusedAndScannersAreSwitchedOnOnlyIfAsked(t *testing.T) {
	scanner := append(u16(u16(nil, 0x12), 3), listOf(attribute(attrOperational, []byte{0, 0}))...)
	k := newTalk(t)
	k.hears(workedAssociate)
	k.hears(reports(1, 0, eventConfig, append([]byte{0x40, 0}, listOf(scanner)...)))
	k.wants("a scanner that is off", "EVT_ALARM/scanners good once the device has reports that are switched off: set scanners ")
	k.configure(scanner)
	if got := k.asks() + k.after(10*time.Second); got != "" {
		t.Errorf("without being told to: %s", got)
	}
	k = newTalk(t, func(s *Settings) { s.Scanners = true })
	k.hears(workedAssociate)
	k.hears(reports(1, 0, eventConfig, append([]byte{0x40, 0}, listOf(scanner)...)))
	if got := k.hears(attributesAre(1)); got != "E7 00 00 16 00 14 00 02 01 05 00 0E 00 03 00 01 00 08 00 00 09 53 00 02 00 01" {
		t.Errorf("switches on by %s", got)
	}
	if got := k.hears(reports(9, 0, 0x0DFF, nil)); got != "E7 00 00 0C 00 0A 00 09 03 00 00 04 00 18 00 00" {
		t.Errorf("answers what it does not know by %s", got)
	}
}

func TestRunWritesNothingElse(t *testing.T) {
	for kind := range models {
		for _, mute := range []bool{false, true} {
			_, wrote := converse(t, with(Device{Kind: kind, Mute: mute}, defaults()), drivertest.NewPatient(), 20*time.Minute)
			if err := allowed(wrote, false); err != nil || len(wrote) == 0 {
				t.Errorf("%s: %v, %d bytes", models[kind].name, err, len(wrote))
			}
			if kind == GlucoseMeter && !mute && !bytes.Contains(wrote, []byte{0x0C, 0x1C, 0, 2}) {
				t.Error("the memory was not read")
			}
		}
	}
}

// Whatever a device says, nothing else is sent.
func FuzzSession(f *testing.F) {
	f.Add(slices.Concat(workedAssociate, workedConfig, workedReport, workedRelease), uint16(20))
	f.Add(slices.Concat(workedAssociate, workedConfig, attributesAre(1), workedReport, unhex("E60000020001"), workedAssociate), uint16(700))
	for _, name := range []string{"oximeter", "cuff", "meter"} {
		f.Add(drivertest.Load(f, "testdata/"+name+".hex"), uint16(30))
	}
	f.Fuzz(func(t *testing.T, b []byte, step uint16) {
		s := defaults()
		k := newSession(&s)
		now := time.Duration(0)
		for len(b) > 0 {
			n := min(len(b), 1+int(step%97))
			k.Decode(b[:n], func(o protocol.Observation) {
				if err := drivertest.Check(o); err != nil {
					t.Error(err)
				}
			})
			b = b[n:]
			now += time.Duration(step) * 10 * time.Millisecond
			out, _ := k.Ask(nil, now)
			if err := allowed(out, false); err != nil {
				t.Error(err)
			}
		}
	})
}

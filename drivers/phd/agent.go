package phd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/ledger"
	"monitorme/protocol"
)

// An agent is what is known of the device at the far end from what it has
// said. It makes observations of messages, and is pure.
type agent struct {
	settings *Settings
	emit     drivers.Emit

	config   configuration
	clocks   clockwork
	segments map[segmentKey]*segment
	systemID string
	serial   string                   // in its last answer
	said     map[protocol.Code]string // identity
	*standing
	sensor    effect             // of the oximeter's status
	unsure    bool               // trouble is to be told again
	retell    map[statusKey]bool // and so are these states
	foreign   int                // observations of persons who are not this bed's
	old       int                // readings that are too old
	blind     bool               // something was told that the configuration does not describe
	blindSaid bool               // and an event has said so

	reading reading // of the object that is looked at

	newest map[series]time.Duration   // when the last one was taken
	stores bool                       // the device has a memory
	seen   *ledger.Ledger[readingKey] // what was told of devices with a memory
	last   []readingKey               // of the last confirmed report
	resent []readingKey               // of the last one of the association before
}

// A standing is what has begun and not ended.
type standing struct {
	active  map[statusKey]string // events of states
	trouble bool                 // an event has said that there is no association
}

func newStanding() *standing { return &standing{active: map[statusKey]string{}} }

// An association is what a device asks with.
type association struct {
	version  uint32
	found    bool // the protocol that is read here is offered
	protocol uint32
	encoding uint16
	nomen    uint32
	systemID string
	config   uint16
}

// parseAssociation reads an association request; false if it is not well formed.
func parseAssociation(b []byte) (r association, ok bool) {
	c := cursor{b: b[4:]}
	r.version = c.u32()
	count, protocols := c.list()
	for range count {
		id, info := protocols.u16(), cursor{b: protocols.octets()}
		if id != protocolID || r.found {
			continue
		}
		r.found = true
		r.protocol, r.encoding, r.nomen = info.u32(), info.u16(), info.u32()
		info.bytes(8) // functional units, system type
		eui := info.octets()
		r.systemID = fmt.Sprintf("%X", eui[:min(len(eui), 8)])
		r.config = info.u16()
		info.bytes(4) // how data can be requested
		if !info.attributes(nil) || !info.done() {
			return r, false
		}
	}
	return r, protocols.done() && c.done()
}

const protocolID = 0x5079

// answer is what the request is answered with.
func (r association) answer() int {
	switch {
	case r.version&0x80000000 == 0:
		return resultVersion
	case !r.found:
		return resultNoProtocol
	case r.protocol&knownVersions == 0 || r.encoding&0x8000 == 0 || r.nomen&0x80000000 == 0:
		return resultNoParameter
	}
	return resultUnknownConfig
}

// Results of an association.
const (
	resultAccepted      = 0
	resultUnknownConfig = 3 // accepted: the device sends its configuration
	resultNoProtocol    = 4
	resultNoParameter   = 5
	resultVersion       = 8

	knownVersions = 0xE0000000 // of the protocol: 1 to 3
)

// associate begins with a device anew.
func (a *agent) associate(r association) {
	for _, key := range slices.SortedFunc(maps.Keys(a.active), compareKeys) {
		a.phase(key, "")
	}
	switch {
	case r.systemID != a.systemID:
		a.resent = nil
	case len(a.last) > 0:
		a.resent = slices.Clone(a.last)
	}
	a.last = a.last[:0]
	a.systemID, a.sensor, a.blind, a.blindSaid = r.systemID, noEffect, false, false
	a.config, a.stores = standard(r.config), false
	a.clocks.forget()
	clear(a.segments)
	if r.answer() != resultUnknownConfig {
		a.lose("the device offers no form of the protocol that can be read")
	}
}

func compareKeys(x, y statusKey) int {
	return cmp.Or(cmp.Compare(x.typ, y.typ), cmp.Compare(x.code, y.code))
}

// configure takes a configuration event in; false if it is not well formed.
func (a *agent) configure(m *message) bool {
	c := cursor{b: m.info}
	c.u16()
	n := configuration{}
	if !n.parse(&c) {
		return false
	}
	n.settleAll()
	a.config, a.stores = n, len(n.handles(classStore, classStore)) > 0
	clear(a.segments)
	a.regain()
	for _, h := range n.handles(classScanner, classScannerLast) {
		if n[h].disabled && !a.settings.Scanners {
			a.note("scanners", "the device has reports that are switched off: set scanners")
			break
		}
	}
	return true
}

// event emits an event.
func (a *agent) event(code protocol.Code, channel string, e protocol.Event) {
	a.emit(protocol.Observation{Code: code, Channel: channel, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}

const channelAssociation = "association"

// lose tells that the device is there, and no reading comes.
func (a *agent) lose(why string) {
	if a.trouble && !a.unsure {
		return
	}
	phase := protocol.PhaseStart
	if a.trouble {
		phase = protocol.PhaseContinue
	}
	a.trouble, a.unsure = true, false
	a.event(protocol.EventAlarm, channelAssociation, protocol.Event{Phase: phase, Priority: protocol.PriorityMedium, Type: protocol.AlarmTechnical, Text: why})
}

// standAgain makes what stands be told again when it is next heard of: after a
// silence the cloud waits for that.
func (a *agent) standAgain() {
	a.unsure = true
	for key := range a.active {
		a.retell[key] = true
	}
}

// regain tells that the device sends again.
func (a *agent) regain() {
	if !a.trouble {
		return
	}
	a.trouble = false
	a.event(protocol.EventAlarm, channelAssociation, protocol.Event{Phase: protocol.PhaseEnd, Type: protocol.AlarmTechnical, Text: "the device sends again"})
}

// aborted tells that the device has given the association up.
func (a *agent) aborted(reason uint16) {
	why := "it gives no reason"
	switch reason {
	case 1:
		why = "too much data for it"
	case abortResponseTimeout:
		why = "it had no answer in time"
	case abortConfigTimeout:
		why = "its configuration was not answered in time"
	}
	a.lose("the device has broken the association off: " + why)
}

// note tells something for which the settings or the device should be looked at.
func (a *agent) note(channel, text string) {
	a.event(protocol.EventAlarm, channel, protocol.Event{Phase: protocol.PhaseOnce, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Text: text})
}

// once tells something that has happened n times by now: the first time, and
// each tenfold.
func (a *agent) once(before, n int, tell func()) {
	for p := 1; p <= n; p *= 10 {
		if before < p {
			tell()
			return
		}
	}
}

func (a *agent) tellForeign(before int) {
	text := "values left out that may be another person's: %d. The device serves several persons: set person"
	if a.settings.Person != nil {
		text = "values left out that are not of the person that is set: %d"
	}
	a.once(before, a.foreign, func() { a.note("person", fmt.Sprintf(text, a.foreign)) })
}

// tellOld tells that readings are too old. Of a memory that is to be expected,
// and nobody has to see to it.
func (a *agent) tellOld(stored bool) {
	a.old++
	a.once(a.old-1, a.old, func() {
		text := fmt.Sprintf("readings left out that are older than %v: %d", a.settings.History, a.old)
		if stored {
			a.event(protocol.EventAlarm, "memory", protocol.Event{Phase: protocol.PhaseOnce, Type: protocol.AlarmAdvisory, Text: text})
		} else {
			a.note("memory", text)
		}
	})
}

func (a *agent) tellBlind() {
	if a.blind && !a.blindSaid {
		a.blindSaid = true
		a.note("configuration", "the device has values that its configuration does not describe: they are left out")
	}
}

// system takes in an attribute of the device as a whole.
func (a *agent) system(id uint16, v []byte) {
	c := cursor{b: v}
	switch id {
	case attrModel:
		maker, model := text8(c.octets()), text8(c.octets())
		if c.done() {
			a.identity(protocol.IdentityModel, strings.TrimSpace(maker+" "+model))
		}
	case attrProduct:
		a.product(c)
	case attrBattery:
		if level := c.u16(); c.done() && level <= 100 {
			a.emit(protocol.Observation{Code: batteryLevel, Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Unit: "%", Value: protocol.Int(int64(level))})
		}
	case attrTimeAbsolute, attrTimeRelative, attrTimeHighResolve, attrTimeBaseOffset:
		a.clocks.set(stampOf(id, v))
	}
}

// Kinds of a production specification.
const (
	specSerial   = 1
	specSoftware = 4
	specFirmware = 5
)

// product reads serial number and revisions; the first of each is the device's.
func (a *agent) product(c cursor) {
	count, items := c.list()
	var found [8]string
	for range count {
		kind := items.u16()
		items.u16() // which component
		text := text8(items.octets())
		if items.short {
			return
		}
		if kind < uint16(len(found)) && found[kind] == "" {
			found[kind] = text
		}
	}
	if found[specFirmware] == "" {
		found[specFirmware] = found[specSoftware]
	}
	a.serial = found[specSerial]
	a.identity(protocol.IdentityFirmware, found[specFirmware])
}

// identity emits a word about the device when it is new.
func (a *agent) identity(code protocol.Code, text string) {
	if text = strings.TrimSpace(text); text == "" || a.said[code] == text {
		return
	}
	a.said[code] = text
	a.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
}

// attributes takes in the answer to the question for all attributes.
func (a *agent) attributes(m *message) {
	if m.handle != 0 {
		return
	}
	a.serial = ""
	c := cursor{b: m.info}
	c.attributes(a.system)
	if a.serial == "" { // it has none, but an address
		a.serial = a.systemID
	}
	a.identity(protocol.IdentitySerial, a.serial)
	a.clocks.asked = true
}

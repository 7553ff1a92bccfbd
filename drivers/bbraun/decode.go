package bbraun

import (
	"bytes"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const (
	pillars = 3
	slots   = 24 // 1 to 9, A to O
	rack    = -1 // the place of what is no pump
)

// news is what was heard since the run loop last looked.
type news struct {
	reply   byte // to the newest block: ACK, NAK, 0 if none came
	last    bool // no block follows the newest one
	alive   bool // the answer to ALIVE
	data    bool // something of a pump, or that there is none
	refused bool // the rack did not understand
	foreign bool // of a bed that is not ours
	form    form // of the newest block that says it
}

type decoder struct {
	framer framer.Framer
	opener opener
	emit   drivers.Emit
	news   news

	pinned bool   // bed is of the settings
	bed    string // "" while not known
	other  string // the bed id of the newest block, if it is not bed
	away   bool   // only blocks of another bed come

	pumps   [pillars * slots]*pump
	version string
	// Of the block and the answer that are being read.
	place    int // whose parameters raw has
	raw      [params][]byte
	answered bool // the answer has told of pumps
	topology bool // and that its topology is invalid
	unread   uint64
	// Of the rack.
	badTopology bool
	refusals    int
	again       bool // what stands is to be told again
	scratch     []byte
}

// makeDecoder gives a decoder for any rack or, if a bed is given, for the one
// that has that bed id.
func makeDecoder(bed string) *decoder {
	d := &decoder{bed: bed, pinned: bed != "", place: rack}
	d.framer = framer.Framer{Max: maxFrame, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

func (d *decoder) frame(b []byte) int {
	bl, n := d.opener.open(b)
	switch {
	case n == framer.BadSum:
		d.news.reply = nak
		return n
	case n <= 0:
		return n
	}
	d.news.reply, d.news.last = ack, bl.last
	if bl.form != neutral {
		d.news.form = bl.form
	}
	if !d.ours(bl.bed) {
		d.news.foreign = true
		return n
	}
	d.records(bl.info)
	if bl.last {
		d.answerEnds()
	}
	return n
}

// ours tells whether a block of the bed is to be read. The first block says
// whose rack it is. A block of another bed is dropped; the second of it in a
// row is believed: another rack is at the cable, or it has another name now.
// If the bed was given by the settings nothing of another one is ever read.
func (d *decoder) ours(bed []byte) bool {
	switch {
	case d.bed == "":
		d.bed = string(bed)
		return true
	case string(bed) == d.bed:
		if d.other = ""; d.away {
			d.away = false
			d.otherBed(protocol.PhaseEnd)
		}
		return true
	case string(bed) != d.other:
		d.other = string(bed)
		return false
	case d.away:
		if d.again {
			d.again = false
			d.otherBed(protocol.PhaseStart)
		}
		return false
	}
	for _, p := range d.pumps {
		if p != nil {
			d.reached(p)
			d.leave(p)
		}
	}
	d.pumps = [pillars * slots]*pump{}
	d.answered = false
	if d.pinned {
		d.away = true
		d.otherBed(protocol.PhaseStart)
		return false
	}
	d.otherBed(protocol.PhaseOnce)
	d.bed, d.other, d.version = d.other, "", ""
	return true
}

func (d *decoder) otherBed(phase protocol.Phase) {
	e := protocol.Event{Phase: phase, Priority: medium, Type: protocol.AlarmTechnical, Text: "the rack is of another bed than before"}
	if d.pinned {
		e.Text = "the rack is of another bed than configured: nothing of it is taken"
	}
	d.event("", eventOtherBed, e)
}

// records reads the text of a block: records of time, address, parameter and
// value. A value may have commas. The time is that of a clock which began when
// the rack was switched on, and so tells nothing.
func (d *decoder) records(info []byte) {
	for rest := info; len(rest) > 0; {
		var record []byte
		if i := bytes.IndexByte(rest, separator); i >= 0 {
			record, rest = rest[:i], rest[i+1:]
		} else {
			record, rest = rest, nil
		}
		if !d.record(record) {
			d.unread++
		}
	}
	d.flush()
}

// record reads one record; false if it is not read.
func (d *decoder) record(b []byte) bool {
	i := bytes.IndexByte(b, ',')
	if i < 1 || len(b) < i+8 || b[i+6] != ',' {
		return false
	}
	for _, c := range b[:i] {
		if c < '0' || c > '9' {
			return false
		}
	}
	place, ok := placeOf(b[i+1 : i+6])
	if !ok {
		return false
	}
	name, value := b[i+7:], []byte(nil)
	if k := bytes.IndexByte(name, ','); k >= 0 {
		name, value = name[:k], name[k+1:]
	}
	if place != d.place {
		d.flush()
		d.place = place
	}
	if string(name) == "GNERR" {
		return d.failure(value)
	}
	if place == rack {
		return d.rackSays(name)
	}
	d.news.data = true
	p, known := byName[string(name)]
	if known && value != nil {
		d.raw[p] = value
	}
	return known
}

// placeOf reads an address: 501, pillar, slot; both 0 are the rack.
func placeOf(b []byte) (place int, ok bool) {
	if string(b[:3]) != "501" {
		return 0, false
	}
	x, y := int(b[3])-'0', int(b[4])-'0'
	if b[4] >= 'A' {
		y = int(b[4]) - 'A' + 10
	} else if y > 9 {
		return 0, false
	}
	if x == 0 && y == 0 {
		return rack, true
	}
	return (x-1)*slots + y - 1, x >= 1 && x <= pillars && y >= 1 && y <= slots
}

func (d *decoder) rackSays(name []byte) bool {
	switch {
	case string(name) == "GNACK":
		d.news.alive, d.answered = true, false // what was told of pumps before was cut off, and lacks nobody
	case len(name) >= 2 && name[0] == 'V' && name[1] >= '0' && name[1] <= '9':
		if d.version != string(name) {
			d.version = string(name)
			d.identity("", protocol.IdentityFirmware, "BCC "+text(name))
		}
	default:
		return false
	}
	return true
}

// failure handles an error number, of the rack or of the pump at d.place.
func (d *decoder) failure(value []byte) bool {
	code, ok := framer.Digits(value)
	switch {
	case !ok:
		return false
	case code == 68 || code == 811:
		d.news.refused = true
		if d.refusals++; d.refusals == 2 || d.refusals > 2 && d.again { // the first may be of a request in the wrong form
			d.again = false
			d.rackEvent("refused", protocol.PhaseStart, medium, "the rack refuses to answer")
		}
		return true
	case code >= 50 && code <= 59:
		d.news.data, d.answered, d.topology = true, true, true
		if !d.badTopology || d.again {
			d.badTopology, d.again = true, false
			d.rackEvent("topology", protocol.PhaseStart, medium, "the rack does not know where its pumps are")
		}
	case d.place == rack && code == 11:
		d.news.data = true
		if !d.answered { // else nothing more comes
			d.answered = true
			for _, p := range d.pumps {
				d.remove(p)
			}
		}
	case d.place != rack && code == 39:
		d.news.data, d.answered = true, true
		d.remove(d.pumps[d.place])
	case d.place != rack && code != 11: // 4x, or what nobody knows
		d.news.data, d.answered = true, true
		d.lose(d.at(d.place))
	default:
		return false
	}
	return true
}

func (d *decoder) rackEvent(key string, phase protocol.Phase, priority protocol.Priority, text string) {
	d.event(key, protocol.EventAlarm, protocol.Event{Phase: phase, Priority: priority, Type: protocol.AlarmTechnical, Text: text})
}

// at gives the pump of a place.
func (d *decoder) at(place int) *pump {
	if d.pumps[place] == nil {
		d.pumps[place] = newPump(place)
	}
	return d.pumps[place]
}

// flush hands what was read of a pump on.
func (d *decoder) flush() {
	if d.place != rack {
		for _, v := range d.raw {
			if v != nil {
				d.answered = true
				d.pump(d.at(d.place))
				break
			}
		}
		clear(d.raw[:])
	}
	d.place = rack
}

// misses is how many answers in turn may lack a pump before it counts as
// removed. The rack says it once, and that may be lost.
const misses = 2

// answerEnds is called after the last block of an answer.
func (d *decoder) answerEnds() {
	if !d.answered {
		return
	}
	for _, p := range d.pumps {
		if p == nil {
			continue
		}
		if p.missed++; p.seen {
			p.missed = 0
		}
		if p.seen = false; p.missed >= misses {
			d.remove(p)
		}
	}
	if d.badTopology && !d.topology {
		d.badTopology = false
		d.rackEvent("topology", protocol.PhaseEnd, medium, "the rack does not know where its pumps are")
	}
	if d.refusals >= 2 {
		d.rackEvent("refused", protocol.PhaseEnd, medium, "the rack refuses to answer")
	}
	d.answered, d.topology, d.refusals, d.again = false, false, 0, false
}

// standAgain makes what stands be told again when it is next heard of: after a
// silence the cloud waits for that.
func (d *decoder) standAgain() {
	d.again = true
	for _, p := range d.pumps {
		if p != nil {
			p.again = true
		}
	}
}

func (d *decoder) event(channel string, code protocol.Code, e protocol.Event) {
	d.emit(protocol.Observation{Channel: channel, Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}

func (d *decoder) identity(channel string, code protocol.Code, text string) {
	d.emit(protocol.Observation{Channel: channel, Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
}

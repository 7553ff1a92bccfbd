package intellivue

import "encoding/binary"

// The first byte of a PDU.
const (
	pduAssociate   byte = 0x0D // the host asks for an association
	pduAssociated  byte = 0x0E
	pduRefused     byte = 0x0C
	pduRelease     byte = 0x09
	pduReleased    byte = 0x0A
	pduAbort       byte = 0x19
	pduData        byte = 0xE1
	presentationID      = 0x0002
	dataHeader          = 8 // bytes of a data PDU before its body
)

// Remote operations.
const (
	opInvoke = 1
	opResult = 2
	opError  = 3
	opLinked = 5
)

// Commands.
const (
	commandEvent          = 0
	commandConfirmedEvent = 1
	commandGet            = 3
	commandConfirmedSet   = 5
	commandAction         = 7
)

// Actions and events.
const (
	actionPoll         = 0x0C16
	actionExtendedPoll = 0xF13B
	eventMDSCreated    = 0x0D06
)

// Object classes.
const (
	classNumeric = 0x0006
	classWave    = 0x0009
	classMDS     = 0x0021
	classAlarms  = 0x0036
)

// Attribute groups.
const (
	groupAll      = 0x0000
	groupAlarms   = 0x0801
	groupObserved = 0x0803
	groupSystem   = 0x080A
	groupIdentity = 0x080B
	groupProduct  = 0x080C
	groupStatic   = 0x0811
)

// Attributes.
const (
	attrPatientAlarms   = 0x0902
	attrTechnicalAlarms = 0x0904
	attrLabel           = 0x0924
	attrModel           = 0x0928
	attrProduct         = 0x092D
	attrMetricSpec      = 0x093F
	attrMode            = 0x0946
	attrCompound        = 0x094B
	attrNumeric         = 0x0950
	attrSampleCompound  = 0x0967
	attrSampleSpec      = 0x096D
	attrSamples         = 0x096E
	attrScale           = 0x096F
	attrSystemID        = 0x0984
	attrTimeAbsolute    = 0x0987
	attrSamplePeriod    = 0x098D
	attrTimeRelative    = 0x098F
	attrStampAbsolute   = 0x0990
	attrStampRelative   = 0x0991
	attrUnit            = 0x0996
	attrFixedValues     = 0x0A16
	attrPollProfile     = 0x0001 // in an association
	attrPollProfileExt  = 0xF001 // in an association
	attrPollPeriod      = 0xF13E
	attrWaveList        = 0xF23A
)

// A cursor reads big-endian fields. Reading beyond the end gives zeros and sets
// short, so that a parser checks once.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) bytes(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.short, c.b = true, nil
		return nil
	}
	p := c.b[:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) u8() byte {
	if p := c.bytes(1); p != nil {
		return p[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if p := c.bytes(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if p := c.bytes(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

// list reads a count, a length in bytes and as many bytes.
func (c *cursor) list() (count int, items cursor) {
	count = int(c.u16())
	items = cursor{b: c.bytes(int(c.u16()))}
	return count, items
}

// attributes calls each for every attribute of a list, and says whether the
// list is well formed.
func (c *cursor) attributes(each func(id uint16, value []byte)) bool {
	count, items := c.list()
	for range count {
		id := items.u16()
		value := items.bytes(int(items.u16()))
		if items.short {
			return false
		}
		if each != nil {
			each(id, value)
		}
	}
	return !c.short && len(items.b) == 0
}

// A message is a data PDU.
type message struct {
	op      uint16
	invoke  uint16
	command uint16 // of an error, the error
	body    []byte
}

// parseMessage takes a data PDU apart; false if it is none or cut short.
func parseMessage(pdu []byte) (message, bool) {
	c := cursor{b: pdu}
	var m message
	session, _ := c.u16(), c.u16()
	m.op = c.u16()
	rest := cursor{b: c.bytes(int(c.u16()))}
	if m.op == opLinked {
		rest.u16() // which part of how many: every part is taken as it comes
	}
	m.invoke, m.command = rest.u16(), rest.u16()
	m.body = rest.bytes(int(rest.u16()))
	return m, session>>8 == uint16(pduData) && !c.short && !rest.short
}

// A pollResult is what a poll brought, or a part of it.
type pollResult struct {
	time  uint32 // RelativeTime: 1/8 ms since the monitor started
	class uint16
	group uint16
	infos cursor
}

// pollOf reads the result of a poll of either kind.
func (m message) pollOf() (pollResult, bool) {
	if m.op != opResult && m.op != opLinked || m.command != commandAction {
		return pollResult{}, false
	}
	c := cursor{b: m.body}
	c.bytes(6)
	action := c.u16()
	data := cursor{b: c.bytes(int(c.u16()))}
	data.u16() // the poll's number
	switch action {
	case actionExtendedPoll:
		data.u16() // the number in the sequence
	case actionPoll:
	default:
		return pollResult{}, false
	}
	r := pollResult{time: data.u32()}
	data.bytes(8) // absolute time: not filled in by any monitor seen
	data.u16()
	r.class, r.group = data.u16(), data.u16()
	r.infos = data
	return r, !c.short && !data.short
}

// handle names an object until the association ends.
type handle struct{ class, context, number uint16 }

// objects calls each for every object of the result with its attribute list,
// and says whether the result is well formed.
func (r pollResult) objects(each func(h handle, attributes cursor)) bool {
	infos := r.infos
	contexts, rest := infos.list()
	for range contexts {
		context := rest.u16()
		count, list := rest.list()
		for range count {
			h := handle{r.class, context, list.u16()}
			all := list
			if !list.attributes(nil) {
				return false
			}
			if each != nil {
				each(h, all)
			}
		}
		if len(list.b) != 0 || rest.short {
			return false
		}
	}
	return len(rest.b) == 0 && !infos.short
}

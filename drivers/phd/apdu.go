package phd

import (
	"encoding/binary"

	"monitorme/drivers/framer"
)

// What an APDU is, by its first two bytes.
const (
	apduAssociate  = 0xE200 // association request
	apduAssociated = 0xE300 // its answer: only managers send it
	apduRelease    = 0xE400
	apduReleased   = 0xE500
	apduAbort      = 0xE600
	apduData       = 0xE700

	// maxAPDU is the longest APDU, whatever the device.
	maxAPDU = 64512
	// maxAssociate bounds an association request; usual ones have 54 bytes.
	maxAssociate = 1024
	// dataHeader is what stands before the argument of a data APDU.
	dataHeader = 12
)

// Services of a data APDU.
const (
	serviceEvent           = 0x0100
	serviceConfirmedEvent  = 0x0101
	serviceGet             = 0x0103
	serviceSet             = 0x0104
	serviceConfirmedSet    = 0x0105
	serviceAction          = 0x0106
	serviceConfirmedAction = 0x0107
	answerEvent            = 0x0201
	answerGet              = 0x0203
	answerSet              = 0x0205
	answerAction           = 0x0207
	answerError            = 0x0300
	answerReject           = 0x0400
)

// Types of events.
const (
	eventConfig       = 0x0D1C
	eventFixed        = 0x0D1D
	eventSegment      = 0x0D21
	eventUnbuffered   = 0x0D22 // the first of six forms
	eventBuffered     = 0x0D28
	eventBufferedLast = 0x0D2D
)

// Types of actions.
const (
	actionSegmentInfo = 0x0C0D
	actionTransfer    = 0x0C1C
)

// Reasons of an abort.
const (
	abortUndefined       = 0
	abortResponseTimeout = 2
	abortConfigTimeout   = 3
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
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
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

// octets reads a string with its length before it.
func (c *cursor) octets() []byte { return c.bytes(int(c.u16())) }

// list reads a count, a length in bytes and as many bytes.
func (c *cursor) list() (count int, items cursor) {
	count = int(c.u16())
	items.b = c.octets()
	items.short = c.short
	return count, items
}

// done reports whether all was read, and nothing beyond it.
func (c *cursor) done() bool { return !c.short && len(c.b) == 0 }

// attributes calls each for every attribute of a list, and says whether the
// list is well formed.
func (c *cursor) attributes(each func(id uint16, value []byte)) bool {
	count, items := c.list()
	for range count {
		id, value := items.u16(), items.octets()
		if items.short {
			return false
		}
		if each != nil {
			each(id, value)
		}
	}
	return !c.short && items.done()
}

// A message is what a data APDU carries.
type message struct {
	service uint16
	invoke  uint16
	handle  uint16
	time    uint32 // of an event: RelativeTime, allOnes for none
	kind    uint16 // of an event or action; of an error or reject, why
	info    []byte // of a get or set: the attribute list
}

const allOnes = 0xFFFFFFFF

// begins looks at the start of b: is it the beginning of an APDU that a device
// sends? It gives its length, or framer.More or framer.Skip, the latter as soon as
// a length in it contradicts another.
func begins(b []byte) int {
	if b[0] < apduAssociate>>8 || b[0] > apduData>>8 || b[0] == apduAssociated>>8 || len(b) > 1 && b[1] != 0 {
		return framer.Skip
	}
	if len(b) < 4 {
		return framer.More
	}
	be := binary.BigEndian
	length := int(be.Uint16(b[2:]))
	n := 4 + length
	switch kind := be.Uint16(b); kind {
	case apduAssociate:
		if n < 12 || n > maxAssociate || len(b) >= 8 && be.Uint32(b[4:]) == 0 || len(b) >= 12 && int(be.Uint16(b[10:])) != length-8 {
			return framer.Skip
		}
	case apduData:
		if n < dataHeader || n > maxAPDU || len(b) >= 6 && int(be.Uint16(b[4:])) != length-2 ||
			len(b) >= 10 && !service(be.Uint16(b[8:])) || len(b) >= 12 && int(be.Uint16(b[10:])) != length-8 {
			return framer.Skip
		}
		if at := innerLength(b); at > 0 && len(b) >= at+2 && int(be.Uint16(b[at:])) != n-at-2 {
			return framer.Skip
		}
	default:
		if length != 2 {
			return framer.Skip
		}
	}
	if len(b) < n {
		return framer.More
	}
	return n
}

func service(s uint16) bool {
	switch s {
	case serviceEvent, serviceConfirmedEvent, serviceGet, serviceSet, serviceConfirmedSet, serviceAction, serviceConfirmedAction,
		answerEvent, answerGet, answerSet, answerAction, answerError, answerReject:
		return true
	}
	return false
}

// innerLength is where in a data APDU the last length stands, after which
// everything else comes; 0 if it has none, or it is not known yet.
func innerLength(b []byte) int {
	if len(b) < 10 {
		return 0
	}
	switch binary.BigEndian.Uint16(b[8:]) {
	case serviceEvent, serviceConfirmedEvent:
		return dataHeader + 8
	case answerAction, answerGet, answerSet:
		return dataHeader + 4
	}
	return 0
}

// parseMessage takes a whole data APDU apart; false if its argument is not
// well formed.
func parseMessage(b []byte) (m message, ok bool) {
	c := cursor{b: b[6:]}
	m.invoke, m.service = c.u16(), c.u16()
	c.u16()
	switch m.service {
	case serviceEvent, serviceConfirmedEvent:
		m.handle, m.time, m.kind, m.info = c.u16(), c.u32(), c.u16(), c.octets()
	case answerAction:
		m.handle, m.kind, m.info = c.u16(), c.u16(), c.octets()
	case answerGet, answerSet:
		m.handle, m.info = c.u16(), c.b
		return m, c.attributes(nil) && c.done()
	case answerError:
		if m.kind = c.u16(); len(c.b) > 0 {
			c.octets()
		}
	case answerReject:
		m.kind = c.u16()
	default: // none that a device may send: only that it did matters
		return m, true
	}
	return m, c.done()
}

// event reports whether m is an event report.
func (m *message) event() bool {
	return m.service == serviceEvent || m.service == serviceConfirmedEvent
}

func u16(b []byte, v int) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }

// short is an APDU whose only field is a reason.
func short(kind, reason int) []byte { return u16(u16(u16(nil, kind), 2), reason) }

// dataAPDU is a data APDU with the argument of a service.
func dataAPDU(invoke uint16, service int, argument []byte) []byte {
	n := len(argument)
	b := u16(make([]byte, 0, dataHeader+n), apduData)
	for _, v := range []int{n + 8, n + 6, int(invoke), service, n} {
		b = u16(b, v)
	}
	return append(b, argument...)
}

// octets is a string with its length before it.
func octets(b []byte) []byte { return append(u16(nil, len(b)), b...) }

// listOf is a list: count, length, items.
func listOf(items ...[]byte) []byte {
	b := u16(nil, len(items))
	n := 0
	for _, i := range items {
		n += len(i)
	}
	b = u16(b, n)
	for _, i := range items {
		b = append(b, i...)
	}
	return b
}

package intellivue

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
)

// Association PDUs are ISO session and presentation headers of which nothing
// varies but lengths: they are kept as bytes.

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

var (
	associateSession      = unhex("0508130100160102800014020002")
	associatePresentation = unhex("3180A0808001010000A280A003000001A48030800201010604520100013080060251" +
		"01000000003080020102060C2A8648CE14020100000001013080060C2A8648CE1402" +
		"01000000020100000000000061803080020101A0806080A180060C2A8648CE140201" +
		"00000003010000BE802880060C2A8648CE140201000000010102010281")
	associatedPresentation = unhex("3180A0808001010000A280A003000001A58030808001008102510100003080800100" +
		"810C2A8648CE14020100000002010000000061803080020101A0806180A180060C2A" +
		"8648CE14020100000003010000A203020100A305A103020100BE80288002010281")
	userDataStart = unhex("8000000040000000") // versions of protocol and nomenclature
	associateEnd  = make([]byte, 16)

	// releaseRequest and abort end an association.
	releaseRequest  = unhex("0918C11661803080020101A08062808001000000000000000000")
	releaseResponse = unhex("0A18C11661803080020101A08063808001000000000000000000")
	abort           = unhex("192E110103C129A080A0803080020101060251010000000061803080020101A08064808001010000" +
		"0000000000000000")
	// refusal is what the simulator says; drivers look at its first byte only.
	refusal = unhex("0C03320100")
)

const (
	systemClient = 0x80000000
	systemServer = 0x00800000

	optionNumerics = 0x80000000 // each second
	optionWaves    = 0x08000000

	ticksPerSecond = 8000
)

// profile is the poll profile that one side of an association asks for or grants.
type profile struct {
	system  uint32
	period  uint32 // the shortest poll period, RelativeTime
	mtu     uint32
	options uint32 // of the extension; 0 is no extended polls
}

// appendUserData appends what the two sides of an association tell each other.
func (p profile) appendUserData(b []byte) []byte {
	be := binary.BigEndian
	for _, v := range []uint32{0x80000000, 0x40000000, 0, p.system, 0x20000000, 0} {
		b = be.AppendUint32(b, v)
	}
	b = append(b, 0, 1, 0, 44, 0, attrPollProfile, 0, 40)
	for _, v := range []uint32{0x80000000, p.period, p.mtu, p.mtu, 0xFFFFFFFF, 0x60000000} {
		b = be.AppendUint32(b, v)
	}
	b = append(b, 0, 1, 0, 12)
	b = be.AppendUint16(b, attrPollProfileExt)
	b = append(b, 0, 8)
	b = be.AppendUint32(b, p.options)
	return append(b, 0, 0, 0, 0)
}

// associatePDU is the request of an association, or the answer to one.
func associatePDU(first byte, presentation []byte, p profile) []byte {
	user := p.appendUserData(nil)
	inner := bytes.Join([][]byte{presentation, {byte(len(user))}, user, associateEnd}, nil)
	inner = append(appendLength([]byte{0xC1}, len(inner)), inner...)
	return append(appendLength([]byte{first}, len(associateSession)+len(inner)), append(bytes.Clone(associateSession), inner...)...)
}

// appendLength appends a length indicator.
func appendLength(b []byte, n int) []byte {
	if n < 0xFF {
		return append(b, byte(n))
	}
	return append(b, 0xFF, byte(n>>8), byte(n))
}

// parseAssociation finds the poll profile in a request or an answer. The bytes
// before the user data vary between monitors, so its versions are searched for.
func parseAssociation(pdu []byte) (profile, bool) {
	i := bytes.Index(pdu, userDataStart)
	if i < 0 {
		return profile{}, false
	}
	c := cursor{b: pdu[i:]}
	c.bytes(12)
	p := profile{system: c.u32()}
	c.u32()
	c.attributes(nil)
	found := false
	c.attributes(func(id uint16, value []byte) {
		if id == attrPollProfile {
			found = p.parse(value)
		}
	})
	return p, found && !c.short
}

func (p *profile) parse(value []byte) bool {
	c := cursor{b: value}
	c.u32()
	p.period = c.u32()
	in, out := c.u32(), c.u32()
	p.mtu = min(in, out)
	c.bytes(8)
	c.attributes(func(id uint16, value []byte) {
		if id == attrPollProfileExt {
			ext := cursor{b: value}
			p.options = ext.u32()
		}
	})
	return !c.short
}

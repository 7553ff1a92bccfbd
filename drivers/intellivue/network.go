package intellivue

import (
	"bytes"
	"encoding/binary"

	"monitorme/drivers/framer"
)

// On the network each datagram is one PDU. PDUs tell their own length, so that
// nothing is lost where datagrams arrive joined or cut, as over a relay that
// makes a stream of them. There is no check sum but that of UDP.

// datagrams makes a framer's Frame that gives PDUs to take.
func datagrams(take func(pdu []byte)) func(b []byte) int {
	return func(b []byte) int {
		n := pduLength(b)
		switch {
		case n == framer.Skip || n > maxPDU:
			return framer.Skip
		case n == framer.More || n > len(b):
			return framer.More
		}
		take(b[:n])
		return n
	}
}

// pduLength is the length of the PDU that b begins with, or framer.More, or
// framer.Skip if none begins there.
func pduLength(b []byte) int {
	switch b[0] {
	case pduData:
		return dataLength(b)
	case pduAssociate, pduAssociated, pduRefused, pduRelease, pduReleased, pduAbort:
	default:
		return framer.Skip
	}
	if len(b) < 3 {
		return framer.More
	}
	n, rest := 2+int(b[1]), b[2:]
	if b[1] == 0xFF {
		if len(b) < 5 {
			return framer.More
		}
		n, rest = 4+int(binary.BigEndian.Uint16(b[2:])), b[4:]
	}
	if bytes.IndexByte(sessionParameters, rest[0]) < 0 || n < 4 {
		return framer.Skip
	}
	return n
}

// sessionParameters may follow the length of an association PDU.
var sessionParameters = []byte{0x05, 0x11, 0x14, 0x16, 0x32, 0xC1}

// dataLength is pduLength for a data PDU, which says its length twice.
func dataLength(b []byte) int {
	const linkedExtra = 2
	if len(b) > 1 && b[1] != 0 {
		return framer.Skip
	}
	if len(b) < dataHeader {
		return framer.More
	}
	op, n := binary.BigEndian.Uint16(b[4:]), int(binary.BigEndian.Uint16(b[6:]))
	inner := 6
	switch op {
	case opInvoke, opResult, opError:
	case opLinked:
		inner += linkedExtra
	default:
		return framer.Skip
	}
	switch {
	case n < inner || n > maxPDU-dataHeader:
		return framer.Skip
	case len(b) < dataHeader+inner:
		return framer.More
	case int(binary.BigEndian.Uint16(b[dataHeader+inner-2:])) != n-inner:
		return framer.Skip
	}
	return dataHeader + n
}

// Package protocol is everything on which the box at the bed and the service
// in the cloud must agree: nomenclature and units, observations, the wire
// format, and topics. It does no I/O, reads no clock and logs nothing.
//
// Codes are context-free IEEE 11073-10101 codes (partition*65536 + term),
// units are UCUM. The wire format is written down for second implementations
// in docs/PROTOCOL.md, with test vectors in protocol/testdata.
package protocol

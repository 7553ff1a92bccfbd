package intellivue

import (
	"monitorme/drivers"
	"monitorme/drivers/framer"
)

// A decoder finds PDUs and lets the monitor make observations of them.
type decoder struct {
	framer  framer.Framer
	monitor monitor
	// heard, if not nil, is given each PDU before the monitor takes it; it must
	// not keep it.
	heard func(pdu []byte)
}

// makeDecoder makes a decoder of the serial line or of the network.
func makeDecoder(network bool) *decoder {
	d := &decoder{monitor: newMonitor()}
	d.framer = framer.Framer{Max: maxFrame, Frame: (&serial{take: d.take}).frame}
	if network {
		d.framer = framer.Framer{Max: maxPDU, Frame: datagrams(d.take)}
	}
	return d
}

func newDecoder() drivers.Decoder        { return makeDecoder(false) }
func newNetworkDecoder() drivers.Decoder { return makeDecoder(true) }

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.monitor.emit = emit
	d.framer.Feed(p)
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

func (d *decoder) take(pdu []byte) {
	if d.heard != nil {
		d.heard(pdu)
	}
	d.monitor.take(pdu)
}

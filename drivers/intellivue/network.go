package intellivue

import "monitorme/drivers/framer"

// datagram finds PDUs that follow each other without a frame.
func datagram(take func(pdu []byte)) func(b []byte) int {
	return func(b []byte) int { return framer.Skip }
}

func (d *decoder) datagram(b []byte) int { return datagram(d.take)(b) }

package intellivue

import "encoding/binary"

// Requests of the host. These are all that the driver can write, with the
// association PDUs: nothing here changes what the monitor does to a patient,
// shows or alarms about. The one confirmed set names waves for export.

// mdsObject is the ManagedObjectId of the monitor.
var mdsObject = [6]byte{0, classMDS}

// appendOp appends a data PDU around body.
func appendOp(b []byte, op, invoke, command uint16, body []byte) []byte {
	b = append(b, pduData, 0, 0, presentationID)
	for _, v := range []uint16{op, uint16(6 + len(body)), invoke, command, uint16(len(body))} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return append(b, body...)
}

// appendFields appends 16-bit fields.
func appendFields(b []byte, fields ...uint16) []byte {
	for _, f := range fields {
		b = binary.BigEndian.AppendUint16(b, f)
	}
	return b
}

// target and scope begin the argument of a get, a set and an action.
func argument() []byte { return append(mdsObject[:], 0, 0, 0, 0) }

// action is a poll: number, class and group, and for how long to go on; 0 is a
// single poll.
func action(invoke, number, class, group uint16, period uint32) []byte {
	data := appendFields(nil, number, 1, class, group)
	kind := uint16(actionPoll)
	if period != 0 {
		kind = actionExtendedPoll
		data = binary.BigEndian.AppendUint32(appendFields(data, 1, 8, attrPollPeriod, 4), period)
	}
	body := appendFields(argument(), kind, uint16(len(data)))
	return appendOp(nil, opInvoke, invoke, commandAction, append(body, data...))
}

// created confirms that the monitor's MDS create event was heard.
func created(invoke uint16) []byte {
	body := appendFields(mdsObject[:], 0, 0, eventMDSCreated, 0)
	return appendOp(nil, opResult, invoke, commandConfirmedEvent, body)
}

// getWaves asks which waves are exported.
func getWaves(invoke uint16) []byte {
	return appendOp(nil, opInvoke, invoke, commandGet, appendFields(argument(), 1, 2, attrWaveList))
}

// setWaves says which waves to export.
func setWaves(invoke uint16, labels []uint32) []byte {
	list := appendLabels(nil, labels)
	body := appendFields(argument(), 1, uint16(6+len(list)), 0, attrWaveList, uint16(len(list)))
	return appendOp(nil, opInvoke, invoke, commandConfirmedSet, append(body, list...))
}

func appendLabels(b []byte, labels []uint32) []byte {
	b = appendFields(b, uint16(len(labels)), uint16(4*len(labels)))
	for _, l := range labels {
		b = binary.BigEndian.AppendUint32(b, l)
	}
	return b
}

// parseLabels reads the wave list in the answer to a get or a set.
func parseLabels(m message) ([]uint32, bool) {
	c := cursor{b: m.body}
	c.bytes(6)
	var labels []uint32
	found := false
	ok := c.attributes(func(id uint16, v []byte) {
		if id != attrWaveList {
			return
		}
		found = true
		list := cursor{b: v}
		count, items := list.list()
		for range count {
			if l := items.u32(); !items.short {
				labels = append(labels, l)
			}
		}
	})
	return labels, ok && found
}

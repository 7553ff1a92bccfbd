package protocol

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// AppendAck appends the wire form of a to dst, which may be nil. An
// acknowledgement beyond the limits is an error; dst is then returned as it was.
func AppendAck(dst []byte, a *Ack) ([]byte, error) {
	at := len(dst)
	err := checkAck(a)
	if err == nil {
		out := append(dst, make([]byte, headerSize)...)
		out = appendFixed(out, 1, a.Epoch)
		for _, c := range a.Committed {
			var inner int
			out, inner = begin(out, 2)
			out = appendUint(out, 1, uint64(c.Stream))
			out = appendUint(out, 2, c.First)
			out = appendUint(out, 3, c.Last)
			out = end(out, inner)
		}
		if out, err = seal(out, at, typeAck); err == nil {
			return out, nil
		}
	}
	return dst, fmt.Errorf("encode ack: %w", err)
}

func checkAck(a *Ack) error {
	if a.Epoch == 0 {
		return errors.New("epoch 0: want the epoch of the box's queue")
	}
	if len(a.Committed) > MaxRanges {
		return fmt.Errorf("%d ranges: at most %d are allowed", len(a.Committed), MaxRanges)
	}
	for i, c := range a.Committed {
		if c.First == 0 || c.Last < c.First {
			return fmt.Errorf("range %d: %d to %d: want 1 <= first <= last", i, c.First, c.Last)
		}
	}
	return nil
}

// DecodeAck reads the wire form of an acknowledgement. Streams of a newer peer
// are kept; a box passes over what it does not know.
func DecodeAck(payload []byte) (*Ack, error) {
	a := new(Ack)
	if err := open(payload, typeAck, a.decode); err != nil {
		return nil, fmt.Errorf("decode ack: %w", err)
	}
	return a, nil
}

func (a *Ack) decode(body []byte) (err error) {
	for f := (field{}); len(body) > 0; {
		if body, err = next(body, &f); err != nil {
			return err
		}
		switch f.tag {
		case 1<<3 | asFixed64:
			a.Epoch = f.n
		case 2<<3 | asBytes:
			if len(a.Committed) == MaxRanges {
				return fmt.Errorf("more than %d ranges", MaxRanges)
			}
			var c Committed
			if err := c.decode(f.b); err != nil {
				return err
			}
			a.Committed = append(a.Committed, c)
		}
	}
	return checkAck(a)
}

func (c *Committed) decode(body []byte) (err error) {
	for f := (field{}); len(body) > 0; {
		if body, err = next(body, &f); err != nil {
			return err
		}
		switch f.tag {
		case 1<<3 | asVarint:
			c.Stream = small[Stream](f.n)
		case 2<<3 | asVarint:
			c.First = f.n
		case 3<<3 | asVarint:
			c.Last = f.n
		}
	}
	return nil
}

// AppendState appends the wire form of s to dst, which may be nil. A state
// beyond the limits is an error; dst is then returned as it was.
func AppendState(dst []byte, s *BoxState) ([]byte, error) {
	at := len(dst)
	err := checkState(s)
	if err == nil {
		out := appendState(append(dst, make([]byte, headerSize)...), s)
		if out, err = seal(out, at, typeState); err == nil {
			return out, nil
		}
	}
	return dst, fmt.Errorf("encode state of box %s: %w", s.Box, err)
}

func checkState(s *BoxState) error {
	if err := CheckID("box", string(s.Box)); err != nil {
		return err
	}
	if err := checkText("version", s.Version, MaxText); err != nil {
		return err
	}
	if len(s.Devices) > MaxDevices {
		return fmt.Errorf("%d devices: at most %d are allowed", len(s.Devices), MaxDevices)
	}
	for i := range s.Devices {
		d := &s.Devices[i]
		if err := CheckID("device", string(d.Device)); err != nil {
			return err
		}
		for _, f := range []struct{ what, text string }{{"driver", d.Driver}, {"problem", d.Problem}, {"port", d.Port}, {"model", d.Model}} {
			if err := checkText(f.what, f.text, MaxText); err != nil {
				return fmt.Errorf("device %s: %w", d.Device, err)
			}
		}
		if _, err := microsOrNone("since", d.Since); err != nil {
			return fmt.Errorf("device %s: %w", d.Device, err)
		}
	}
	if _, err := microsOrNone("sent", s.Sent); err != nil {
		return err
	}
	_, err := microsOrNone("oldest", s.Queue.Oldest)
	return err
}

func appendState(dst []byte, s *BoxState) []byte {
	dst = appendString(dst, 1, s.Box)
	dst = appendBool(dst, 2, s.Online)
	dst = appendUint(dst, 3, s.Session)
	dst = appendFixed(dst, 4, s.Boot)
	dst = appendFixed(dst, 5, s.Epoch)
	dst = appendString(dst, 6, s.Version)
	dst = appendSint(dst, 7, microsOf(s.Sent))
	dst = appendUint(dst, 8, uint64(s.Clock))
	for i := range s.Devices {
		d := &s.Devices[i]
		var at int
		dst, at = begin(dst, 9)
		dst = appendString(dst, 1, d.Device)
		dst = appendString(dst, 2, d.Driver)
		dst = appendUint(dst, 3, uint64(d.Status))
		dst = appendSint(dst, 4, microsOf(d.Since))
		dst = appendString(dst, 5, d.Problem)
		dst = appendString(dst, 6, d.Port)
		dst = appendString(dst, 7, d.Model)
		dst = appendUint(dst, 8, d.SkippedBytes)
		if d.ClockOffset != nil { // 0 is said, too
			dst = protowire.AppendVarint(protowire.AppendTag(dst, 9, protowire.VarintType), protowire.EncodeZigZag(*d.ClockOffset))
		}
		dst = end(dst, at)
	}
	if q := &s.Queue; *q != (QueueState{}) {
		var at int
		dst, at = begin(dst, 10)
		dst = appendUint(dst, 1, q.Entries)
		dst = appendUint(dst, 2, q.Bytes)
		dst = appendUint(dst, 3, q.MaxBytes)
		dst = appendSint(dst, 4, microsOf(q.Oldest))
		dst = appendUint(dst, 5, q.Dropped)
		dst = end(dst, at)
	}
	return appendBool(dst, 11, s.Leaving)
}

// DecodeState reads the wire form of a box's state. Statuses of a newer peer
// are kept.
func DecodeState(payload []byte) (*BoxState, error) {
	s := new(BoxState)
	if err := open(payload, typeState, s.decode); err != nil {
		return nil, fmt.Errorf("decode state: %w", err)
	}
	return s, nil
}

func (s *BoxState) decode(body []byte) (err error) {
	for f := (field{}); len(body) > 0; {
		if body, err = next(body, &f); err != nil {
			return err
		}
		switch f.tag {
		case 1<<3 | asBytes:
			s.Box = BoxID(f.b)
		case 2<<3 | asVarint:
			s.Online = f.n != 0
		case 3<<3 | asVarint:
			s.Session = f.n
		case 4<<3 | asFixed64:
			s.Boot = f.n
		case 5<<3 | asFixed64:
			s.Epoch = f.n
		case 6<<3 | asBytes:
			s.Version = string(f.b)
		case 7<<3 | asVarint:
			s.Sent, err = instantOrNone("sent", f.sint())
		case 8<<3 | asVarint:
			s.Clock = small[ClockQuality](f.n)
		case 9<<3 | asBytes:
			if len(s.Devices) == MaxDevices {
				return fmt.Errorf("more than %d devices", MaxDevices)
			}
			var d DeviceState
			err = d.decode(f.b)
			s.Devices = append(s.Devices, d)
		case 10<<3 | asBytes:
			err = s.Queue.decode(f.b)
		case 11<<3 | asVarint:
			s.Leaving = f.n != 0
		}
		if err != nil {
			return err
		}
	}
	return checkState(s)
}

func (d *DeviceState) decode(body []byte) (err error) {
	for f := (field{}); len(body) > 0; {
		if body, err = next(body, &f); err != nil {
			return err
		}
		switch f.tag {
		case 1<<3 | asBytes:
			d.Device = DeviceID(f.b)
		case 2<<3 | asBytes:
			d.Driver = string(f.b)
		case 3<<3 | asVarint:
			d.Status = small[DeviceStatus](f.n)
		case 4<<3 | asVarint:
			d.Since, err = instantOrNone("since", f.sint())
		case 5<<3 | asBytes:
			d.Problem = string(f.b)
		case 6<<3 | asBytes:
			d.Port = string(f.b)
		case 7<<3 | asBytes:
			d.Model = string(f.b)
		case 8<<3 | asVarint:
			d.SkippedBytes = f.n
		case 9<<3 | asVarint:
			d.ClockOffset = new(f.sint())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (q *QueueState) decode(body []byte) (err error) {
	for f := (field{}); len(body) > 0; {
		if body, err = next(body, &f); err != nil {
			return err
		}
		switch f.tag {
		case 1<<3 | asVarint:
			q.Entries = f.n
		case 2<<3 | asVarint:
			q.Bytes = f.n
		case 3<<3 | asVarint:
			q.MaxBytes = f.n
		case 4<<3 | asVarint:
			if q.Oldest, err = instantOrNone("oldest", f.sint()); err != nil {
				return err
			}
		case 5<<3 | asVarint:
			q.Dropped = f.n
		}
	}
	return nil
}

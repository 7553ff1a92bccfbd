package protocol

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Rebase gives a copy of an encoded batch whose base is moved, with clock and
// sent set, without decoding its observations: it is what a box does to each
// stored batch when it publishes it.
//
// The new base is base plus shift; a zero base means the one in the batch, so
// that zero base and shift keep it. All times of the batch but the devices' own
// move with it. sent may be zero.
//
// payload must be a batch that was encoded, whole: Rebase checks its header
// only. It costs one copy: the fields are appended, because the last value of a
// scalar field of protobuf wins; behind a compressed body they stand in a zstd
// frame of their own, which is legal too. Only a shift with no base given must
// read, and if need be decompress, the batch to find its base. Each call adds
// up to 64 bytes, so rebase the stored batch, not the last rebased one.
func Rebase(payload []byte, base time.Time, shift time.Duration, clock ClockQuality, sent time.Time) ([]byte, error) {
	out, err := rebase(payload, base, shift, clock, sent)
	if err != nil {
		return nil, fmt.Errorf("rebase batch: %w", err)
	}
	return out, nil
}

func rebase(payload []byte, base time.Time, shift time.Duration, clock ClockQuality, sent time.Time) ([]byte, error) {
	enc, err := checkHeader(payload, typeBatch)
	if err != nil {
		return nil, err
	}
	if shift != 0 && base.IsZero() {
		if base, err = baseOf(payload); err != nil {
			return nil, err
		}
	}
	us, err := microsOrNone("sent", sent)
	if err != nil {
		return nil, err
	}
	// Zero values are written too: they must win over what is there.
	var fields [rebaseRoom]byte
	tail := protowire.AppendVarint(append(fields[:0], 6<<3), uint64(clock))
	tail = protowire.AppendVarint(append(tail, 10<<3), protowire.EncodeZigZag(us))
	if !base.IsZero() {
		if us, err = micros("base", base.Add(shift)); err != nil {
			return nil, err
		}
		tail = protowire.AppendVarint(append(tail, 5<<3), protowire.EncodeZigZag(us))
	}
	if len(payload)+rebaseRoom > MaxMessageBytes {
		return nil, fmt.Errorf("%w: %d bytes leave no room to rebase, at most %d are allowed", ErrTooLarge, len(payload), MaxMessageBytes-rebaseRoom)
	}
	out := append(make([]byte, 0, len(payload)+rebaseRoom), payload...)
	if enc == encodingZstd {
		return zstdRaw(out, tail), nil
	}
	return append(out, tail...), nil
}

// baseOf finds the base of an encoded batch.
func baseOf(payload []byte) (base time.Time, err error) {
	err = open(payload, typeBatch, func(body []byte) (err error) {
		us := int64(0)
		for f := (field{}); len(body) > 0; {
			if body, err = next(body, &f); err != nil {
				return err
			}
			if f.tag == 5<<3|asVarint {
				us = f.sint()
			}
		}
		base, err = instant("base", 0, us)
		return err
	})
	return base, err
}

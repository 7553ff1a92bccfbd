package glucose

import (
	"context"

	"monitorme/drivers"
	"monitorme/drivers/ledger"
)

// An entry is a reading of a certain meter.
type entry struct {
	meter string // model and serial number, as far as it tells them
	reading
}

// told is what was told at each port.
var told ledger.Ports[entry]

// A reader is a decoder of a meter that must be asked.
type reader interface {
	drivers.Asker
	remember(*ledger.Ledger[entry])
}

// converse is drivers.Converse for a meter: what was told at the port before is
// not told again.
func converse[R reader](newReader func() R) func(context.Context, drivers.Port, drivers.Emit) error {
	return func(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
		return drivers.Converse(func() drivers.Asker {
			r := newReader()
			r.remember(told.At(port))
			return r
		})(ctx, port, emit)
	}
}

package intellivue

import (
	"monitorme/protocol"
)

// A waveSpec is what is known of the samples of an object.
type waveSpec struct{}

type waveState struct{}

func (w *waveSpec) describe(id uint16, c cursor) bool { return false }

func (w *waveSpec) targetOf(t target) target { return t }

func (m *monitor) samples(r pollResult, o *object, c *cursor) {}

var _ = protocol.SpO2

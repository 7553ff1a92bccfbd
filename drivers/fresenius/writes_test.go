package fresenius

import (
	"math/rand/v2"
	"testing"

	"monitorme/drivers/drivertest"
)

func TestNothingButWhatIsAllowedIsWrittenWhateverIsAtTheFarEnd(t *testing.T) {
	drivertest.Writes(t, Driver, drivertest.Only(allowed...), func(r *rand.Rand) []byte {
		says := []string{"C", "C;b01FF", "C;b0000", "C;d0064;r001F40", "C;PR0064", "I;0D", "I;0E", "I;1E", "I;1F", "I;20", "I;0B", "E;d0064", "M;MO", "PR;0064", "PO", "OF"}
		return appendFrame(nil, []address{nobody, base, '1', '5', last}[r.IntN(5)], says[r.IntN(len(says))])
	})
}

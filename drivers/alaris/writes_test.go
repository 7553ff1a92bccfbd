package alaris

import (
	"math/rand/v2"
	"testing"

	"monitorme/drivers/drivertest"
)

func TestNothingButTheQuestionsIsWrittenWhateverIsAtTheFarEnd(t *testing.T) {
	var only [][]byte
	for _, q := range allowed {
		only = append(only, []byte(q))
	}
	drivertest.Writes(t, Driver, drivertest.Only(only...), func(r *rand.Rand) []byte {
		orders := []string{"^INF_START", "^INF_STOP", "^INF_RATE^9", "^REMOTE_CTRL^ENABLED^3CC1", "", "^^", status, "^!INF_STOP"}
		return appendLine(nil, names[r.IntN(int(commands))]+orders[r.IntN(len(orders))])
	})
}

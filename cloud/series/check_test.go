package series_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"monitorme/cloud/series"
	"monitorme/protocol"
)

func TestARefusalNamesObservationsOfTheWholeAppend(t *testing.T) {
	obs := make([]protocol.Observation, 8)
	for i := range obs {
		obs[i] = protocol.Observation{Kind: protocol.KindNumeric, At: time.Unix(int64(i), 0)}
	}
	for _, i := range []int{0, 3, 4, 7} {
		obs[i].Device = "no good"
	}
	good, refused := series.Sift("box", obs)
	if len(good) != 4 || !good[1].At.Equal(time.Unix(2, 0)) || !good[3].At.Equal(time.Unix(6, 0)) {
		t.Errorf("good are %v, want 1, 2, 5 and 6", good)
	}
	rest := &series.RefusedError{Indexes: []int{0, 2, 3}, Reason: errors.New("the server")} // 1, 5 and 6
	all, ok := errors.AsType[*series.RefusedError](series.Sifted(refused, rest))
	if want := []int{0, 1, 3, 4, 5, 6, 7}; !ok || !slices.Equal(all.Indexes, want) {
		t.Errorf("refused %v, want %v", all, want)
	}
	if err := series.Sifted(refused, nil); !errors.Is(err, series.ErrRefused) {
		t.Errorf("%v, want the refusal", err)
	}
	away := errors.New("away")
	if err := series.Sifted(refused, away); !errors.Is(err, away) || errors.Is(err, series.ErrRefused) {
		t.Errorf("%v, want %v", err, away)
	}
	if err := series.Sifted(nil, nil); err != nil {
		t.Errorf("%v, want nil", err)
	}
}

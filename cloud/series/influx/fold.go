package influx

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"monitorme/cloud/series"
	"monitorme/protocol"

	"github.com/influxdata/influxdb-client-go/v2/api/query"
)

// aggregates are the answers from which buckets are made.
type aggregates struct {
	byUnit map[string]map[int64]*series.Bucket // by unit and start
	unit   string                              // of the first number
	first  time.Time
	all    map[int64]int // readings by start
}

func (a *aggregates) add(r *query.FluxRecord) error {
	at, unit := r.Time().UnixMicro(), text(r, "unit")
	number, _ := r.Value().(float64)
	count, _ := r.Value().(int64)
	switch name := r.Result(); name {
	case "first":
		if a.first.IsZero() || r.Time().Before(a.first) {
			a.first, a.unit = r.Time(), unit
		}
	case "all":
		a.all[at] += int(count)
	case "min", "max", "mean", "count":
		if a.byUnit[unit] == nil {
			a.byUnit[unit] = map[int64]*series.Bucket{}
		}
		b := a.byUnit[unit][at]
		if b == nil {
			b = &series.Bucket{}
			a.byUnit[unit][at] = b
		}
		switch name {
		case "min":
			b.Min = number
		case "max":
			b.Max = number
		case "mean":
			b.Mean = number
		case "count":
			b.Count = int(count)
		}
	default:
		return fmt.Errorf("query InfluxDB: unexpected result %q", name)
	}
	return nil
}

func (a *aggregates) buckets() []series.Bucket {
	numbers := a.byUnit[a.unit]
	out := make([]series.Bucket, 0, len(a.all))
	for _, at := range slices.Sorted(maps.Keys(a.all)) {
		b := series.Bucket{}
		if n := numbers[at]; n != nil {
			b = *n
		}
		b.From = time.UnixMicro(at).UTC()
		b.Bad = a.all[at] - b.Count
		out = append(out, b)
	}
	return out
}

// newest is the newest reading of each series of a box.
type newest struct {
	box   protocol.BoxID
	byKey map[series.Key]reading
}

type reading struct {
	at   time.Time
	kind protocol.Kind
	unit protocol.Unit
}

func newNewest(box protocol.BoxID) newest { return newest{box, map[series.Key]reading{}} }

func (n newest) add(r *query.FluxRecord) (bool, error) {
	var tags [3]string
	for i, name := range []string{"device", "channel", "unit"} {
		v, err := unescapeTag(text(r, name))
		if err != nil {
			return false, err
		}
		tags[i] = v
	}
	code, err := strconv.ParseUint(text(r, "code"), 10, 32)
	if err != nil {
		return false, fmt.Errorf("tag code: %w", err)
	}
	kind, _, _ := strings.Cut(text(r, "_value"), ";")
	number, err := strconv.ParseUint(kind, 10, 8)
	if err != nil {
		return false, fmt.Errorf("field exact: %w", err)
	}
	k := series.Key{Box: n.box, Device: protocol.DeviceID(tags[0]), Channel: tags[1], Code: protocol.Code(code)}
	if v, ok := n.byKey[k]; !ok || r.Time().After(v.at) {
		n.byKey[k] = reading{r.Time(), protocol.Kind(number), protocol.Unit(tags[2])}
	}
	return true, nil
}

func (n newest) infos() []series.SeriesInfo {
	var infos []series.SeriesInfo
	for k, v := range n.byKey {
		infos = append(infos, series.SeriesInfo{Key: k, Kind: v.kind, Unit: v.unit})
	}
	return infos
}

package patient

import (
	"math"
	"time"
)

// A stage of sleep, in the words of protocol.SleepStatus.
type stage uint8

const (
	awake stage = iota
	light
	deep
	rem
)

var stageWords = [...]string{awake: "awake", light: "light", deep: "deep", rem: "rem"}

// depth is how far a stage takes the body down, 0 to 1.
var depth = [...]float64{awake: 0, light: 0.85, deep: 1, rem: 0.6}

const epoch = 30.0 // seconds that a sleep stage is scored for

// A night is the architecture of one night's sleep: cycles of about 95 minutes
// in which deep sleep shrinks and dreaming grows, with awakenings between.
type night struct {
	noon   float64 // Unix seconds of the noon before
	bed    float64 // Unix seconds of the first epoch
	stages []stage
	dip    []float64 // smoothed depth of sleep at the end of each epoch, 0 to 1
}

// newNight makes the night after the noon of that local day.
func newNight(seed uint64, noon time.Time, restless bool) *night {
	day := noon.Unix() / 86400
	draw := int64(0)
	random := func(lo, hi float64) float64 {
		draw++
		return between(seed, streamNight, day<<12+draw, lo, hi)
	}
	n := &night{noon: float64(noon.Unix())}
	n.bed = n.noon + 3600*random(9.4, 10.9)
	rise := n.noon + 3600*random(18, 19)
	add := func(s stage, minutes float64) {
		for range int(math.Round(minutes * 60 / epoch)) {
			n.stages = append(n.stages, s)
		}
	}
	wake := 0.35
	if restless {
		wake = 0.8
	}
	add(awake, random(5, 20)) // until asleep
	for c := 0.0; n.bed+float64(len(n.stages))*epoch < rise; c++ {
		add(light, random(10, 18))
		add(deep, max(0, random(34, 44)-12*c))
		add(light, random(14, 24)+4*c)
		if random(0, 1) < wake {
			add(awake, random(0.5, 3))
			add(light, random(5, 10))
		}
		add(rem, random(7, 11)+7*c)
		if random(0, 1) < wake {
			add(awake, random(1, 6))
		}
	}
	n.dip = make([]float64, len(n.stages))
	d := 0.0
	for i, s := range n.stages {
		d += (depth[s] - d) * epoch / 300
		n.dip[i] = d
	}
	return n
}

// at gives the stage and the smoothed depth of sleep at t.
func (n *night) at(t float64) (stage, float64) {
	x := (t - n.bed) / epoch
	i := int(math.Floor(x))
	switch {
	case i < 0:
		return awake, 0
	case i >= len(n.stages):
		return awake, n.dip[len(n.dip)-1] * math.Exp(-(x-float64(len(n.stages)))*epoch/300)
	}
	before := 0.0
	if i > 0 {
		before = n.dip[i-1]
	}
	return n.stages[i], before + (n.dip[i]-before)*(x-float64(i))
}

package patient

import "math"

// Everything random in a model is a hash of its seed, of a stream (what the
// number is for) and of an index, so that no state has to be carried in time.

// A stream keeps the random numbers of one purpose apart from all others.
type stream uint64

const (
	streamTraits stream = iota + 1
	streamHeartFast
	streamHeartSlow
	streamBreathFast
	streamBreathSlow
	streamPressure
	streamOxygen
	streamPerfusion
	streamTemperature
	streamGlucose
	streamRhythm
	streamExtraBeat
	streamBreathDepth
	streamLowFrequency
	streamMuscle
	streamElectrode
	streamNight
)

// hash mixes seed, stream and index (the finaliser of SplitMix64).
func hash(seed uint64, s stream, i int64) uint64 {
	x := seed ^ uint64(s)*0x9e3779b97f4a7c15 ^ uint64(i)*0xd1342543de82ef95
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// uniform is evenly spread over [0, 1).
func uniform(seed uint64, s stream, i int64) float64 {
	return float64(hash(seed, s, i)>>11) / (1 << 53)
}

// between is evenly spread over [lo, hi).
func between(seed uint64, s stream, i int64, lo, hi float64) float64 {
	return lo + (hi-lo)*uniform(seed, s, i)
}

// symmetric has mean 0, standard deviation 1 and stays within ±2.45: the sum of
// two uniform numbers.
func symmetric(seed uint64, s stream, i int64) float64 {
	h := hash(seed, s, i)
	return (float64(h>>32) + float64(uint32(h)) - (1<<32 - 1)) * (math.Sqrt2 * 1.7320508075688772 / (1 << 32))
}

// drift wanders smoothly around 0 with a standard deviation of about 0.8,
// within ±2.45; period is the distance in seconds of its knots.
func drift(seed uint64, s stream, t, period float64) float64 {
	k := math.Floor(t / period)
	x := t/period - k
	a, b := symmetric(seed, s, int64(k)), symmetric(seed, s, int64(k)+1)
	return a + (b-a)*x*x*(3-2*x)
}

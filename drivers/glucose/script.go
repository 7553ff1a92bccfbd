package glucose

import "time"

// A script asks one question after another, each when the last one has been
// answered, and begins again after a pause.
type script struct {
	step  int
	tries int
	state scriptState
	due   time.Duration

	answered bool // set by a decoder: the question has its whole answer
	progress bool // set by a decoder: something of the answer has come
}

type scriptState uint8

const (
	resting scriptState = iota
	waiting
)

const (
	maxTries = 3
	// absentFor is how long a meter that did not answer is left alone.
	absentFor = 30 * time.Second
)

// ask appends the next question to b if it is due. The question of a step is
// given by request, which appends nothing after the last one; patience is how
// long a meter may say nothing in its answer.
func (q *script) ask(b []byte, now, patience time.Duration, request func(b []byte, step int) []byte) ([]byte, time.Duration) {
	switch {
	case q.answered && q.state == waiting:
		q.step, q.tries, q.due = q.step+1, 0, now
	case q.progress && q.state == waiting:
		q.due = now + patience
	}
	again := !q.answered
	q.answered, q.progress = false, false
	if now < q.due {
		return b, q.due - now
	}
	if q.state == waiting && again {
		if q.tries++; q.tries >= maxTries {
			*q = script{due: now + absentFor}
			return b, absentFor
		}
	}
	n := len(b)
	if b = request(b, q.step); len(b) == n {
		*q = script{due: now + every}
		return b, every
	}
	q.state, q.due = waiting, now+patience
	return b, patience
}

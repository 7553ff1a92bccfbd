// Package hamilton is the driver of Hamilton ventilators set to the polling
// protocol: measured values, settings and mode. It is experimental: line and
// values were never seen on a ventilator. docs/devices/hamilton-g5-galileo.md
// describes it.
//
// It sends requests for parameters and nothing else.
package hamilton

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is the driver.
var Driver = drivers.Driver{
	Name:         "hamilton",
	Title:        "Hamilton ventilators, polling protocol",
	Models:       []string{"Galileo", "G5", "RAPHAEL"},
	Sheet:        "docs/devices/hamilton-g5-galileo.md",
	Experimental: true,
	Line:         drivers.Line{Baud: 9600, Parity: drivers.ParityEven, StopBits: 2},
	Alternates: []drivers.Line{{Baud: 9600, DataBits: 7, Parity: drivers.ParityEven, StopBits: 2}, {Baud: 9600, Parity: drivers.ParityEven},
		{Baud: 9600, DataBits: 7, Parity: drivers.ParityEven}},
	Asks:       true,
	Silence:    5 * time.Second,
	Codes:      codes(),
	NewDecoder: newDecoder,
	Run:        run,
	Simulate:   simulate,
}

func codes() (all []protocol.Code) {
	for _, l := range [][]parameter{fast, slow} {
		for _, p := range l {
			all = append(all, p.code)
		}
	}
	return all
}

const (
	spacing      = 50 * time.Millisecond  // asking faster merges answers
	answerWithin = 300 * time.Millisecond // then the next is asked
	circle       = time.Second
	slowOnes     = 5 // of a circle
	afterMisses  = time.Second
	misses       = 3
)

// A poll is one run of the driver: one request, its answer, the next.
type poll struct {
	port    drivers.Port
	decoder *decoder
	at      int // in the circle
	slowAt  int
	began   time.Time // the circle
	next    time.Time // when to ask
	waiting bool
	missed  int
	frames  uint64
}

func run(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
	p := &poll{port: port, decoder: makeDecoder(), began: time.Now()}
	sink, _ := port.(drivers.StatsSink)
	stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 256)
	for {
		if err := p.ask(time.Now()); err != nil {
			return fmt.Errorf("ask the ventilator: %w", err)
		}
		port.SetReadDeadline(p.next)
		if ctx.Err() != nil { // its deadline may have been set before ours
			return ctx.Err()
		}
		n, err := port.Read(buf)
		p.decoder.Decode(buf[:n], emit)
		if sink != nil {
			sink.ReportStats(p.decoder.Stats())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		p.heard(time.Now())
	}
}

// heard lets the next request follow an answer.
func (p *poll) heard(now time.Time) {
	if n := p.decoder.Stats().Frames; n != p.frames {
		p.frames, p.missed = n, 0
		if p.waiting {
			p.waiting, p.next = false, now.Add(spacing)
		}
	}
}

func (p *poll) ask(now time.Time) error {
	if now.Before(p.next) {
		return nil
	}
	if p.waiting {
		p.waiting = false
		if p.missed++; p.missed%misses == 0 {
			p.next = now.Add(afterMisses)
			return nil
		}
	}
	if p.at == len(fast)+slowOnes {
		p.at = 0
		if start := p.began.Add(circle); now.Before(start) {
			p.next = start
			return nil
		}
	}
	if p.at == 0 {
		p.began = now
	}
	var id byte
	if p.at < len(fast) {
		id = fast[p.at].id
	} else {
		id = slow[p.slowAt].id
		p.slowAt = (p.slowAt + 1) % len(slow)
	}
	p.at++
	p.waiting, p.next = true, now.Add(answerWithin)
	_, err := p.port.Write([]byte{stx, id, etx, cr})
	return err
}

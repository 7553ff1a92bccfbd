package drivertest

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// An Allowed tells how many bytes at the start of what was written, which is
// not empty, are one thing that may be written; 0 if they are none.
type Allowed func(wrote []byte) int

// Only allows these byte strings and nothing else; of none of them nothing at
// all. Where one is the beginning of another, the longer counts.
func Only(requests ...[]byte) Allowed {
	return func(wrote []byte) (n int) {
		for _, q := range requests {
			if len(q) > n && bytes.HasPrefix(wrote, q) {
				n = len(q)
			}
		}
		return n
	}
}

// Cut cuts what was written into what may be, and fails where that is not
// possible. Fuzz targets of a driver's own conversation use it.
func Cut(t testing.TB, wrote []byte, allowed Allowed) (requests [][]byte) {
	t.Helper()
	for len(wrote) > 0 {
		n := allowed(wrote)
		if n <= 0 || n > len(wrote) {
			t.Fatalf("after %d requests wrote % X (%[2]q), which is not allowed", len(requests), wrote[:min(len(wrote), 64)])
		}
		requests, wrote = append(requests, wrote[:n]), wrote[n:]
	}
	return requests
}

// Times is how often request is among requests.
func Times(requests [][]byte, request []byte) (n int) {
	for _, q := range requests {
		if bytes.Equal(q, request) {
			n++
		}
	}
	return n
}

// Overhear plays d's simulator for p against its run loop while during goes on,
// and gives what Run emitted and what it wrote, its goodbye with it. It is
// called in a synctest bubble.
func Overhear(t *testing.T, d drivers.Driver, p drivers.Patient, during func()) (obs []protocol.Observation, wrote []byte) {
	t.Helper()
	host, device := NewWire()
	defer device.Close()
	ctx, stop := context.WithCancel(t.Context())
	tap := &tap{End: host}
	done := make(chan error, 2)
	go func() { done <- d.Simulate(ctx, device, p) }()
	go func() { done <- d.Run(ctx, tap, func(o protocol.Observation) { obs = append(obs, o) }) }()
	during()
	stop()
	<-done
	<-done
	return obs, tap.wrote
}

// Writes proves that allowed is all that d ever writes, whatever happens at the
// far end: nothing that could be a start, a setting or the silencing of an
// alarm reaches a device that treats a patient. Spell the list out byte by
// byte: one that is made of the driver's own table changes with it.
//
// Run is played for an hour each against the simulator, whose sensors come off
// for a while; a device that is switched off and on; one that is silent; one
// that sends back what it gets; noise; pieces of the captures below testdata;
// and the simulator over a line that spoils both ways and puts such pieces
// between its answers. To the pieces belongs what says makes: frames whose
// check is right and whose content is not, for noise does not get past a check.
//
// A Run that ends by itself is run again, as the box does. All that Run emits is
// held against Check. Writes gives what was written to the simulator, for tests
// of how often something was, and ends a test that it fails; it is not called
// in a bubble.
func Writes(t *testing.T, d drivers.Driver, allowed Allowed, says ...func(r *rand.Rand) []byte) (usual [][]byte) {
	t.Helper()
	far := farEnd{d: d, lies: append(says, noise)}
	filepath.WalkDir("testdata", func(path string, _ fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err == nil && (ext == ".hex" || ext == ".bin") {
			far.captures = append(far.captures, Load(t, path))
		}
		return nil // there may be none
	})
	if len(far.captures) > 0 {
		far.lies = append(far.lies, far.piece)
	}
	for i, c := range []struct {
		name string
		play func(ctx context.Context, wire *End) error
	}{
		{"to the simulator", far.simulated},
		{"to a device that is switched off and on", far.restarted},
		{"to a silent device", far.silent},
		{"to its own echo", far.echo},
		{"to noise", far.noise},
		{"to what was captured, in pieces", far.talk},
		{"over a bad line", far.spoilt},
	} {
		t.Run("writes "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := Cut(t, far.hour(t, c.play), allowed)
				if i == 0 {
					usual = requests
				}
			})
		})
	}
	if d.Asks && len(usual) == 0 {
		t.Error("it asks, and has written nothing to the simulator in an hour")
	}
	if t.Failed() {
		t.FailNow() // what follows would be about a part of it
	}
	return usual
}

// A tap keeps what is written, also what the line does not take any more.
type tap struct {
	*End
	wrote []byte
}

func (p *tap) Write(b []byte) (int, error) {
	p.wrote = append(p.wrote, b...)
	return p.End.Write(b)
}

// A farEnd is a device that a driver may meet.
type farEnd struct {
	d        drivers.Driver
	captures [][]byte
	lies     []func(r *rand.Rand) []byte
}

// hour runs the driver against play, and gives what it wrote.
func (f farEnd) hour(t *testing.T, play func(context.Context, *End) error) (wrote []byte) {
	ctx, stop := context.WithCancel(t.Context())
	defer time.AfterFunc(time.Hour, stop).Stop()
	d := f.d
	if d.Fresh != nil {
		d = d.Fresh()
	}
	for ctx.Err() == nil {
		host, device := NewWire()
		tap := &tap{End: host}
		there, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- play(there, device) }()
		d.Run(ctx, tap, func(o protocol.Observation) {
			if err := Check(o); err != nil {
				t.Error(err)
			}
		})
		leave() // only now: a goodbye is heard
		device.Close()
		<-left
		wrote = append(wrote, tap.wrote...)
		pause(ctx, time.Second)
	}
	return wrote
}

// pause waits, and tells whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (f farEnd) simulated(ctx context.Context, wire *End) error {
	p := NewPatient()
	time.AfterFunc(20*time.Minute, func() { p.AllOff(true) })
	time.AfterFunc(40*time.Minute, func() { p.change(f.d.Codes); p.AllOff(false) })
	return f.d.Simulate(ctx, wire, p)
}

func (f farEnd) restarted(ctx context.Context, wire *End) error {
	r := rand.New(rand.NewPCG(1, 1))
	for ctx.Err() == nil {
		on, off := context.WithTimeout(ctx, time.Duration(r.Int64N(int64(time.Minute))))
		f.d.Simulate(on, wire, NewPatient())
		off()
		wire.SetWriteDeadline(time.Time{}) // the simulator's end has set it
		until := time.Now().Add(time.Duration(r.Int64N(int64(time.Minute))))
		wire.SetReadDeadline(until)
		io.Copy(io.Discard, wire)
		wire.SetReadDeadline(time.Time{})
		pause(ctx, time.Until(until)) // the line is closed
	}
	return ctx.Err()
}

func (f farEnd) silent(_ context.Context, wire *End) error {
	_, err := io.Copy(io.Discard, wire)
	return err
}

func (f farEnd) echo(ctx context.Context, wire *End) error {
	buf := make([]byte, 256)
	for {
		n, err := wire.Read(buf)
		if err != nil {
			return err
		}
		if pause(ctx, 10*time.Millisecond) { // a line takes its time
			wire.Write(buf[:n])
		}
	}
}

func (f farEnd) noise(ctx context.Context, wire *End) error {
	return speak(ctx, wire, rand.New(rand.NewPCG(2, 2)), noise)
}

func (f farEnd) talk(ctx context.Context, wire *End) error {
	return speak(ctx, wire, rand.New(rand.NewPCG(3, 3)), f.lie)
}

func (f farEnd) spoilt(ctx context.Context, wire *End) error {
	bad := &badLine{End: wire, in: rand.New(rand.NewPCG(4, 4)), out: rand.New(rand.NewPCG(5, 5)), lie: f.lie}
	return f.d.Simulate(ctx, bad, NewPatient())
}

// speak says something now and then, whatever it hears.
func speak(ctx context.Context, wire *End, r *rand.Rand, say func(*rand.Rand) []byte) error {
	var deaf sync.WaitGroup
	deaf.Go(func() { io.Copy(io.Discard, wire) })
	defer deaf.Wait()
	for pauses := []time.Duration{0, time.Millisecond, 30 * time.Millisecond, time.Second, 8 * time.Second}; ; {
		if wait := pauses[r.IntN(len(pauses))]; !pause(ctx, time.Duration(r.Int64N(int64(wait)+1))) {
			return ctx.Err()
		}
		if _, err := wire.Write(say(r)); err != nil {
			return err
		}
	}
}

// lie is something that the driver may not expect.
func (f farEnd) lie(r *rand.Rand) []byte { return spoil(r, f.lies[r.IntN(len(f.lies))](r)) }

// piece is a piece of a capture.
func (f farEnd) piece(r *rand.Rand) []byte {
	wire := f.captures[r.IntN(len(f.captures))]
	i := r.IntN(len(wire) + 1)
	return wire[i:min(len(wire), i+r.IntN(500))]
}

// noise is a run of random bytes, or of one.
func noise(r *rand.Rand) []byte {
	b := bytes.Repeat([]byte{byte(r.Uint32())}, 1+r.IntN(64))
	if r.IntN(2) == 0 {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
	}
	return b
}

// A badLine spoils what passes it, and adds to what the device says.
type badLine struct {
	*End
	in, out *rand.Rand
	lie     func(*rand.Rand) []byte
}

func (l *badLine) Read(p []byte) (int, error) {
	n, err := l.End.Read(p)
	return copy(p, spoil(l.in, p[:n])), err
}

func (l *badLine) Write(p []byte) (int, error) {
	said := spoil(l.out, p)
	if l.out.IntN(4) == 0 {
		said = slices.Concat(said, l.lie(l.out))
	}
	if _, err := l.End.Write(said); err != nil {
		return 0, err
	}
	return len(p), nil
}

// spoil gives p as it is, mostly.
func spoil(r *rand.Rand, p []byte) []byte {
	if len(p) == 0 || r.IntN(4) > 0 {
		return p
	}
	from := r.IntN(len(p))
	to := min(len(p), from+1+r.IntN(8))
	switch r.IntN(5) {
	case 0:
		return nil // lost as a whole
	case 1:
		return slices.Concat(p[:from], p[to:])
	case 2:
		return slices.Concat(p[:to], p[from:]) // twice
	case 3:
		return slices.Concat(p[:from], noise(r), p[from:])
	}
	p = bytes.Clone(p)
	p[from] ^= 1 << r.IntN(8)
	return p
}

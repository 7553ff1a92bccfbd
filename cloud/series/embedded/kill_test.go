package embedded

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"monitorme/cloud/series"
	"monitorme/protocol"
)

const killDir = "MONITORME_TEST_KILL_DIR"

func killKey(writer int) series.Key {
	return series.Key{Box: protocol.BoxID(fmt.Sprintf("box-%d", writer)), Device: "monitor", Code: protocol.HeartRate}
}

var killStart = time.Date(2026, 5, 1, 10, 59, 0, 0, time.UTC)

// TestMain is also the child of the test below: it appends until it is killed,
// and prints what was acknowledged.
func TestMain(m *testing.M) {
	dir := os.Getenv(killDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	tb := &testing.T{}
	s := openAt(tb, dir)
	const writers = 8
	for w := range writers {
		go func() {
			k := killKey(w)
			next := int64(0)
			s.Points(context.Background(), k, series.MinTime, series.MaxTime, func(p *series.Point) bool { next = p.Value.Mantissa + 1; return true })
			for ; ; next++ {
				o := protocol.Observation{Device: k.Device, Code: k.Code, Kind: protocol.KindNumeric, Quality: protocol.QualityGood, At: killStart.Add(time.Duration(next) * time.Second), Value: protocol.Int(next)}
				obs := []protocol.Observation{o}
				if next > 0 { // as a box does that was not told: the last one comes again
					o.At, o.Value = o.At.Add(-time.Second), protocol.Int(next-1)
					obs = append(obs, o)
				}
				if err := s.Append(context.Background(), k.Box, obs); err != nil {
					fmt.Println("failed", err)
					os.Exit(1)
				}
				fmt.Printf("ok %d %d\n", w, next)
			}
		}()
	}
	for {
		sealAll(tb, s)
		time.Sleep(5 * time.Millisecond)
	}
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	acked := map[int]int64{}
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var w int
			var i int64
			if _, err := fmt.Sscanf(lines.Text(), "ok %d %d", &w, &i); err == nil {
				acked[w] = i
			} else if strings.HasPrefix(lines.Text(), "failed") {
				t.Error(lines.Text())
			}
			if n == 300+77*round {
				cmd.Process.Kill() // what is in the pipe is still read
			}
		}
		cmd.Wait()
	}
	s := openAt(t, dir)
	for w, last := range acked {
		next := int64(0)
		err := s.Points(context.Background(), killKey(w), series.MinTime, series.MaxTime, func(p *series.Point) bool {
			if p.Value.Mantissa != next || !p.At.Equal(killStart.Add(time.Duration(next)*time.Second)) {
				t.Errorf("writer %d: %v at %v, want %d", w, p.Value, p.At, next)
				return false
			}
			next++
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		if next <= last || next > last+2 {
			t.Errorf("writer %d: %d readings, acknowledged %d", w, next, last+1)
		}
	}
	if len(acked) != 8 {
		t.Errorf("%d writers, want 8", len(acked))
	}
}

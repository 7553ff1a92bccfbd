package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/creack/pty"

	"monitorme/drivers/all"
	"monitorme/edge/port"
	"monitorme/protocol"
)

// BenchmarkIdleDevice is the memory of a device that is configured and open but
// says nothing, on a pseudo-terminal: heap and stacks, the mean of all drivers.
// Run it with -benchtime 1x.
func BenchmarkIdleDevice(b *testing.B) {
	memory := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc + m.StackInuse)
	}
	for b.Loop() {
		before := memory()
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan struct{})
		var devices []*device
		for _, drv := range all.Drivers {
			far, near, err := pty.Open()
			if err != nil {
				b.Skipf("no pseudo-terminals here: %v", err)
			}
			defer far.Close()
			path := near.Name()
			near.Close()
			d, _ := newDevice(path, port.Open)
			d.driver, d.line = drv, drv.Line
			devices = append(devices, d)
			go func() {
				d.attend(ctx)
				done <- struct{}{}
			}()
		}
		for _, d := range devices {
			for end := time.Now().Add(30 * time.Second); d.opens() == 0; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					b.Fatalf("%s was never opened", d.driver.Name)
				}
			}
		}
		time.Sleep(2 * time.Second) // requests are sent, buffers made
		b.ReportMetric((memory()-before)/float64(len(devices))/1024, "KiB/device")
		b.ReportMetric(float64(len(devices)), "devices")
		cancel()
		for range devices {
			<-done
		}
	}
}

// BenchmarkPluggedIn is the time from a cable that is plugged in to the first
// value of a device that speaks at once.
func BenchmarkPluggedIn(b *testing.B) {
	link := filepath.Join(b.TempDir(), "ttyUSB0")
	d, got := newDevice(link, port.Open)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.attend(ctx)
	}()
	var waits []time.Duration
	for n := 0; b.Loop(); n++ {
		time.Sleep(time.Duration(n%7) * 100 * time.Millisecond) // whenever
		before := d.opens()
		start := time.Now()
		tt := plugIn(b, link)
		for value := fmt.Sprint(60 + n%40); len(got.said()) == 0 || !slices.Contains(got.said(), value); time.Sleep(time.Millisecond) {
			if d.opens() > before {
				before++
				tt.say(value + "\n")
			}
			if time.Since(start) > 30*time.Second {
				b.Fatal("no value")
			}
		}
		waits = append(waits, time.Since(start))
		tt.unplug()
		for d.state().Status != protocol.DeviceFailed {
			time.Sleep(time.Millisecond)
		}
		got.forget()
	}
	cancel()
	<-done
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Milliseconds()), "ms/p50")
	b.ReportMetric(float64(waits[len(waits)-1].Milliseconds()), "ms/max")
}

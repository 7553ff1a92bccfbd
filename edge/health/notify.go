package health

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notify keeps systemd informed until ctx ends: READY=1 once every loop has
// gone round, a STATUS= line, and WATCHDOG=1 at half the watchdog's interval
// as long as no loop is late; STOPPING=1 at the end. Outside systemd it does
// nothing but wait. status is one line of text; it is called from here only.
func Notify(ctx context.Context, checks *Checks, status func() string, log *slog.Logger) {
	every := 5 * time.Second
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("watchdog of systemd unreadable", "err", err)
	}
	if interval > 0 {
		every = interval / 2
	}
	notify(ctx, checks, status, every, func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("systemd not reached", "err", err)
		}
	}, log)
}

func notify(ctx context.Context, checks *Checks, status func() string, every time.Duration, send func(string), log *slog.Logger) {
	ready := time.NewTicker(20 * time.Millisecond)
	for waiting := true; waiting; {
		select {
		case <-ready.C:
			waiting = len(checks.Late()) > 0
		case <-ctx.Done():
			waiting = false
		}
	}
	ready.Stop()
	if ctx.Err() == nil {
		send(daemon.SdNotifyReady + "\n" + daemon.SdNotifyWatchdog + "\nSTATUS=" + oneLine(status()))
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	wasLate := ""
	for {
		select {
		case <-ctx.Done():
			send(daemon.SdNotifyStopping + "\nSTATUS=stopping")
			return
		case <-tick.C:
		}
		late := strings.Join(checks.Late(), ", ")
		if late != wasLate && late != "" {
			log.Error("loops stand still; the watchdog will restart the box", "loops", late)
		}
		wasLate = late
		if late != "" {
			send("STATUS=stands still: " + oneLine(late))
			continue
		}
		send(daemon.SdNotifyWatchdog + "\nSTATUS=" + oneLine(status()))
	}
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A crew starts children and looks after them. Each has a process group of its
// own, so that an interrupt from the terminal reaches only the ward, which then
// stops them in order. Should the ward be killed, the kernel kills them.
type crew struct {
	say  func(format string, args ...any)
	logs string        // directory of their output
	work chan func()   // run on the thread that is the children's parent
	done chan struct{} // closed when that thread has ended
	wait func(ctx context.Context, d time.Duration)
	stop sync.Once
}

// newCrew starts the thread that starts children: the kernel ties a child to
// the thread, not to the process, so that thread must stay. Close ends it.
func newCrew(logs string, say func(format string, args ...any)) *crew {
	c := &crew{say: say, logs: logs, work: make(chan func()), done: make(chan struct{}), wait: pauseFor}
	go func() {
		defer close(c.done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for f := range c.work {
			f()
		}
	}()
	return c
}

// Close ends the crew; every child must have ended before.
func (c *crew) Close() {
	c.stop.Do(func() { close(c.work) })
	<-c.done
}

// onThread runs f on the thread of the children's parent.
func (c *crew) onThread(f func() error) error {
	err := make(chan error, 1)
	c.work <- func() { err <- f() }
	return <-err
}

// A child is a program that runs for as long as the ward does.
type child struct {
	name  string // also of its log
	argv  []string
	grace time.Duration // to stop when asked to, before it is killed
	ended func()        // called whenever it has ended; may be nil
}

func (c *crew) log(name string) string { return filepath.Join(c.logs, name+".log") }

// maxLog is beyond what a log is set aside when its program is started.
const maxLog = 8 << 20

// once starts ch and waits for its end. When ctx ends it is asked to stop, then
// killed with all that it has started.
func (c *crew) once(ctx context.Context, ch child) error {
	path := c.log(ch.name)
	if fi, err := os.Stat(path); err == nil && fi.Size() > maxLog {
		os.Rename(path, path+".old")
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, ch.argv[0], ch.argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = ch.grace
	if err := c.onThread(cmd.Start); err != nil {
		return err
	}
	err = cmd.Wait()
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it has left behind
	return err
}

// run keeps ch running until ctx ends. A child that dies is started again,
// later each time that it dies young.
func (c *crew) run(ctx context.Context, ch child) {
	const least, most = time.Second, 15 * time.Second
	for pause := least; ; {
		began := time.Now()
		err := c.once(ctx, ch)
		if ch.ended != nil {
			ch.ended()
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			pause = least
		}
		c.say("%s ended (%s; see %s); starting it again in %v", ch.name, why(err), c.log(ch.name), pause)
		c.wait(ctx, pause)
		if ctx.Err() != nil {
			return
		}
		pause = min(2*pause, most)
	}
}

func why(err error) string {
	if err == nil {
		return "exit status 0"
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ProcessState.String()
	}
	return err.Error()
}

func pauseFor(ctx context.Context, d time.Duration) { sleepUntil(ctx, time.Now().Add(d)) }

// tail is the end of a log, for an error.
func (c *crew) tail(name string) string {
	const most = 2000
	data, err := os.ReadFile(c.log(name))
	if err != nil {
		return ""
	}
	if len(data) > most {
		data = data[len(data)-most:]
	}
	return fmt.Sprintf("\nthe end of %s:\n%s", c.log(name), data)
}

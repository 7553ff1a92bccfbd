package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"monitorme/drivers"
	"monitorme/edge/port"
)

// maxKnown bounds the memory; beyond it what was recognised longest ago goes.
const maxKnown = 64

// Known is what was recognised at one port.
type Known struct {
	Driver string
	Line   drivers.Line
	Model  string // as the device says
	At     time.Time
}

// Memory keeps what was recognised, in a small JSON file, so that a device that
// comes back is read at once. Safe for concurrent use.
type Memory struct {
	path string
	mu   sync.Mutex
	all  map[string]Known
}

// entry is a Known in the file.
type entry struct {
	Driver string    `json:"driver"`
	Line   string    `json:"line"`
	Model  string    `json:"model,omitempty"`
	At     time.Time `json:"at"`
}

// OpenMemory reads the file. The memory is of use also if that failed: it only
// knows nothing then, and writes the file anew.
func OpenMemory(path string) (*Memory, error) {
	m := &Memory{path: path, all: map[string]Known{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	var file map[string]entry
	if err == nil {
		err = json.Unmarshal(b, &file)
	}
	if err != nil {
		return m, fmt.Errorf("read what was recognised, %s: %w", path, err)
	}
	for key, e := range file {
		if line, err := drivers.ParseLine(e.Line); err == nil || e.Line == "" {
			m.all[key] = Known{e.Driver, line, e.Model, e.At}
		}
	}
	return m, nil
}

// Key names a port: the adapter by its ids and serial number, and the socket it
// is in. name is that of the opened port.
func Key(name string, info port.Info) string {
	socket := info.ByPath
	if socket == "" {
		socket = name
	}
	if info.VID == "" {
		return socket
	}
	return strings.Join([]string{info.VID + ":" + info.PID, info.Serial, socket}, " ")
}

// Find gives what was recognised at a port.
func (m *Memory) Find(key string) (Known, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.all[key]
	return k, ok
}

// Keep remembers k and writes the file; a file that cannot be written costs
// time at the next start, nothing else.
func (m *Memory) Keep(key string, k Known) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[key] = k
	for len(m.all) > maxKnown {
		oldest := ""
		for other, known := range m.all {
			if other != key && (oldest == "" || known.At.Before(m.all[oldest].At)) {
				oldest = other
			}
		}
		delete(m.all, oldest)
	}
	if err := m.write(); err != nil {
		return fmt.Errorf("remember what was recognised: %w", err)
	}
	return nil
}

func (m *Memory) write() error {
	file := make(map[string]entry, len(m.all))
	for key, k := range m.all {
		e := entry{Driver: k.Driver, Model: k.Model, At: k.At}
		if k.Line.Baud > 0 {
			e.Line = k.Line.String()
		}
		file[key] = e
	}
	b, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(m.path), filepath.Base(m.path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // not there any more after the rename
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), m.path)
}

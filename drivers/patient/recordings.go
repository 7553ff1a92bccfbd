package patient

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Recordings is a folder of recordings of people: WFDB records (formats 16 and
// 212, several samples a frame, one file for each signal or a shared one) and
// CSV files of numerics, plain or gzip, whose first column is time_s. Two files
// of the collection's own are used where they exist: manifest.json for the
// clean stretch of each record, composites/index.json for the stretch to loop.
type Recordings struct {
	dir     string
	records map[string]*record
	tables  map[string]*table
	loops   map[string][2]float64 // seconds of a record that are fit to loop
	skipped []string

	mu sync.Mutex // held while a record is loaded
}

// OpenRecordings reads the headers and the numerics below dir; waveforms are
// read when a patient needs them. A file that is damaged is an error that names
// file and line.
func OpenRecordings(dir string) (*Recordings, error) {
	r := &Recordings{dir: dir, records: map[string]*record{}, tables: map[string]*table{}, loops: map[string][2]float64{}}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch name := d.Name(); {
		case strings.HasSuffix(name, ".hea"):
			return r.addRecord(path)
		case strings.HasSuffix(name, ".csv"), strings.HasSuffix(name, ".csv.gz"):
			return r.addTable(path)
		}
		return nil
	})
	if err == nil {
		err = r.readManifest()
	}
	if err == nil {
		err = r.readIndex()
	}
	if err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	if len(r.IDs()) == 0 {
		return nil, fmt.Errorf("recordings: %s has no WFDB header (.hea) and no CSV with a time_s column", dir)
	}
	return r, nil
}

// IDs are the names of everything that can be played, sorted: WFDB records, and
// tables by their file name without its ending.
func (r *Recordings) IDs() []string {
	var ids []string
	for name := range r.tables {
		if owner, ok := strings.CutSuffix(name, "_numerics"); ok && r.records[owner] != nil {
			continue // part of the record
		}
		ids = append(ids, name)
	}
	ids = slices.AppendSeq(ids, maps.Keys(r.records))
	slices.Sort(ids)
	return ids
}

// Skipped says what in the folder is not played and why, one line each: columns
// and signals without a code, CSV files that are no table over time.
func (r *Recordings) Skipped() []string { return slices.Clone(r.skipped) }

func (r *Recordings) skip(path, format string, args ...any) {
	if rel, err := filepath.Rel(r.dir, path); err == nil {
		path = rel
	}
	r.skipped = append(r.skipped, path+": "+fmt.Sprintf(format, args...))
}

func (r *Recordings) addRecord(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	rec, err := parseHeader(path, string(text))
	if err != nil {
		return err
	}
	if old := r.records[rec.name]; old != nil {
		return fmt.Errorf("%s: record %s is in %s as well", path, rec.name, old.path)
	}
	for _, s := range rec.signals {
		if _, ok := signalCodes[strings.ToLower(s.name)]; !ok {
			r.skip(path, "signal %q is not known", s.name)
		}
	}
	r.records[rec.name] = rec
	return nil
}

func (r *Recordings) addTable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var in io.Reader = f
	name, zipped := strings.CutSuffix(filepath.Base(path), ".gz")
	name = strings.TrimSuffix(name, ".csv")
	if zipped {
		z, err := gzip.NewReader(f)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		in = z
	}
	t, ok, err := parseTable(path, in)
	switch {
	case err != nil:
		return err
	case !ok:
		r.skip(path, "no time_s column first, or no column that is known")
		return nil
	}
	for _, c := range t.unknown {
		r.skip(path, "column %q is not known", c)
	}
	if old := r.tables[name]; old != nil {
		return fmt.Errorf("%s: a table %s is in %s as well", path, name, old.path)
	}
	r.tables[name] = t
	return nil
}

// readManifest takes the longest clean stretch of each record.
func (r *Recordings) readManifest() error {
	var m struct {
		Files []struct {
			Record string       `json:"record"`
			Clean  [][2]float64 `json:"clean_segments_s"`
		} `json:"files"`
	}
	if err := readJSON(filepath.Join(r.dir, "manifest.json"), &m); err != nil {
		return err
	}
	for _, f := range m.Files {
		for _, s := range f.Clean {
			if old := r.loops[f.Record]; s[1]-s[0] > old[1]-old[0] {
				r.loops[f.Record] = s
			}
		}
	}
	return nil
}

// readIndex takes the stretches that the composites loop.
func (r *Recordings) readIndex() error {
	var m struct {
		Loops []struct {
			Record  string     `json:"record"`
			Segment [2]float64 `json:"segment_s"`
		} `json:"loops"`
	}
	if err := readJSON(filepath.Join(r.dir, "composites", "index.json"), &m); err != nil {
		return err
	}
	for _, l := range m.Loops {
		r.loops[l.Record] = l.Segment
	}
	return nil
}

// readJSON leaves v as it is if there is no such file.
func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

package main

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// output runs the program with args and gives what it prints.
func output(t *testing.T, args ...string) (string, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	defer func() { os.Stdout = stdout }()
	runErr := run(args)
	w.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), runErr
}

func TestFlagsMayHaveOneDashOrTwo(t *testing.T) {
	for _, dash := range []string{"-", "--"} {
		text, err := output(t, "run", dash+"check", dash+"target=series")
		if err != nil || !strings.Contains(text, "data_dir:") || !strings.Contains(text, "- series") {
			t.Errorf("run %scheck: %v\n%s", dash, err, text)
		}
	}
}

func TestAWrongCallSaysWhatIsAllowed(t *testing.T) {
	_, err := output(t, "run", "-target", "kitchen", "-check")
	if err == nil || !strings.Contains(err.Error(), "kitchen") || !strings.Contains(err.Error(), "registry, series") {
		t.Errorf("unknown module: %v", err)
	}
	_, err = output(t, "run", "-config", filepath.Join(t.TempDir(), "none.yaml"))
	if err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("missing file: %v", err)
	}
	var parse *kong.ParseError
	if _, err = output(t, "enrol"); !errors.As(err, &parse) {
		t.Errorf("enrol without a name: %v", err)
	}
}

func TestEnrolGivesAUsableCertificate(t *testing.T) {
	dir := t.TempDir()
	text, err := output(t, "enrol", "box-17", "-data", filepath.Join(dir, "data"), "-out", filepath.Join(dir, "box-17"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "box-17", "box.pem"), filepath.Join(dir, "box-17", "box.key"))
	if err != nil {
		t.Fatal(err)
	}
	if name := pair.Leaf.Subject.CommonName; name != "box-17" || !strings.Contains(text, "fingerprint") {
		t.Errorf("certificate of %q, said %q", name, text)
	}
}

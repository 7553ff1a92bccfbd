package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"monitorme/edge/agent"
)

const units = "../systemd"

// unit reads a unit file as section -> key -> values.
func unit(t *testing.T, name string) map[string]map[string][]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(units, name))
	if err != nil {
		t.Fatal(err)
	}
	u, section := map[string]map[string][]string{}, ""
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		switch key, value, ok := strings.Cut(line, "="); {
		case line == "", line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			u[section] = map[string][]string{}
		case !ok || section == "":
			t.Fatalf("%s:%d: %q is neither a section nor a setting", name, i+1, line)
		default:
			u[section][key] = append(u[section][key], value)
		}
	}
	return u
}

func TestUnitOfTheBox(t *testing.T) {
	u := unit(t, "monitorme-edge.service")
	for key, want := range map[string]string{
		"Unit.StartLimitIntervalSec": "0", "Service.Type": "notify", "Service.Restart": "always", "Service.WatchdogSec": "30s",
		"Service.User": "monitorme", "Service.SupplementaryGroups": "dialout", "Service.StateDirectory": "monitorme",
		"Service.DevicePolicy": "closed", "Service.LimitNOFILE": "1024", "Service.ProtectSystem": "strict", "Service.NoNewPrivileges": "yes",
	} {
		section, name, _ := strings.Cut(key, ".")
		if got := u[section][name]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	// Each of these would hide or block the serial ports, or the network's absence would stop monitoring.
	for _, key := range []string{"PrivateDevices", "ProtectClock", "DynamicUser"} {
		if got := u["Service"][key]; got != nil {
			t.Errorf("%s=%s", key, got)
		}
	}
	for _, key := range []string{"After", "Wants", "Requires"} {
		if s := strings.Join(u["Unit"][key], " "); strings.Contains(s, "network-online") || strings.Contains(s, "time-sync") {
			t.Errorf("%s=%s: the box must run without", key, s)
		}
	}
	for _, class := range []string{"char-ttyUSB rw", "char-ttyACM rw", "char-ttyAMA rw"} {
		if !slices.Contains(u["Service"]["DeviceAllow"], class) {
			t.Errorf("DeviceAllow=%s is missing", class)
		}
	}
}

func TestUnitsAreHardened(t *testing.T) {
	for _, name := range []string{"monitorme-edge.service", "monitorme-cloud.service"} {
		unit(t, name)
		if _, err := exec.LookPath("systemd-analyze"); err != nil {
			t.Skip("systemd-analyze is not installed: the units were parsed only")
		}
		// 30 is an exposure of 3.0.
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", filepath.Join(units, name)).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out[max(0, len(out)-500):])
		}
		out, _ = exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(units, name)).CombinedOutput()
		for _, line := range strings.Split(string(out), "\n") {
			// Programs are not installed here, and systemd before 254 does not know the slowing down of restarts.
			if strings.Contains(line, name) && !strings.Contains(line, "not executable") && !strings.Contains(line, "RestartSteps") && !strings.Contains(line, "RestartMaxDelaySec") {
				t.Error(line)
			}
		}
	}
}

func TestSampleConfigurationIsValid(t *testing.T) {
	cfg, err := agent.Load(filepath.Join(units, "edge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Devices) == 0 {
		t.Error("the sample shows no device")
	}
}

// Every key that the sample shows commented out must be one that exists.
func TestCommentedKeysOfTheSampleAreValid(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(units, "edge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, line := range strings.Split(string(b), "\n") {
		if i := strings.Index(line, "#"); i >= 0 && len(line) > i+1 && line[i+1] != ' ' {
			line = line[:i] + line[i+1:] // "#key: value" is a setting, "# text" is for people
		}
		out = append(out, line)
	}
	if _, err := agent.Parse("edge.yaml without comment marks", []byte(strings.Join(out, "\n"))); err != nil {
		t.Error(err)
	}
}

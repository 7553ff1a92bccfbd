package port

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Info is one serial port that the kernel knows.
type Info struct {
	Path         string `json:"path"`              // /dev/ttyUSB0
	ByID         string `json:"by_id,omitempty"`   // /dev/serial/by-id/…: the adapter
	ByPath       string `json:"by_path,omitempty"` // /dev/serial/by-path/…: the socket it is plugged into
	VID          string `json:"vid,omitempty"`     // USB vendor, four upper case hex digits
	PID          string `json:"pid,omitempty"`     // USB product
	Serial       string `json:"serial,omitempty"`  // serial number of the adapter; many have none, or all the same
	Manufacturer string `json:"manufacturer,omitempty"`
	Product      string `json:"product,omitempty"`
}

// Address is how a configuration best names the port: by adapter when it has a
// name of its own, else by socket, else by path.
func (i Info) Address() string {
	switch {
	case i.ByID != "":
		return i.ByID
	case i.ByPath != "":
		return i.ByPath
	}
	return i.Path
}

// List gives the serial ports of this machine, in order of their paths. It
// reads what the kernel tells and opens none of them.
func List() ([]Info, error) { return system.list() }

// Find gives what is known of the port at an opened path (Port.Name).
func Find(path string) (Info, bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Info{}, false
	}
	ports, _ := system.list()
	for _, p := range ports {
		if p.Path == real {
			return p, true
		}
	}
	return Info{}, false
}

// Holder tells which process has the port open, for example "getty (pid 412)";
// "" if none is found. Processes of other users are seen by root only.
func Holder(path string) string { return system.holder(path) }

// tree is where the kernel shows itself; tests have their own.
type tree struct{ sys, dev, proc string }

var system = tree{sys: "/sys", dev: "/dev", proc: "/proc"}

func (t tree) list() ([]Info, error) {
	class := filepath.Join(t.sys, "class/tty")
	entries, err := os.ReadDir(class)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list ports: %w", err)
	}
	byID, byPath := t.links("by-id"), t.links("by-path")
	var ports []Info
	for _, e := range entries {
		dir := filepath.Join(class, e.Name())
		device, err := filepath.EvalSymlinks(filepath.Join(dir, "device"))
		if err != nil || line(dir, "type") == "0" { // a console, or a port without a chip behind it
			continue
		}
		p := Info{Path: filepath.Join(t.dev, e.Name())}
		p.ByID, p.ByPath = byID[p.Path], byPath[p.Path]
		for d, i := device, 0; i < 6 && len(d) > len(t.sys); d, i = filepath.Dir(d), i+1 {
			if vid := line(d, "idVendor"); vid != "" {
				p.VID, p.PID = strings.ToUpper(vid), strings.ToUpper(line(d, "idProduct"))
				p.Serial, p.Manufacturer, p.Product = line(d, "serial"), line(d, "manufacturer"), line(d, "product")
				break
			}
		}
		ports = append(ports, p)
	}
	slices.SortFunc(ports, func(a, b Info) int { return strings.Compare(a.Path, b.Path) })
	return ports, nil
}

// links maps a device file to its link in one folder of /dev/serial.
func (t tree) links(folder string) map[string]string {
	dir := filepath.Join(t.dev, "serial", folder)
	entries, _ := os.ReadDir(dir) // not there when nothing is plugged in
	m := make(map[string]string, len(entries))
	for _, e := range entries {
		link := filepath.Join(dir, e.Name())
		if real, err := filepath.EvalSymlinks(link); err == nil && m[real] == "" {
			m[real] = link
		}
	}
	return m
}

func line(dir, file string) string {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// holder looks at other processes first, then at this one.
func (t tree) holder(path string) string {
	if who := t.stranger(path); who != "" {
		return who
	}
	if t.opens("self", realPath(path)) {
		return fmt.Sprintf("this program (pid %d)", os.Getpid())
	}
	return ""
}

// stranger is another process that has the port open.
func (t tree) stranger(path string) string {
	real := realPath(path)
	procs, _ := os.ReadDir(t.proc)
	for _, p := range procs {
		if pid, err := strconv.Atoi(p.Name()); err == nil && pid != os.Getpid() && t.opens(p.Name(), real) {
			return fmt.Sprintf("%s (pid %d)", line(filepath.Join(t.proc, p.Name()), "comm"), pid)
		}
	}
	return ""
}

// opens tells whether a process has the file open.
func (t tree) opens(process, file string) bool {
	fds := filepath.Join(t.proc, process, "fd")
	entries, _ := os.ReadDir(fds) // none without the right to look
	return slices.ContainsFunc(entries, func(fd os.DirEntry) bool {
		to, err := os.Readlink(filepath.Join(fds, fd.Name()))
		return err == nil && to == file
	})
}

// realPath follows links, as far as there are any.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// explain adds to the failure to open path what is wrong and what to do.
func (t tree) explain(path string, err error) error {
	switch {
	case errors.Is(err, ErrBusy):
		who := t.holder(path)
		if who == "" {
			who = "another process (run as root, monitorme-edge ports names it)"
		}
		return fmt.Errorf("%w: %s has it open: stop that, or give this device another port", err, who)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %s", err, permission(path))
	case errors.Is(err, fs.ErrNotExist):
		ports, _ := t.list()
		return fmt.Errorf("%w: plug it in, or correct the port in the configuration; there are: %s", err, describe(ports))
	}
	return err
}

func permission(path string) string {
	fi, err := os.Stat(path)
	if err != nil {
		return "add the user of this program to group dialout"
	}
	owner, group := "?", "dialout"
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		owner, group = strconv.Itoa(int(st.Uid)), strconv.Itoa(int(st.Gid))
		if u, err := user.LookupId(owner); err == nil {
			owner = u.Username
		}
		if g, err := user.LookupGroupId(group); err == nil {
			group = g.Name
		}
	}
	s := fmt.Sprintf("%s belongs to %s:%s with mode %04o", path, owner, group, fi.Mode().Perm())
	if fi.Mode().Perm()&0o060 != 0o060 || group == "root" {
		return s + ": give it to group dialout with mode 0660 by a udev rule, and add the user of this program to that group"
	}
	return s + ": add the user of this program to group " + group + " (SupplementaryGroups= in its unit) and restart it"
}

func describe(ports []Info) string {
	if len(ports) == 0 {
		return "no serial ports"
	}
	var b strings.Builder
	for i, p := range ports {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == 8 {
			fmt.Fprintf(&b, "and %d more", len(ports)-i)
			break
		}
		b.WriteString(p.Path)
		if p.VID != "" {
			fmt.Fprintf(&b, " (usb:%s:%s %s)", p.VID, p.PID, p.Address())
		}
	}
	return b.String()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

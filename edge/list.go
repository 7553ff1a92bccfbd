package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/edge/port"
	"monitorme/protocol"
)

type driversCmd struct{}

func (driversCmd) Run(s streams) error {
	list := slices.SortedFunc(slices.Values(all.Drivers), func(a, b drivers.Driver) int { return strings.Compare(a.Name, b.Name) })
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tDEVICE\tPORT\tDIALOGUE\tSIGNS\tSTATE")
	for _, d := range list {
		dialogue, state := "talks", "specified"
		if d.Asks {
			dialogue = "is asked"
		}
		if d.Experimental {
			state = "experimental"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", d.Name, d.Title, lineText(d), dialogue, signs(d.Codes), state)
	}
	return w.Flush()
}

// lineText is how a driver opens its line, as "9600 8N1", and whether there are
// others in its family; or where it is in the network.
func lineText(d drivers.Driver) string {
	if d.Network != "" {
		return d.Network
	}
	text := drivers.Line{Baud: d.Line.Baud, DataBits: d.Line.DataBits, Parity: d.Line.Parity, StopBits: d.Line.StopBits}.String()
	if n := len(d.Alternates); n > 0 {
		text += fmt.Sprintf(" (+%d)", n)
	}
	return text
}

// signs are the vital signs among codes, in the order of screens.
func signs(codes []protocol.Code) string {
	var has []string
	for _, s := range protocol.Signs {
		if slices.ContainsFunc(codes, func(c protocol.Code) bool {
			t, _ := protocol.Lookup(c)
			return t.Sign == s
		}) {
			has = append(has, string(s))
		}
	}
	if len(has) == 0 {
		return "others"
	}
	return strings.Join(has, ",")
}

type portsCmd struct{}

func (portsCmd) Run(s streams) error {
	ports, err := port.List()
	if err != nil {
		return err
	}
	if len(ports) == 0 {
		_, err := fmt.Fprintln(s.out, "no serial ports: plug an adapter in, or load its kernel module")
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PORT\tUSB\tSERIAL\tADAPTER\tOPENED BY\tBY-ID\tBY-PATH")
	for _, p := range ports {
		usb := ""
		if p.VID != "" {
			usb = p.VID + ":" + p.PID
		}
		row := []string{p.Path, usb, p.Serial, strings.TrimSpace(p.Manufacturer + " " + p.Product), port.Holder(p.Path), p.ByID, p.ByPath}
		for i, cell := range row {
			if cell == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

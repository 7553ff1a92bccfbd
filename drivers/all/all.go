// Package all is the list of every driver: one line each, no init functions.
package all

import (
	"monitorme/drivers"
	"monitorme/drivers/alaris"
	"monitorme/drivers/bbraun"
	"monitorme/drivers/bis"
	"monitorme/drivers/bitalino"
	"monitorme/drivers/capnostat"
	"monitorme/drivers/contec"
	"monitorme/drivers/diap"
	"monitorme/drivers/dinamap"
	"monitorme/drivers/fresenius"
	"monitorme/drivers/gedri"
	"monitorme/drivers/generic"
	"monitorme/drivers/glucose"
	"monitorme/drivers/hamilton"
	"monitorme/drivers/healthypi"
	"monitorme/drivers/hl7"
	"monitorme/drivers/intellivue"
	"monitorme/drivers/ivy450c"
	"monitorme/drivers/lc101"
	"monitorme/drivers/marquette"
	"monitorme/drivers/masimo"
	"monitorme/drivers/masimooem"
	"monitorme/drivers/medibus"
	"monitorme/drivers/medlab"
	"monitorme/drivers/microstream"
	"monitorme/drivers/mindray"
	"monitorme/drivers/nellcor"
	"monitorme/drivers/nibp"
	"monitorme/drivers/nonin"
	"monitorme/drivers/openbci"
	"monitorme/drivers/openeeg"
	"monitorme/drivers/phd"
	"monitorme/drivers/pulsesensor"
	"monitorme/drivers/puritanbennett"
	"monitorme/drivers/servoi"
	"monitorme/drivers/sleepradar"
	"monitorme/drivers/stayhealthy"
	"monitorme/drivers/suretemp"
	"monitorme/drivers/thinkgear"
	"monitorme/drivers/tosca"
	"monitorme/drivers/warmer"
	"monitorme/drivers/zeo"
	"monitorme/drivers/zephyr"
)

// Drivers are all drivers, by name.
var Drivers = []drivers.Driver{
	alaris.Driver,
	bbraun.Driver,
	contec.Berry,
	bis.Driver,
	bitalino.Driver,
	capnostat.Driver,
	glucose.CodeFree,
	contec.Driver,
	contec.First,
	glucose.Dexcom,
	diap.Driver,
	dinamap.Driver,
	glucose.FreeStyle,
	glucose.Precision,
	fresenius.Driver,
	gedri.Driver,
	gedri.Fast,
	generic.Driver,
	glucose.GlucoMen,
	glucose.ASTM,
	hamilton.Driver,
	healthypi.Driver,
	hl7.Driver,
	intellivue.Driver,
	intellivue.Network,
	intellivue.Numerics,
	ivy450c.Driver,
	lc101.Driver,
	marquette.Driver,
	marquette.Version1,
	masimo.Driver,
	masimooem.IAP,
	masimooem.Driver,
	medibus.Driver,
	medlab.Driver,
	microstream.Driver,
	microstream.Module,
	mindray.Driver,
	nellcor.Driver,
	nellcor.N200,
	nibp.Accutorr,
	nibp.Beurer,
	nibp.NIBScan,
	nibp.SunTech,
	nonin.Driver,
	nonin.SpotCheck,
	glucose.Ultra2,
	glucose.UltraEasy,
	glucose.Verio,
	openbci.Driver,
	openeeg.Driver,
	phd.Driver,
	pulsesensor.Driver,
	puritanbennett.Driver,
	puritanbennett.Waves,
	servoi.Driver,
	sleepradar.Driver,
	sleepradar.Radar24,
	stayhealthy.Driver,
	suretemp.Driver,
	glucose.TaiDoc,
	thinkgear.Driver,
	tosca.Driver,
	warmer.Giraffe,
	warmer.GiraffeOld,
	warmer.Isolette,
	warmer.Ohio,
	warmer.OmniBed,
	zeo.Driver,
	zephyr.Driver,
	zephyr.HxM,
}

// Find gives the driver of that name.
func Find(name string) (drivers.Driver, bool) {
	for _, d := range Drivers {
		if d.Name == name {
			return d, true
		}
	}
	return drivers.Driver{}, false
}

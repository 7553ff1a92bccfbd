package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"monitorme/cloud/live"
	"monitorme/protocol"
)

func TestABedShowsItsPast(t *testing.T) {
	f := newFakeWard(t)
	f.raise("a-1", 6, "medium", "physiological", "Heart rate 125, above 120", map[string]any{"started": stamp(time.Now().Add(-20 * time.Minute))})
	f.with(func() { f.signedIn = true })
	p := openPage(t, f, "/bed/ward-1-bed-07", 1920, 1080)
	p.click(".skip-sound")
	p.until("there are three trends", "document.querySelectorAll('trend-chart .uplot canvas').length === 3")
	p.until("the gaps stand in a table with their reasons", "document.querySelector('table.gaps')?.innerText.includes('sensor off') && document.querySelector('table.gaps').innerText.includes('box offline')")
	p.until("the current heart rate is live", "document.querySelector('.vital[data-sign=heart-rate][data-state=live]')")

	p.do(focus(".trend-plot.heart-rate")...)
	for range 4 {
		p.keys(arrowRight)
	}
	p.until("the chart says why there are no readings under the cursor", "document.querySelector('.trend-at').innerText.includes('no readings: box offline')")
	time.Sleep(3 * time.Second)
	p.shot("bed-1920x1080")
	p.click("trend-chart summary")
	p.until("values are in a table", "document.querySelectorAll('trend-chart table tbody tr').length > 100")
	p.do(scroll("trend-chart")...)
	p.shot("bed-trends-1920x1080")

	p.click("button[data-hours='24']")
	p.until("24 hours were asked for", "document.querySelector('.trend-plot').ariaLabel && document.querySelector('button[data-hours=\"24\"]').ariaPressed === 'true'")
}

func TestSigningInAndOutByKeyboardAlone(t *testing.T) {
	f := newFakeWard(t)
	p := openPage(t, f, "/", 1280, 720)
	p.allow("401")
	p.until("the sign-in form has the focus", "document.activeElement?.name === 'user'")
	p.keys("nurse\twrong\r")
	p.until("the error says what to do", "document.querySelector('[role=alert]')?.innerText.startsWith('Name or password is wrong')")
	p.shot("sign-in-1280x720")
	p.do(focus("input[name=password]")...)
	eval[string](p, "document.querySelector('input[name=password]').value = ''")
	p.keys("demo\r")
	p.until("the only unit opens", "location.pathname === '/unit/ward-1' && document.querySelectorAll('.tile').length === 20")
	p.do(focus(".skip-sound")...)
	p.keys("\r")
	p.until("the sound step is gone", "!document.querySelector('.gate')")
	f.raise("a", 3, "medium", "physiological", "SpO2 88, below 90", nil)
	p.until("the alarm is there", "document.querySelector('.alarm[data-alert=a]')")
	p.keys("\r")
	p.until("Enter acknowledges", "document.querySelector('.alarm.calm[data-alert=a]')")
	p.keys("o")
	p.until("o opens the bed", "location.pathname.startsWith('/bed/') && document.querySelector('bed-page h1')")
	p.do(focus(".bedpage-head a")...)
	p.keys("\r")
	p.until("the link leads back", "location.pathname === '/unit/ward-1' && document.querySelectorAll('.tile').length === 20")
	p.do(focus(".sign-out")...)
	p.keys("\r")
	p.until("signed out", "document.querySelector('sign-in') && !document.querySelector('top-bar')")
	f.with(func() {
		if f.signedIn {
			t.Error("the server was not told")
		}
	})
}

func TestAPasswordThatMustBeChanged(t *testing.T) {
	f := newFakeWard(t)
	f.with(func() { f.must = true })
	p := openPage(t, f, "/unit/ward-1", 1280, 720)
	p.allow("401", "403")
	p.until("the sign-in form has the focus", "document.activeElement?.name === 'user'")
	p.keys("nurse\tdemo\r")
	p.until("the new password is asked for", "document.querySelector('change-password input[name=old]')")
	p.do(focus("input[name=old]")...)
	p.keys("demo\tcorrect horse\tcorrect horsf\r")
	p.until("two that differ are refused", "document.querySelector('[role=alert]')?.innerText.startsWith('The two new passwords')")
	eval[bool](p, "document.querySelectorAll('change-password input').forEach((i) => { i.value = '' }), true")
	p.do(focus("input[name=old]")...)
	p.keys("demo\tcorrect horse\tcorrect horse\r")
	p.until("one signs in again", "document.querySelector('sign-in')?.innerText.includes('The password is changed')")
	p.do(focus("input[name=user]")...)
	p.keys("nurse\tcorrect horse\r")
	p.until("the station opens", "document.querySelectorAll('.tile').length === 20")
}

func TestASessionThatEndsIsSaidLoudly(t *testing.T) {
	f := newFakeWard(t)
	p := station(t, f, 1280, 720)
	f.with(func() {
		f.signedIn = false
		f.publish("end", map[string]any{"detail": "The session is over. Sign in again."})
	})
	p.until("no value is left to be taken for live", "document.querySelector('sign-in [role=alert]')?.innerText.includes('nothing on this screen is live') && !document.querySelector('.tile')")
}

func TestATechnicianSeesBoxesAndNoPatients(t *testing.T) {
	f := newFakeWard(t)
	f.with(func() { f.signedIn, f.role, f.beds[1].online = true, "technician", false })
	p := openPage(t, f, "/", 1920, 1080)
	p.until("20 boxes are listed", "location.pathname === '/boxes' && document.querySelectorAll('tr[data-box]').length === 20")
	p.until("one that is offline says so", "document.querySelector('tr[data-box=box-02]').innerText.includes('Offline')")
	p.until("a device's trouble is told with its remedy", "document.querySelector('tr[data-box=box-03]').innerText.includes('Add the user monitorme to the group dialout')")
	p.until("a device's clock that is wrong is told", "document.querySelector('tr[data-box=box-05]').innerText.includes('its clock is 2 h 00 behind')")
	for _, name := range []string{"Ada", "Brook", "AB"} {
		if eval[bool](p, "document.body.innerText.includes('"+name+"')") {
			t.Errorf("the page shows %q", name)
		}
	}
	p.shot("boxes-1920x1080")
	f.with(func() {
		if len(f.streams) > 0 {
			t.Error("a stream of patients' data is open")
		}
	})
}

func TestTheAlarmHistorySaysWhoTookCare(t *testing.T) {
	f := newFakeWard(t)
	f.raise("a", 3, "high", "physiological", "Apnoea", map[string]any{"acknowledged_by": "nurse", "acknowledged_at": stamp(time.Now()), "state": "ended", "ended": stamp(time.Now())})
	f.raise("b", 4, "low", "technical", "Battery low", nil)
	p := station(t, f, 1280, 720)
	p.click("nav a[href$=alarms]")
	p.until("both are listed", "document.querySelectorAll('alarm-history tbody tr').length === 2")
	p.until("with who took care", "document.querySelector('alarm-history tbody').innerText.includes('nurse,') && document.querySelector('alarm-history tbody').innerText.includes('nobody')")
	p.shot("alarm-history-1280x720")
}

func TestABedShowsWhatItsDevicesSayBeyondTheEightSigns(t *testing.T) {
	f := newFakeWard(t)
	peep, rate, unknown := protocol.MustCode("MDC_VENT_PRESS_AWAY_END_EXP_POS"), protocol.MustCode("MONITORME_INFUSION_RATE"), protocol.Code(7<<16|4711)
	f.with(func() {
		f.signedIn = true
		b := f.beds[6]
		f.value(b, peep, protocol.Dec(50, -1), "", protocol.QualityGood, 2*time.Hour)
		f.value(b, rate, protocol.Dec(75, -1), "", protocol.QualityGood, 0)
		f.value(b, protocol.MustCode("MONITORME_INFUSION_STATE"), protocol.Decimal{}, "infusing", protocol.QualityGood, 0)
		o := protocol.Observation{Device: "x", Code: unknown, Kind: protocol.KindNumeric, Unit: "{unit 0042}", Quality: protocol.QualityGood,
			Clock: protocol.ClockSynced, At: f.now(), Value: protocol.Int(42)}
		b.values["unknown"] = string(live.AppendValue(nil, &o, f.now()))
	})
	p := openPage(t, f, "/bed/ward-1-bed-07", 1440, 900)
	p.click(".skip-sound")
	other := func(code protocol.Code, rest string) string {
		return fmt.Sprintf(".other[data-code='%d']%s", code, rest)
	}
	p.until("the rate of the pump is live", fmt.Sprintf("document.querySelector(%q)?.innerText === '7.50'", other(rate, "[data-state=live] .other-main")))
	p.until("an old pressure of the ventilator is marked stale", fmt.Sprintf("document.querySelector(%q)?.innerText.startsWith('STALE')", other(peep, "[data-state=stale] .other-age")))
	p.until("words are shown", "document.querySelector('.others').innerText.includes('infusing')")
	p.until("an unknown code is shown as such", fmt.Sprintf("document.querySelector(%q)?.innerText.includes('42')", other(unknown, "")))
	if got := p.text(other(unknown, "")); !strings.Contains(got, fmt.Sprint(uint32(unknown))) {
		t.Errorf("the unknown value says %q", got)
	}
	if got := p.text(".others"); strings.Contains(got, "NIBP sys") {
		t.Errorf("what stands above is shown twice: %q", got)
	}
	p.do(scroll(".others")...)
	p.shot("bed-others-1440x900")
}

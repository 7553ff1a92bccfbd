package web

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/protocol"
)

func TestAStationShowsEveryBedInOneWindow(t *testing.T) {
	f := newFakeWard(t)
	f.raise("a-1", 6, "high", "physiological", "Heart rate 152, above 140", map[string]any{"value": 152, "limit": 140, "value_unit": "/min"})
	f.raise("a-2", 11, "medium", "physiological", "SpO2 88, below 90", map[string]any{"value": 88, "limit": 90, "value_unit": "%", "night": true})
	f.raise("a-3", 2, "low", "technical", "Sensor off: SpO2", nil)
	f.raise("a-4", 15, "medium", "physiological", "Respiration 32, above 30", map[string]any{"value": 32, "limit": 30, "value_unit": "/min", "acknowledged_by": "nurse", "acknowledged_at": stamp(time.Now())})
	f.with(func() {
		b := f.beds[2]
		b.silent[protocol.SpO2] = true
		f.value(b, protocol.SpO2, protocol.Decimal{}, "", protocol.QualitySensorOff, 0)
		f.beds[8].online = false
		f.value(f.beds[8], protocol.HeartRate, protocol.Int(71), "", protocol.QualityGood, 40*time.Second)
		f.value(f.beds[4], protocol.NIBPSystolic, protocol.Int(218), "", protocol.QualityGood, time.Minute)
		f.value(f.beds[4], protocol.NIBPDiastolic, protocol.Int(124), "", protocol.QualityGood, time.Minute)
		f.beds[19].name = ""
	})
	for _, size := range []string{"1920x1080", "1280x720", "1024x768", "820x1180"} {
		t.Run(size, func(t *testing.T) {
			var w, h int
			fmt.Sscanf(size, "%dx%d", &w, &h)
			p := station(t, f, w, h)
			p.until("heart rates are live but for the bed that is offline and the one that is empty",
				"document.querySelectorAll('.tile-row[data-sign=heart-rate][data-state=live]').length === 18")
			p.until("waves flow", "document.querySelectorAll('.wave[data-state=live]').length === 3")
			p.until("alarms are listed", "document.querySelectorAll('.alarm').length === 4")
			if w > h && w >= 1280 {
				if over := eval[[]string](p, `[...document.querySelectorAll('.tile, .vital, .wave, .alarms, .bar')].filter((e) => {
					const r = e.getBoundingClientRect(); return r.left < 0 || r.top < 0 || r.right > innerWidth + 1 || r.bottom > innerHeight + 1 }).map((e) => e.outerHTML.slice(0, 90))`); len(over) > 0 {
					t.Errorf("outside the window: %q", over)
				}
			}
			if cut := eval[[]string](p, `[...document.querySelectorAll('.tile-number, .vital-main, .vital-head, .unit-name, .server-time')].filter((e) => {
				const r = document.createRange(); r.selectNodeContents(e); const t = r.getBoundingClientRect(); const o = e.closest('.tile, .vital, .bar').getBoundingClientRect();
				return t.left < o.left - 1 || t.right > o.right + 1 }).map((e) => e.parentElement.innerText)`); len(cut) > 0 {
				t.Errorf("cut off: %q", cut)
			}
			time.Sleep(6 * time.Second) // for the picture: let the waves fill
			p.shot("station-" + size)
		})
	}
}

func TestEachPatientIsLargeForFiveSeconds(t *testing.T) {
	f := newFakeWard(t)
	p := station(t, f, 1280, 720)
	eval[bool](p, `window.turns = [], new MutationObserver(() => {
		const bed = document.querySelector('[data-featured]')?.dataset.featured;
		if (bed && turns.at(-1)?.bed !== bed) turns.push({ bed, at: performance.now() });
	}).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-featured'] }), true`)
	p.until("four beds had their turn", "turns.length >= 4")
	type shown struct {
		Bed string  `json:"bed"`
		At  float64 `json:"at"`
	}
	turns := eval[[]shown](p, "turns")
	for i := 1; i < len(turns); i++ {
		if want := (bedNumber(turns[i-1].Bed)%20 + 1); bedNumber(turns[i].Bed) != want {
			t.Errorf("after %s came %s, want bed %d", turns[i-1].Bed, turns[i].Bed, want)
		}
		if i < 2 { // the first was large before anybody looked
			continue
		}
		if took := turns[i].At - turns[i-1].At; took < 4500 || took > 15_000 {
			t.Errorf("%s was large for %.0f ms, want 5000", turns[i-1].Bed, took)
		}
	}

	p.keys(" ")
	p.until("space holds the bed", "document.querySelector('.turn').dataset.held === 'yes'")
	held := eval[string](p, "document.querySelector('[data-featured]').dataset.featured")
	time.Sleep(6 * time.Second)
	if now := eval[string](p, "document.querySelector('[data-featured]').dataset.featured"); now != held {
		t.Errorf("held %s, and %s is shown", held, now)
	}
	p.click(".tile[data-bed=ward-1-bed-15]")
	p.until("a click shows that bed", "document.querySelector('[data-featured=ward-1-bed-15]')")
	p.keys(arrowRight)
	p.until("an arrow shows the next", "document.querySelector('[data-featured=ward-1-bed-16]')")
}

func bedNumber(id string) (n int) {
	fmt.Sscanf(id, "ward-1-bed-%d", &n)
	return n
}

func TestAValueIsOnTheScreenWithinASecond(t *testing.T) {
	f := newFakeWard(t)
	p := station(t, f, 1280, 720)
	f.with(func() { f.beds[9].silent[protocol.HeartRate] = true })
	row := ".tile[data-bed=ward-1-bed-10] [data-sign=heart-rate] .tile-number"
	best := time.Hour
	for i := range 5 {
		want := fmt.Sprint(151 + i)
		begin := time.Now()
		f.with(func() {
			v := f.value(f.beds[9], protocol.HeartRate, protocol.Int(int64(151+i)), "", protocol.QualityGood, 0)
			f.publish("values", fmt.Sprintf(`{"bed":"ward-1-bed-10","received":%q,"values":[%s]}`, stamp(f.now()), v))
		})
		p.until("heart rate "+want, fmt.Sprintf("document.querySelector(%q).innerText === %q", row, want))
		best = min(best, time.Since(begin))
	}
	t.Logf("the quickest of 5 took %s from the server to the screen", best.Round(time.Millisecond))
	if best > time.Second {
		t.Errorf("the quickest of 5 took %s, want 1s at most", best)
	}
}

func TestMissingIsNeverANumber(t *testing.T) {
	f := newFakeWard(t)
	f.with(func() {
		b := f.beds[0]
		b.silent[protocol.SpO2], b.silent[protocol.RespirationRate] = true, true
		f.value(b, protocol.SpO2, protocol.Decimal{}, "", protocol.QualitySensorOff, 0)
		f.value(b, protocol.BodyTemperature, protocol.Decimal{}, "", protocol.QualityCalibrating, 0)
	})
	p := station(t, f, 1280, 720)
	p.click(".tile[data-bed=ward-1-bed-01]")
	p.until("the bed is large", "document.querySelector('[data-featured=ward-1-bed-01]')")
	for sign, why := range map[string]string{"oxygen": "sensor off", "temperature": "calibrating", "respiration-rate": "not measured"} {
		got := eval[[]string](p, fmt.Sprintf("[document.querySelector('.vital[data-sign=%s] .vital-main').innerText, document.querySelector('.vital[data-sign=%[1]s] .vital-note').innerText]", sign))
		if !slices.Equal(got, []string{"--", why}) {
			t.Errorf("%s: %q, want -- and %q", sign, got, why)
		}
	}
	if tile := p.text(".tile[data-bed=ward-1-bed-01] [data-sign=oxygen]"); !strings.Contains(tile, "--") || !strings.Contains(tile, "sensor off") {
		t.Errorf("the tile says %q", tile)
	}
}

func TestASilentSensorTurnsStale(t *testing.T) {
	f := newFakeWard(t)
	p := station(t, f, 1280, 720)
	p.click(".tile[data-bed=ward-1-bed-02]")
	p.until("the heart rate is live", "document.querySelector('[data-featured=ward-1-bed-02] .vital[data-sign=heart-rate][data-state=live]')")
	f.with(func() { f.beds[1].silent[protocol.HeartRate] = true })
	p.until("the heart rate is marked stale, with its age", "document.querySelector('[data-featured=ward-1-bed-02] .vital[data-sign=heart-rate][data-state=stale] .vital-age')?.innerText.startsWith('STALE')")
	p.until("on its tile too", "document.querySelector('.tile[data-bed=ward-1-bed-02] [data-sign=heart-rate][data-state=stale]')")
	if eval[bool](p, "Boolean(document.querySelector('[data-banner]'))") {
		t.Error("one silent sensor is not a broken stream, yet there is a banner")
	}
}

const drawn = `((c) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; })(document.querySelector('[data-featured] .wave[data-wave="131330"] canvas'))`

func TestWavesMoveAndGoBlankWhenTheyStop(t *testing.T) {
	f := newFakeWard(t)
	p := station(t, f, 1280, 720)
	p.allow("Canvas2D: Multiple readback") // the test reads the pictures
	p.click(".tile[data-bed=ward-1-bed-03]")
	p.until("an ECG is drawn", "document.querySelector('[data-featured=ward-1-bed-03] .wave[data-wave=\"131330\"][data-state=live]') && "+drawn+" > 300")
	picture := "document.querySelector('[data-wave=\"131330\"] canvas').toDataURL()"
	before := eval[string](p, picture)
	p.until("it moves", picture+" !== "+fmt.Sprintf("%q", before))

	// Another bed's wave is there at once: it was kept while it was not shown.
	p.click(".tile[data-bed=ward-1-bed-05]")
	p.until("another bed's ECG is drawn", "document.querySelector('[data-featured=ward-1-bed-05] .wave[data-wave=\"131330\"]') && "+drawn+" > 300")

	f.with(func() { f.beds[4].silent[protocol.ECGLeadII] = true })
	p.until("the ECG that stopped says so", "document.querySelector('[data-featured=ward-1-bed-05] .wave[data-wave=\"131330\"] .wave-off')?.innerText === 'no signal'")
	p.until("and is blank", drawn+" === 0")
	p.until("its sign has no value", "document.querySelector('.vital[data-sign=ecg][data-state=missing] .vital-main')?.innerText === '--'")
	p.until("the pleth goes on", "document.querySelector('.wave[data-wave=\"150452\"][data-state=live]')")
}

func TestABrokenStreamIsUnmistakable(t *testing.T) {
	f := newFakeWard(t)
	p := station(t, f, 1920, 1080)
	p.allow("Canvas2D: Multiple readback", "503") // refused streams are logged by the browser
	p.until("all is live", "document.querySelectorAll('.tile-row[data-sign=heart-rate][data-state=live]').length === 20")
	f.with(func() { f.mute = true }) // the connection stands, and nothing comes
	p.until("a banner says since when", "/NOT LIVE since \\d\\d:\\d\\d:\\d\\d/.test(document.querySelector('[data-banner=not-live]')?.innerText)")
	p.until("no value looks live", "document.querySelectorAll('[data-state=live]').length === 0 && document.querySelectorAll('.tile-row[data-state=stale]').length === 80")
	p.until("no wave is drawn", "document.querySelectorAll('.wave-off').length === 3 && "+drawn+" === 0")
	p.until("the list of alarms says it too", "document.querySelector('.alarm[data-alert=screen]')")
	p.shot("not-live-1920x1080")
	if banner := eval[[]float64](p, "((r) => [r.width, innerWidth])(document.querySelector('[data-banner]').getBoundingClientRect())"); banner[0] != banner[1] {
		t.Errorf("the banner is %.0f of %.0f px wide", banner[0], banner[1])
	}

	f.with(func() { f.refuse = true }) // it comes back, and is sent away
	time.Sleep(3 * time.Second)
	if eval[bool](p, "Boolean(document.querySelector('.connection.live'))") {
		t.Error("a refused stream counts as live")
	}
	f.with(func() { f.mute, f.refuse = false, false })
	p.until("it is live again without anybody's help", "!document.querySelector('[data-banner]') && document.querySelectorAll('.tile-row[data-sign=heart-rate][data-state=live]').length === 20")
}

func TestTheScreenKnowsTheServersTime(t *testing.T) {
	f := newFakeWard(t)
	f.with(func() { f.skew = -3 * time.Hour }) // the computer's clock is three hours ahead
	p := station(t, f, 1280, 720)
	p.until("all is live", "document.querySelectorAll('.tile-row[data-sign=heart-rate][data-state=live]').length === 20")
	want := f.now().Local()
	var shown time.Time
	p.until("there is a time", "document.querySelector('.server-time').innerText.length === 8")
	shown, err := time.ParseInLocation("15:04:05", p.text(".server-time"), time.Local)
	if err != nil {
		t.Fatal(err)
	}
	if off := shown.Sub(time.Date(0, 1, 1, want.Hour(), want.Minute(), want.Second(), 0, time.Local)); off < -time.Minute || off > time.Minute {
		t.Errorf("the screen shows %s, the server's time is %s", shown.Format("15:04:05"), want.Format("15:04:05"))
	}
}

func TestAnAlarmIsSeenAtOnceAndAcknowledgedByOneClick(t *testing.T) {
	f := newFakeWard(t)
	p := station(t, f, 1280, 720)
	p.keys(arrowLeft)
	p.until("bed 20 or another is large, not 12", "document.querySelector('[data-featured]') && !document.querySelector('[data-featured=ward-1-bed-12]')")
	f.raise("a/1", 11, "medium", "physiological", "SpO2 88, below 90", map[string]any{"value": 88, "limit": 90, "value_unit": "%"})
	p.until("the alarm is in the list", "document.querySelector('.alarm.medium.loud[data-alert=\"a/1\"]')?.innerText.includes('SpO2 88, below 90')")
	p.until("and on its tile, in words and with its sign", "document.querySelector('.tile[data-bed=ward-1-bed-12].medium.loud .tile-alarm')?.innerText.startsWith('** SpO2')")
	p.click(".alarm[data-alert='a/1'] .ack")
	p.until("it says who took care", "document.querySelector('.alarm.calm[data-alert=\"a/1\"] .alarm-ack')?.innerText.startsWith('✓ nurse,')")
	p.until("its tile is calm", "document.querySelector('.tile[data-bed=ward-1-bed-12].calm')")
	f.with(func() {
		if want := []string{"/api/v1/alerts/a/1/acknowledge"}; !slices.Equal(f.posted, want) {
			t.Errorf("posted %q, want %q", f.posted, want)
		}
	})

	f.raise("a2", 3, "low", "technical", "Battery low", nil)
	f.raise("a3", 4, "medium", "physiological", "Respiration 32, above 30", nil)
	p.until("three alarms", "document.querySelectorAll('.alarm').length === 3")
	p.keys("a")
	p.until("the key takes the most urgent first", "document.querySelector('.alarm.calm[data-alert=a3]') && document.querySelector('.alarm.loud[data-alert=a2]')")

	p.allow("404")
	f.with(func() { f.alerts = nil })
	p.click(".alarm[data-alert=a2] .ack")
	p.until("a failure is said, and the alarm stays loud", "document.querySelector('.alarm.loud[data-alert=a2] .alarm-failed')?.innerText === 'Not acknowledged: There is no such alarm.'")
	f.with(func() {
		f.publish("alert", map[string]any{"id": "a2", "bed": "ward-1-bed-04", "state": "ended", "priority": "low", "kind": "technical"})
	})
	p.until("an alarm that is over leaves the list", "!document.querySelector('.alarm[data-alert=a2]')")
}

func TestANewHighAlarmShowsItsBed(t *testing.T) {
	f := newFakeWard(t)
	p := station(t, f, 1920, 1080)
	p.until("the page has the keyboard", "document.hasFocus() && document.querySelector('.turn') !== null")
	for range 3 { // a busy browser may lose a key pressed in its first moments
		if p.keys(" "); eval[bool](p, "document.querySelector('.turn').dataset.held === 'yes'") {
			break
		}
		time.Sleep(time.Second)
		if eval[bool](p, "document.querySelector('.turn').dataset.held === 'yes'") {
			break
		}
	}
	p.until("the bed is held", "document.querySelector('.turn').dataset.held === 'yes'")
	f.raise("h", 16, "high", "physiological", "Asystole", nil)
	p.until("the bed of the alarm is large", "document.querySelector('[data-featured=ward-1-bed-17]')")
	p.click(".jump input")
	p.keys(arrowRight)
	f.raise("h2", 2, "high", "physiological", "Apnoea", nil)
	p.until("the second alarm is in sight", "document.querySelector('.alarm[data-alert=h2]') && document.querySelector('.tile[data-bed=ward-1-bed-03].high.loud')")
	if eval[bool](p, "Boolean(document.querySelector('[data-featured=ward-1-bed-03]'))") {
		t.Error("it jumped though that was switched off")
	}
}

func TestFlashingKeepsItsRhythmAndCanDoWithoutMotion(t *testing.T) {
	f := newFakeWard(t)
	f.raise("h", 0, "high", "physiological", "Asystole", nil)
	count := `new Promise((done) => { let n = 0, was = null; const end = performance.now() + 4000; const look = () => {
		const lit = document.documentElement.hasAttribute('data-high-lit'); if (was === false && lit) n++; was = lit; performance.now() < end ? setTimeout(look, 20) : done(n); }; look(); })`
	p := station(t, f, 1280, 720)
	if n := evalPromise[int](p, count); n > 12 {
		t.Errorf("%d flashes in 4 s: more than 3 a second", n)
	}
	colour := "getComputedStyle(document.querySelector('.alarm.high.loud')).borderTopColor"
	a := eval[string](p, colour)
	p.until("the edge flashes", colour+" !== "+fmt.Sprintf("%q", a))

	q := station(t, f, 1280, 720, reducedMotion)
	symbol := "getComputedStyle(document.querySelector('.alarm.high.loud .prefix'), '::after').content"
	s, edge := eval[string](q, symbol), eval[string](q, colour)
	q.until("the symbol alternates", symbol+" !== "+fmt.Sprintf("%q", s))
	for range 20 {
		if now := eval[string](q, colour); now != edge {
			t.Errorf("with reduced motion the edge changes from %s to %s", edge, now)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

func TestAlarmsThatAreNotWatchedAreSaidLoudly(t *testing.T) {
	f := newFakeWard(t)
	p := station(t, f, 1280, 720)
	f.with(func() { f.alerting = "the alert engine has stopped" })
	p.until("a banner", "/ALARMS NOT WATCHED.*alert engine has stopped/s.test(document.querySelector('[data-banner=not-watched]')?.innerText)")
	f.with(func() { f.alerting = "" })
	p.until("it goes", "!document.querySelector('[data-banner]')")
}

func TestTheSoundIsEnabledPausedAndNeverForgotten(t *testing.T) {
	f := newFakeWard(t)
	f.with(func() { f.signedIn = true })
	f.raise("m", 0, "medium", "physiological", "SpO2 88, below 90", nil)
	p := openPage(t, f, "/unit/ward-1", 1280, 720)
	p.until("it is said that there is no sound", "document.querySelector('.sound.warn')?.innerText === 'NO SOUND'")
	p.click(".enable-sound")
	p.until("the sound is on", "document.querySelector('.sound')?.innerText === 'Pause sound 2 min' && !document.querySelector('.gate')")
	p.keys("s")
	p.until("the pause counts down", "/^Sound paused [12]:\\d\\d — resume$/.test(document.querySelector('.sound.paused')?.innerText)")
	f.raise("h", 1, "high", "physiological", "Asystole", nil)
	p.until("a higher alarm ends the pause", "document.querySelector('.sound')?.innerText === 'Pause sound 2 min'")
}

func TestANewPatientSeesNothingOfTheOneBefore(t *testing.T) {
	f := newFakeWard(t)
	f.with(func() { f.beds[5].name = "<img src=x onerror=alert(1)>" })
	p := station(t, f, 1280, 720)
	p.click(".tile[data-bed=ward-1-bed-06]")
	p.until("a name is text, whatever it contains", "document.querySelector('.featured-head .featured-who')?.innerText === '<img src=x onerror=alert(1)>' && !document.querySelector('img')")
	p.until("a blood pressure is shown", "document.querySelector('.tile[data-bed=ward-1-bed-06] [data-sign=blood-pressure][data-state=live]')")
	p.keys("o")
	p.click("button.discharge")
	p.click("dialog .yes")
	p.until("the bed is empty", "document.querySelector('.bedpage-head .featured-who').innerText === 'No patient'")
	p.until("and shows no value", "[...document.querySelectorAll('.bedpage-now .vital-main')].every((e) => e.innerText === '--')")
}

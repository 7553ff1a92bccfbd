package web

import (
	"testing"
	"time"
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

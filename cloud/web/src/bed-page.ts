// One bed: now on top, its history below.
import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { idle } from './activity';
import './alarm-list';
import { api, get, why } from './api';
import './assign-patient';
import { everyHalfSecond, WardElement } from './element';
import './featured-bed';
import { moon } from './featured-bed';
import { age, dayTime, fieldTime, fullTime } from './format';
import { nights, sleepSpans } from './gaps';
import './other-values';
import { text } from './strings';
import type { Frame } from './trend-chart';
import './trend-chart';
import { sleepCode } from './vitals';
import { signs, type Alert, type History, type Series, type Session, type Sign } from './wire';

const hour = 3_600_000;
/** How many points a chart can use. */
const points = 1200;
/** Longest range without naming a sign. */
const allAtOnce = 48 * hour;
/** For how long after somebody used the page it is read again by itself, ms: reading counts as use of the session. */
const inUse = 300_000;
/** How often the history of the last hours is read again, ms. */
const refresh = 60_000;

export class BedPage extends WardElement {
  static override properties = { ...WardElement.properties, session: { attribute: false }, sign: { state: true }, charts: { state: true }, error: { state: true }, loading: { state: true } };
  session!: Session;
  sign: Sign | '' = '';
  /** Series that share a chart, in the order of the signs; null before the first answer. */
  charts: Series[][] | null = null;
  error = '';
  loading = false;
  private hours = 1;
  private frame: Frame = { from: Date.now() - hour, to: Date.now(), nights: [], sleep: [], alerts: [] };
  private request = new AbortController();
  private read = 0;
  private stop = (): void => undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.stop = everyHalfSecond(() => {
      const known = this.ward.clock.known;
      if (this.hours > 0 && known && !this.loading && (this.charts === null || idle() < inUse) && performance.now() - this.read > refresh) this.recent(this.hours);
    });
    this.read = Number.NEGATIVE_INFINITY; // at once when the server's time is known
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.stop();
    this.request.abort();
  }

  private recent(hours: number): void {
    this.hours = hours;
    const now = this.ward.clock.now();
    void this.load(now - hours * hour, now);
  }

  private async load(from: number, to: number): Promise<void> {
    this.request.abort();
    const request = (this.request = new AbortController());
    this.loading = true;
    this.error = '';
    try {
      const times = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
      const asked: (Sign | '')[] = this.sign ? [...new Set<Sign>([this.sign, 'sleep'])] : to - from > allAtOnce ? [...signs] : [''];
      const series: Series[] = [];
      for (const sign of asked) {
        const query = new URLSearchParams({ ...times, max_points: String(points), ...(sign ? { sign } : {}) });
        series.push(...(await get<History>(`${api`/beds/${this.bed}/history`}?${query}`, request.signal)).series);
      }
      const alerts = await get<Alert[]>(`/api/v1/alerts?${new URLSearchParams({ ...times, unit: this.ward.unit, state: 'all' })}`, request.signal);
      const sleep = series.find((s) => s.code === sleepCode);
      this.frame = { from, to, nights: nights(from, to), sleep: sleepSpans(sleep, to), alerts: alerts.filter((a) => a.bed === this.bed) };
      this.charts = grouped(series.filter((s) => s.kind === 'numeric' && (!this.sign || s.sign === this.sign)));
    } catch (error) {
      if (request.signal.aborted) return;
      this.error = why(error);
    }
    this.loading = false;
    this.read = performance.now();
  }

  private submit = (e: SubmitEvent): void => {
    e.preventDefault();
    const form = new FormData(e.target as HTMLFormElement);
    this.hours = 0;
    void this.load(Date.parse(String(form.get('from'))), Date.parse(String(form.get('to'))));
  };

  private choose = (e: Event): void => {
    this.sign = (e.target as HTMLSelectElement).value as Sign | '';
    if (this.hours > 0) this.recent(this.hours);
    else void this.load(this.frame.from, this.frame.to);
  };

  protected override render(): TemplateResult {
    const bed = this.ward.beds.get(this.bed);
    const m = this.ward.moment();
    const mayAssign = !this.session.station && this.session.role !== 'technician';
    return html`<main id="content" tabindex="-1">
        ${bed
          ? html`<div class="bedpage-head">
              <a href="/unit/${encodeURIComponent(this.ward.unit)}">◀ ${text.backToStation}</a>
              <h1>${text.bed(bed.label)}</h1>
              <span class="featured-who">${bed.patient?.name ?? text.noPatient}</span>
              ${moon(bed, m)}
              ${bed.box !== null && !bed.online ? html`<span class="offline">${text.boxOfflineSince(dayTime(Date.parse(bed.lastContact ?? ''), m.now))}</span>` : nothing}
              <span class="grow"></span>
              ${mayAssign ? html`<assign-patient .bed=${bed.id} .patient=${bed.patient} .staff=${this.session.role}></assign-patient>` : nothing}
            </div>
            <div class="bedpage-now"><featured-bed .ward=${this.ward} .bed=${this.bed}></featured-bed></div>
            <other-values .ward=${this.ward} .bed=${this.bed}></other-values>`
          : html`<p>${text.loading}</p>`}
        ${this.controls()}
        ${this.error ? html`<p class="error" role="alert">${this.error}</p>` : nothing}
        ${this.history()}
      </main>
      <alarm-list .ward=${this.ward}></alarm-list>`;
  }

  private controls(): TemplateResult {
    const button = (hours: number, label: string): TemplateResult =>
      html`<button data-hours=${hours} aria-pressed=${this.hours === hours ? 'true' : 'false'} @click=${() => this.recent(hours)}>${label}</button>`;
    return html`<div class="controls">
      ${button(1, text.range1h)} ${button(6, text.range6h)} ${button(24, text.range24h)}
      <form class="controls inline" @submit=${this.submit}>
        <label>${text.from} <input type="datetime-local" name="from" required .defaultValue=${fieldTime(this.frame.from)} /></label>
        <label>${text.to} <input type="datetime-local" name="to" required .defaultValue=${fieldTime(this.frame.to)} /></label>
        <button>${text.show}</button>
      </form>
      <label>${text.sign} <select @change=${this.choose}>
        <option value="">${text.allSigns}</option>
        ${signs.filter((s) => s !== 'sleep').map((s) => html`<option value=${s} ?selected=${s === this.sign}>${text.signs[s]}</option>`)}
      </select></label>
      <span role="status">${this.loading ? text.loadingHistory : ''}</span>
    </div>`;
  }

  private history(): TemplateResult | typeof nothing {
    if (this.charts === null) return nothing;
    if (this.charts.length === 0) return html`<p>${text.noHistory}</p>`;
    return html`<p class="hint">${text.legend} ${text.chartHelp}</p>
      ${repeat(this.charts, (c) => keyOf(c[0]!), (c) => html`<trend-chart .lines=${c} .frame=${this.frame}></trend-chart>`)}
      ${this.gapTable(this.charts.flat())}`;
  }

  private gapTable(series: Series[]): TemplateResult {
    const gaps = series.flatMap((s) => s.gaps.map((g) => ({ ...g, label: s.label }))).sort((a, b) => Date.parse(b.from) - Date.parse(a.from));
    if (gaps.length === 0) return html`<p>${text.noGaps}</p>`;
    return html`<h2>${text.gapTable}</h2>
      <div class="scroll"><table class="gaps">
        <thead><tr><th>${text.sign}</th><th>${text.from}</th><th>${text.to}</th><th>${text.length}</th><th>${text.reason}</th><th>${text.detail}</th></tr></thead>
        <tbody>${gaps.map((g) => html`<tr>
          <td>${g.label}</td><td>${fullTime(Date.parse(g.from))}</td><td>${fullTime(Date.parse(g.to))}</td>
          <td>${age((Date.parse(g.to) - Date.parse(g.from)) / 1000)}</td><td>${text.gaps[g.reason] ?? g.reason}</td><td>${g.detail}</td>
        </tr>`)}</tbody>
      </table></div>`;
  }
}
customElements.define('bed-page', BedPage);

function keyOf(s: Series): string {
  return `${s.box ?? ''}|${s.device}|${s.channel}|${s.code}`;
}

/** Pressures of one measurement share a chart; everything else has its own. */
function grouped(series: Series[]): Series[][] {
  const charts = new Map<string, Series[]>();
  for (const s of series) {
    const key = s.sign === 'blood-pressure' ? `${s.box ?? ''}|${s.device}|${s.channel}|${s.unit}|${s.label.split(' ')[0]}` : keyOf(s);
    const chart = charts.get(key);
    if (chart) chart.push(s);
    else charts.set(key, [s]);
  }
  return [...charts.values()];
}

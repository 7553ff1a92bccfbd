// What rang in a unit, and who took care.
import { html, nothing, type TemplateResult } from 'lit';
import { prefix } from './alarms';
import { details } from './alarm-list';
import { get, why } from './api';
import { WardElement } from './element';
import { dayTime, fieldTime, fullTime } from './format';
import { text } from './strings';
import type { Alert } from './wire';

const hour = 3_600_000;

export class AlarmHistory extends WardElement {
  private alerts: Alert[] | null = null;
  private error = '';
  private from = Date.now() - 24 * hour;
  private to = Date.now();
  private span = 24;

  override connectedCallback(): void {
    super.connectedCallback();
    this.choose(24);
  }

  /** Shows the last hours. */
  private choose(hours: number): void {
    const now = this.ward.clock.known ? this.ward.clock.now() : Date.now();
    this.span = hours;
    void this.load(now - hours * hour, now);
  }

  private async load(from: number, to: number): Promise<void> {
    this.from = from;
    this.to = to;
    this.error = '';
    try {
      const query = new URLSearchParams({ unit: this.ward.unit, state: 'all', from: new Date(from).toISOString(), to: new Date(to).toISOString() });
      this.alerts = await get<Alert[]>(`/api/v1/alerts?${query}`);
    } catch (error) {
      this.error = why(error);
    }
    this.requestUpdate();
  }

  private submit = (e: SubmitEvent): void => {
    e.preventDefault();
    const form = new FormData(e.target as HTMLFormElement);
    this.span = 0;
    void this.load(Date.parse(String(form.get('from'))), Date.parse(String(form.get('to'))));
  };

  protected override render(): TemplateResult {
    const button = (hours: number, label: string): TemplateResult =>
      html`<button aria-pressed=${this.span === hours ? 'true' : 'false'} @click=${() => this.choose(hours)}>${label}</button>`;
    return html`<main class="page" id="content">
      <h1>${text.alarmHistory}</h1>
      <div class="controls">
        ${button(1, text.range1h)} ${button(6, text.range6h)} ${button(24, text.range24h)}
        <form class="controls" @submit=${this.submit}>
          <label>${text.from} <input type="datetime-local" name="from" required .defaultValue=${fieldTime(this.from)} /></label>
          <label>${text.to} <input type="datetime-local" name="to" required .defaultValue=${fieldTime(this.to)} /></label>
          <button>${text.show}</button>
        </form>
      </div>
      ${this.error ? html`<p class="error" role="alert">${this.error}</p>` : nothing}
      ${this.alerts?.length === 0 ? html`<p>${text.noAlarmsThen}</p>` : nothing}
      ${this.alerts?.length ? this.table(this.alerts) : nothing}
    </main>`;
  }

  private table(alerts: Alert[]): TemplateResult {
    return html`<table>
      <thead><tr>
        <th>${text.started}</th><th>${text.bedColumn}</th><th>${text.priority}</th><th>${text.alarm}</th><th></th><th>${text.endedAt}</th><th>${text.takenCare}</th>
      </tr></thead>
      <tbody>${alerts.map((a) => html`<tr>
        <td>${fullTime(Date.parse(a.started))}</td>
        <td><a href="/bed/${encodeURIComponent(a.bed)}">${a.label}</a></td>
        <td class="prefix-cell">${prefix(a)} ${text.priorities[a.priority]}</td>
        <td>${a.text}</td>
        <td>${details(a).join(' · ')}</td>
        <td>${a.ended ? dayTime(Date.parse(a.ended), this.ward.clock.now()) : text.open}</td>
        <td>${a.acknowledged_by ? text.acknowledgedBy(a.acknowledged_by, dayTime(Date.parse(a.acknowledged_at ?? ''), this.ward.clock.now())) : text.nobody}</td>
      </tr>`)}</tbody>
    </table>`;
  }
}
customElements.define('alarm-history', AlarmHistory);

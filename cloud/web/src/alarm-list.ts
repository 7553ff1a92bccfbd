// The alarms of the unit, always in sight, each acknowledged by one click.
import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { acknowledged, prefix } from './alarms';
import { api, post, why } from './api';
import { WardElement } from './element';
import { dayTime, number, unit } from './format';
import { text } from './strings';
import type { Alert } from './wire';

export class AlarmList extends WardElement {
  private sending = new Set<string>();
  private failed = new Map<string, string>();

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener('keydown', this.onKey);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener('keydown', this.onKey);
  }

  private onKey = (e: KeyboardEvent): void => {
    const at = e.target instanceof HTMLElement ? e.target : null;
    if (e.ctrlKey || e.altKey || e.metaKey || e.repeat || at?.closest('input, select, textarea, dialog')) return;
    if (e.key === 'a' || (e.key === 'Enter' && !at?.closest('button, a, summary'))) this.acknowledgeFirst();
  };

  protected override render(): TemplateResult {
    const alerts = this.ward.sorted();
    return html`<section class="alarms" aria-label=${text.alarms}>
      <h2>${alerts.length === 0 ? text.noAlarms : text.activeAlarms(alerts.length)}</h2>
      <ol class="alarm-items" aria-live="assertive">
        ${repeat(alerts, (a) => a.id, (a) => this.item(a))}
      </ol>
    </section>`;
  }

  private item(a: Alert): TemplateResult {
    const calm = acknowledged(a);
    const now = this.ward.clock.now();
    const failure = this.failed.get(a.id);
    return html`<li class="alarm ${a.priority} ${calm ? 'calm' : 'loud'}" data-alert=${a.id}>
      <div class="alarm-head">
        <b class="prefix">${prefix(a)}</b>
        ${a.label ? html`<a class="alarm-bed" href="/bed/${encodeURIComponent(a.bed)}">${text.bed(a.label)}</a>` : nothing}
        <time>${dayTime(Date.parse(a.started), now)}</time>
      </div>
      <div class="alarm-text">${a.text}</div>
      <div class="alarm-more">${details(a).join(' · ')}</div>
      ${calm
        ? html`<div class="alarm-ack">✓ ${text.acknowledgedBy(a.acknowledged_by!, dayTime(Date.parse(a.acknowledged_at ?? ''), now))}</div>`
        : a.id === 'screen'
          ? nothing
          : html`<button class="ack" ?disabled=${this.sending.has(a.id)} @click=${() => void this.acknowledge(a)}>
              ${this.sending.has(a.id) ? text.acknowledging : text.acknowledge}
            </button>`}
      ${failure ? html`<div class="alarm-failed" role="alert">${text.acknowledgeFailed(failure)}</div>` : nothing}
    </li>`;
  }

  /** Acknowledges the most urgent alarm that nobody has. */
  acknowledgeFirst(): void {
    const first = this.ward.sorted().find((a) => !acknowledged(a) && a.id !== 'screen');
    if (first) void this.acknowledge(first);
  }

  private async acknowledge(a: Alert): Promise<void> {
    if (this.sending.has(a.id)) return;
    this.sending.add(a.id);
    this.failed.delete(a.id);
    this.requestUpdate();
    try {
      const answer = await post<Alert>(api`/alerts/${a.id}/acknowledge`);
      if (this.ward.alerts.has(a.id)) this.ward.alert(answer); // the stream may have told already that it is over
    } catch (error) {
      this.failed.set(a.id, why(error)); // said beside the alarm, which stays as it was
    } finally {
      this.sending.delete(a.id);
      this.requestUpdate();
    }
  }
}
customElements.define('alarm-list', AlarmList);

/** What else is to be said of an alarm. */
export function details(a: Alert): string[] {
  const u = unit(a.value_unit ?? '');
  const shown = (v: number): string => `${number(v, Number.isInteger(v) ? 0 : 1)} ${u}`.trim();
  return [
    ...(a.value !== null ? [shown(a.value)] : []),
    ...(a.limit !== null ? [text.limit(shown(a.limit))] : []),
    ...(a.kind === 'technical' ? [text.technical] : []),
    ...(a.night ? [text.night] : []),
    ...(a.state === 'latched' ? [text.latched] : []),
    ...(a.missed ? [text.missed] : []),
    ...(a.hidden ? [text.hidden] : []),
  ];
}

// The boxes of the house, for those who look after them. No patients here.
import { html, nothing, type TemplateResult } from 'lit';
import { get, why } from './api';
import { PageElement } from './element';
import { age, bytes, clockTime, fullTime } from './format';
import { text } from './strings';
import type { Box, DeviceState } from './wire';

/** How often the list is read again, ms. */
const refresh = 5000;

export class BoxesPage extends PageElement {
  static override properties = { admin: { type: Boolean }, boxes: { state: true }, error: { state: true } };
  admin = false;
  boxes: Box[] | null = null;
  error = '';
  private read = 0;
  private timer = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
  }

  private async load(): Promise<void> {
    try {
      this.boxes = await get<Box[]>('/api/v1/boxes');
      this.read = Date.now();
      this.error = '';
    } catch (error) {
      this.error = why(error);
    }
    if (this.isConnected) this.timer = window.setTimeout(() => void this.load(), refresh);
  }

  protected override render(): TemplateResult {
    return html`<main class="page" id="content">
      <h1>${text.boxes}</h1>
      ${this.error ? html`<p class="error" role="alert">${this.error}</p>` : nothing}
      ${this.admin ? html`<p class="hint">${text.adminHint} <a href="/docs">${text.apiPage}</a></p>` : nothing}
      ${this.boxes?.length === 0 ? html`<p>${text.noBoxes}</p>` : nothing}
      ${this.boxes?.length ? this.table(this.boxes) : nothing}
    </main>`;
  }

  private table(boxes: Box[]): TemplateResult {
    return html`<table>
      <caption>${text.updated(clockTime(this.read))}</caption>
      <thead><tr>
        <th>${text.box}</th><th>${text.bedColumn}</th><th>${text.online}</th><th>${text.devices}</th><th>${text.clockOffset}</th><th>${text.queue}</th><th>${text.software}</th>
      </tr></thead>
      <tbody>${boxes.map((b) => html`<tr data-box=${b.id}>
        <td><b>${b.id}</b>${b.revoked ? html` <span class="bad">${text.revoked}</span>` : nothing}<br />${b.serial}</td>
        <td>${b.label ?? '–'}</td>
        <td>${b.online ? text.online : html`<span class="bad">■ ${text.offline}</span>`}<br />
          ${b.online ? nothing : b.last_contact ? fullTime(Date.parse(b.last_contact)) : text.never}</td>
        <td>${b.devices.map((d) => this.device(d))}</td>
        <td>${this.offset(b)}</td>
        <td>${b.queue.entries === 0 ? '0' : html`${b.queue.entries} (${bytes(b.queue.bytes)})${b.queue.oldest ? html`<br />${text.ago(age((this.read - Date.parse(b.queue.oldest)) / 1000))}` : nothing}`}
          ${b.queue.dropped > 0 ? html`<br /><span class="bad">${text.dropped(b.queue.dropped)}</span>` : nothing}</td>
        <td>${b.version || '–'}</td>
      </tr>`)}</tbody>
    </table>`;
  }

  private device(d: DeviceState): TemplateResult {
    const well = d.status === 'receiving';
    return html`<div>
      ${d.device} <small>${d.model || d.driver}</small> <span class=${well ? '' : 'bad'}>${text.deviceStatus[d.status] ?? d.status}</span>
      ${d.problem ? html`<br /><span class="bad">${d.problem}</span>` : nothing}
      ${clockOff(d.clock_offset_s)}
      ${d.skipped_bytes > 0 ? html`<br /><small>${text.skippedBytes(d.skipped_bytes)}</small>` : nothing}
    </div>`;
  }

  private offset(b: Box): TemplateResult {
    if (b.clock_offset_s === null) return html`${b.clock}`;
    const s = `${b.clock_offset_s >= 0 ? '+' : '−'}${Math.abs(b.clock_offset_s).toFixed(1)} s`;
    return html`<span class=${Math.abs(b.clock_offset_s) > 2 ? 'bad' : ''}>${s}</span><br /><small>${b.clock}</small>`;
  }
}
customElements.define('boxes-page', BoxesPage);

/** A device's clock that is not right: its own records then have other times than ours. */
function clockOff(seconds: number | undefined): TemplateResult | typeof nothing {
  if (seconds === undefined || Math.abs(seconds) < 30) return nothing;
  return html`<br /><small>${text.deviceClock(age(Math.abs(seconds)), seconds > 0)}</small>`;
}

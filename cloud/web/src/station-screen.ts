// The station: every bed in sight, each large in turn, alarms always beside.
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { keepAwake } from './activity';
import './alarm-list';
import './bed-tile';
import { WardElement } from './element';
import { dayTime } from './format';
import './featured-bed';
import { moon } from './featured-bed';
import { go } from './route';
import { Rotation } from './rotation';
import { text } from './strings';
import type { BedNow } from './ward';

const jumpKey = 'monitorme.jump';

export class StationScreen extends WardElement {
  static override properties = { ...WardElement.properties, hint: {} };
  /** What else is to be said below. */
  hint = '';
  private rotation = new Rotation();
  private jumps = localStorage.getItem(jumpKey) !== 'off';
  private timer = 0;
  private sleepAgain = (): void => undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.sleepAgain = keepAwake();
    this.timer = window.setInterval(() => this.step(), 200);
    window.addEventListener('keydown', this.onKey);
    this.ward.onNewAlert = (a) => {
      if (this.jumps && a.priority === 'high' && a.kind === 'physiological' && !a.missed && a.acknowledged_by === null && this.ward.beds.has(a.bed)) {
        this.rotation.jump(a.bed, performance.now());
        this.requestUpdate();
      }
    };
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.timer);
    this.sleepAgain();
    window.removeEventListener('keydown', this.onKey);
    this.ward.onNewAlert = () => undefined;
  }

  private step(): void {
    if (this.rotation.step(performance.now())) this.requestUpdate();
  }

  protected override willUpdate(_: PropertyValues): void {
    const beds = [...this.ward.beds.values()];
    const patients = beds.filter((b) => b.patient !== null);
    this.rotation.setOrder((patients.length > 0 ? patients : beds).map((b) => b.id), performance.now());
  }

  private onKey = (e: KeyboardEvent): void => {
    const at = e.target instanceof HTMLElement ? e.target : null;
    if (e.ctrlKey || e.altKey || e.metaKey || at?.closest('input, select, textarea, dialog')) return;
    const onControl = at?.closest('button, a, summary') !== null && at !== null;
    const time = performance.now();
    switch (e.key) {
      case 'ArrowRight': this.rotation.move(1, time); break;
      case 'ArrowLeft': this.rotation.move(-1, time); break;
      case ' ': if (onControl) return; this.toggle(); break;
      case 'o': go(`/bed/${encodeURIComponent(this.rotation.current)}`); break;
      default: return;
    }
    e.preventDefault();
    this.requestUpdate();
  };

  private toggle(): void {
    const time = performance.now();
    if (this.rotation.held) this.rotation.resume(time);
    else this.rotation.hold(time);
    this.requestUpdate();
  }

  private select(e: Event): void {
    const id = (e.target as HTMLElement).closest<HTMLElement>('[data-bed]')?.dataset['bed'];
    if (!id) return;
    this.rotation.select(id, performance.now());
    this.requestUpdate();
  }

  private setJumps(e: Event): void {
    this.jumps = (e.target as HTMLInputElement).checked;
    localStorage.setItem(jumpKey, this.jumps ? 'on' : 'off');
  }

  protected override render(): TemplateResult {
    const beds = [...this.ward.beds.values()];
    const current = this.ward.beds.get(this.rotation.current);
    const columns = beds.length > 10 ? 10 : Math.max(5, beds.length);
    return html`<main class="station" id="content" tabindex="-1">
      ${current ? this.featuredHead(current) : nothing}
      <featured-bed .ward=${this.ward} .bed=${this.rotation.current}></featured-bed>
      <div class="tiles columns-${columns}" @click=${this.select}>
        ${repeat(beds, (b) => b.id, (b) => html`<bed-tile .ward=${this.ward} .bed=${b.id} .large=${b.id === this.rotation.current}></bed-tile>`)}
      </div>
      <alarm-list .ward=${this.ward}></alarm-list>
      <p class="keys"><span>${text.keys}</span><span>${this.hint}</span></p>
    </main>`;
  }

  private featuredHead(bed: BedNow): TemplateResult {
    const m = this.ward.moment();
    const left = this.rotation.left(performance.now());
    const since = dayTime(Date.parse(bed.lastContact ?? ''), m.now);
    return html`<div class="featured-head" aria-label=${text.featured}>
      <a class="featured-bed-name" href="/bed/${encodeURIComponent(bed.id)}" title=${text.openBed}>${text.bed(bed.label)}</a>
      <span class="featured-who">${bed.patient?.name ?? text.noPatient}</span>
      ${moon(bed, m)}
      ${bed.box !== null && !bed.online ? html`<span class="offline">${text.boxOfflineSince(since)}</span>` : nothing}
      <span class="grow"></span>
      <label class="jump"><input type="checkbox" .checked=${this.jumps} @change=${this.setJumps} />${text.jump}</label>
      <span class="turn" data-held=${this.rotation.held ? 'yes' : 'no'}>${this.rotation.held ? text.heldFor(left) : text.nextIn(left)}</span>
      <button aria-label=${text.previousBed} title=${text.previousBed} @click=${() => this.move(-1)}>◀</button>
      <button class="pause" aria-pressed=${this.rotation.held ? 'true' : 'false'} @click=${this.toggle}>${this.rotation.held ? text.resumeRotation : text.pauseRotation}</button>
      <button aria-label=${text.nextBed} title=${text.nextBed} @click=${() => this.move(1)}>▶</button>
    </div>`;
  }

  private move(by: 1 | -1): void {
    this.rotation.move(by, performance.now());
    this.requestUpdate();
  }
}
customElements.define('station-screen', StationScreen);

// The bar above every page of a ward: where one is, whether it is live, and the sound.
import { html, nothing, type TemplateResult } from 'lit';
import { WardElement } from './element';
import { clockTime, countDown } from './format';
import type { Sounder } from './sound';
import { text } from './strings';
import type { Session } from './wire';

export class TopBar extends WardElement {
  static override properties = { ...WardElement.properties, session: { attribute: false }, sound: { attribute: false }, unitName: {} };
  session!: Session;
  sound!: Sounder;
  unitName = '';

  protected override render(): TemplateResult {
    const { ward } = this;
    const live = ward.pulse.alive();
    const unit = encodeURIComponent(ward.unit);
    return html`<header class="bar">
        <a class="unit-name" href="/" title=${text.chooseUnit}>${this.unitName || ward.unit}</a>
        <nav><a href="/unit/${unit}">${text.station}</a><a href="/unit/${unit}/alarms">${text.alarmHistory}</a></nav>
        ${this.session.demo ? html`<span class="badge">${text.demo}</span>` : nothing}
        <span class="grow"></span>
        ${this.soundControl()}
        <span class="connection ${live ? 'live' : 'dead'}">${live ? text.live : text.connecting}</span>
        <time class="server-time" title=${text.serverTime}>${clockTime(ward.clock.now())}</time>
        <span class="person">${this.session.name}</span>
        ${this.session.station ? nothing : html`<a href="/password">${text.changePassword}</a>`}
        <button class="sign-out" @click=${() => this.dispatchEvent(new Event('sign-out', { bubbles: true }))}>${text.signOut}</button>
      </header>
      ${this.banners(live)}`;
  }

  private banners(live: boolean): TemplateResult | typeof nothing {
    const { ward } = this;
    if (!live) {
      return html`<div class="banner red" role="alert" data-banner="not-live">
        ${Number.isNaN(ward.lastLive) ? text.neverLive : text.notLive(clockTime(ward.lastLive))}
      </div>`;
    }
    if (ward.watched()) return nothing;
    const detail = ward.alerting.ok ? text.alarmsUnknown : ward.alerting.detail;
    return html`<div class="banner red" role="alert" data-banner="not-watched">${text.notWatched} ${detail ? html`<small>${detail}</small>` : nothing}</div>`;
  }

  private soundControl(): TemplateResult {
    const time = performance.now();
    const state = this.sound.state();
    if (state === 'off') return html`<button class="sound warn" title=${text.soundOffHelp} @click=${this.enable}>${text.soundOff}</button>`;
    if (state === 'suspended') return html`<button class="sound warn" role="alert" @click=${this.enable}>${text.soundSuspended}</button>`;
    const left = this.sound.pauseLeft(time);
    if (left > 0) {
      return html`<button class="sound paused" @click=${() => (this.sound.resume(), this.requestUpdate())}>${text.soundPaused(countDown(left))}</button>`;
    }
    return html`<button class="sound" @click=${this.pause}>${text.soundPause}</button>`;
  }

  private enable = async (): Promise<void> => {
    await this.sound.enable();
    this.requestUpdate();
  };

  private pause = (): void => {
    this.sound.pauseFor(this.ward.sorted(), performance.now());
    this.requestUpdate();
  };
}
customElements.define('top-bar', TopBar);

// The whole: who is signed in, which page, which ward, and the sound.
import { html, nothing, type TemplateResult } from 'lit';
import { keyed } from 'lit/directives/keyed.js';
import './alarm-history';
import { onUse } from './activity';
import { api, ApiError, get, send, session as sessions, why } from './api';
import './bed-page';
import './boxes-page';
import { everyHalfSecond, PageElement } from './element';
import { Link } from './link';
import { catchLinks, go, routeOf, type Route } from './route';
import './sign-in';
import { Sounder } from './sound';
import './station-screen';
import { text } from './strings';
import './top-bar';
import { Ward } from './ward';
import type { Alert, Latest, Session, Unit } from './wire';

export class App extends PageElement {
  static override properties = {
    session: { state: true }, route: { state: true }, units: { state: true }, ward: { state: true }, message: { state: true }, wasHidden: { state: true }, quiet: { state: true },
  };
  /** null: nobody is signed in; undefined: not known yet. */
  session: Session | null | undefined = undefined;
  route: Route = routeOf(location.pathname);
  units: Unit[] = [];
  ward: Ward | null = null;
  /** Why there is nothing else to see. */
  message = '';
  /** The page was out of sight while alarms may have sounded late. */
  wasHidden = false;
  /** Somebody chose to go on without sound. */
  quiet = false;
  private link: Link | null = null;
  private sound = new Sounder();
  /** A session that ended by itself is an alarm of its own. */
  private over: Alert | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    sessions.over = (detail) => this.ended(detail);
    window.addEventListener('popstate', this.onRoute);
    window.addEventListener('monitorme-route', this.onRoute);
    window.addEventListener('keydown', this.onKey);
    document.addEventListener('click', catchLinks);
    document.addEventListener('visibilitychange', () => (this.wasHidden ||= document.hidden && this.ward !== null));
    this.addEventListener('signed-in', () => void this.load());
    this.addEventListener('sign-out', () => void this.signOut());
    this.addEventListener('password-changed', () => {
      this.close();
      go('/');
      this.message = text.passwordChanged;
    });
    setInterval(() => this.sound.step(this.ward?.sorted() ?? (this.over ? [this.over] : []), performance.now()), 250);
    setInterval(() => void this.askForAlerts(), 5000);
    onUse(() => this.session && get('/api/v1/units').catch(() => undefined)); // the session goes on
    everyHalfSecond(() => this.ward && !this.sound.state().startsWith('on') && this.requestUpdate());
    void this.load();
  }

  /** Finds out who is signed in; asks again while the server does not answer. */
  private async load(): Promise<void> {
    try {
      this.session = await get<Session>('/api/v1/session');
      this.over = null;
      this.message = '';
      if (!this.session.must_change_password) {
        this.units = await get<Unit[]>('/api/v1/units');
        await this.follow();
      }
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        this.session = null;
        return;
      }
      this.message = why(error);
      setTimeout(() => this.session === undefined && void this.load(), 2000);
    }
  }

  /** The snapshot came without alarms: asks until they can be read. */
  private async askForAlerts(): Promise<void> {
    const { ward } = this;
    if (!ward || ward.alertsKnown || !ward.pulse.alive()) return;
    try {
      ward.takeAlerts(await get<Alert[]>(`/api/v1/alerts?${new URLSearchParams({ unit: ward.unit, state: 'active' })}`));
    } catch {
      // the banner stays
    }
  }

  private clinical(): boolean {
    return this.session?.role === 'nurse' || this.session?.role === 'doctor';
  }

  private onRoute = (): void => {
    this.route = routeOf(location.pathname);
    this.message = '';
    void this.follow();
  };

  /** Opens what the route needs. */
  private async follow(): Promise<void> {
    const { route } = this;
    if (!this.session || this.session.must_change_password) return;
    if (route.page === 'home') {
      if (!this.clinical()) return go('/boxes');
      if (this.units.length === 1) return go(`/unit/${encodeURIComponent(this.units[0]!.id)}`);
    }
    if (!this.clinical()) return;
    if (route.page === 'station' || route.page === 'alarms') this.open(route.unit);
    if (route.page === 'bed' && !this.ward?.beds.has(route.bed)) {
      try {
        this.open((await get<Latest>(api`/beds/${route.bed}/latest`)).unit);
      } catch (error) {
        this.message = why(error);
      }
    }
  }

  private open(unit: string): void {
    if (this.ward?.unit === unit) return;
    this.link?.stop();
    this.ward = new Ward(unit);
    this.link = new Link(this.ward, (detail) => this.ended(detail));
    this.link.start();
  }

  private close(): void {
    this.link?.stop();
    this.link = null;
    this.ward = null;
    this.session = null;
  }

  /** The session is over though nobody signed out. */
  private ended(detail: string): void {
    const screen = this.ward?.unit;
    this.close();
    this.message = `${text.sessionOver} ${detail}`;
    const now = new Date().toISOString();
    if (screen === undefined) return;
    this.over = {
      id: 'session', bed: '', unit: screen, label: '', box: '', device: '', code: 0, sign: '', rule: 'screen', kind: 'technical', priority: 'medium',
      text: text.sessionOver, value: null, limit: null, night: false, state: 'active', started: now, ended: null, received: now,
      acknowledged_by: null, acknowledged_at: null, missed: false,
    };
  }

  private async signOut(): Promise<void> {
    try {
      await send('DELETE', '/api/v1/session');
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) {
        this.message = why(error); // still signed in: say so rather than pretend
        return;
      }
    }
    this.close();
    this.message = '';
    go('/');
  }

  private onKey = (e: KeyboardEvent): void => {
    if (e.key !== 's' || e.ctrlKey || e.altKey || e.metaKey || !this.ward || (e.target instanceof HTMLElement && e.target.closest('input, select, textarea'))) return;
    const time = performance.now();
    if (this.sound.pauseLeft(time) > 0) this.sound.resume();
    else this.sound.pauseFor(this.ward.sorted(), time);
  };

  protected override render(): TemplateResult {
    if (this.session === undefined) return html`<main class="card" id="content"><p>${this.message || text.loading}</p></main>`;
    if (this.session === null) return html`<sign-in .message=${this.message}></sign-in>`;
    if (this.session.must_change_password || this.route.page === 'password') {
      return html`<change-password .must=${this.session.must_change_password}></change-password>`;
    }
    return html`<a class="skip" href="#content">${text.skip}</a>
      ${this.ward ? this.wardBar(this.ward) : this.plainBar(this.session)}
      ${this.message ? html`<p class="error page-error" role="alert">${this.message}</p>` : this.page()}`;
  }

  private wardBar(ward: Ward): TemplateResult {
    const name = this.units.find((u) => u.id === ward.unit)?.name ?? ward.unit;
    return html`${keyed(ward, html`<top-bar .ward=${ward} .session=${this.session} .sound=${this.sound} .unitName=${name}></top-bar>`)}
      ${this.wasHidden ? html`<button class="banner amber" @click=${() => (this.wasHidden = false)}>${text.pageHidden} ✕</button>` : nothing}
      ${this.sound.state() === 'off' && !this.quiet ? this.soundGate() : nothing}`;
  }

  private soundGate(): TemplateResult {
    const start = async (): Promise<void> => {
      await this.sound.enable();
      this.requestUpdate();
    };
    return html`<div class="gate" role="dialog" aria-label=${text.soundTitle}>
      <div><strong>${text.soundTitle}</strong><p>${text.soundText}</p></div>
      <button class="primary enable-sound" @click=${start}>${text.soundStart}</button>
      <button class="skip-sound" @click=${() => (this.quiet = true)}>${text.soundSkip}</button>
    </div>`;
  }

  private plainBar(s: Session): TemplateResult {
    return html`<header class="bar">
      <strong class="unit-name">${text.product}</strong>
      <nav>
        ${s.role === 'technician' || s.role === 'admin' ? html`<a href="/boxes">${text.boxes}</a>` : nothing}
        <a href="/docs">${text.apiPage}</a>
      </nav>
      <span class="grow"></span>
      <span class="person">${s.name} (${text.roles[s.role]})</span>
      <a href="/password">${text.changePassword}</a>
      <button class="sign-out" @click=${() => void this.signOut()}>${text.signOut}</button>
    </header>`;
  }

  private page(): TemplateResult | typeof nothing {
    const { route, ward } = this;
    switch (route.page) {
      case 'home': return this.chooseUnit();
      case 'boxes': return html`<boxes-page .admin=${this.session?.role === 'admin'}></boxes-page>`;
      case 'station': return ward ? html`${keyed(ward, html`<station-screen .ward=${ward} .hint=${this.session?.station ? '' : text.idleHint}></station-screen>`)}` : nothing;
      case 'alarms': return ward ? html`${keyed(ward, html`<alarm-history .ward=${ward}></alarm-history>`)}` : nothing;
      case 'bed':
        return ward
          ? html`${keyed(`${ward.unit} ${route.bed}`, html`<bed-page .ward=${ward} .bed=${route.bed} .session=${this.session}></bed-page>`)}`
          : html`<main class="card" id="content">${text.loading}</main>`;
      default: return html`<main class="card" id="content"><p>${text.notFound}</p><a href="/">${text.home}</a></main>`;
    }
  }

  private chooseUnit(): TemplateResult {
    return html`<main class="card" id="content">
      <h1>${text.chooseUnit}</h1>
      ${this.units.length === 0 ? html`<p>${text.noUnits}</p>` : nothing}
      <ul class="units">${this.units.map((u) => html`<li><a href="/unit/${encodeURIComponent(u.id)}">${u.name}</a> <small>${text.beds(u.beds)}</small></li>`)}</ul>
    </main>`;
  }
}
customElements.define('monitorme-app', App);

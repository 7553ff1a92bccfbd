// The present of one unit, as the stream tells it.
import { compareAlerts, open } from './alarms';
import { Pulse, ServerClock, silenceLimit } from './clock';
import { reading, type Reading } from './fresh';
import { WaveRing } from './ring';
import { text } from './strings';
import type { Moment, Source } from './vitals';
import type { Alert, Bed, BoxEvent, DeviceState, Latest, Snapshot, Tick, Value, ValuesEvent, WaveEvent } from './wire';

/** One waveform of a bed. */
export interface Wave {
  key: string;
  device: string;
  code: number;
  ring: WaveRing;
}

/** All that is known of one bed now. */
export interface BedNow extends Source {
  id: string;
  label: string;
  lastContact: string | null;
  patient: { id: string; name: string; initials: string } | null;
  /** Values from before belong to somebody else, ms. */
  since: number;
  values: Map<string, Reading>;
  waves: Map<string, Wave>;
  devices: DeviceState[];
}

type Listener = (beds: ReadonlySet<string> | 'all') => void;

/**
 * A Ward holds the beds and alarms of a unit. Events change it at once;
 * listeners hear of all changes of one animation frame together.
 */
export class Ward {
  readonly beds = new Map<string, BedNow>();
  readonly alerts = new Map<string, Alert>();
  readonly clock = new ServerClock();
  readonly pulse = new Pulse();
  /** False if the snapshot came without alarms: they cannot be read. */
  alertsKnown = true;
  alerting = { ok: true, detail: '' };
  /** The server's time when the screen was live last, NaN if never. */
  lastLive = Number.NaN;
  /** Told when an alarm begins or becomes more urgent. */
  onNewAlert: (a: Alert) => void = () => undefined;

  private readonly listeners = new Set<Listener>();
  private dirty = new Set<string>();
  private all = false;
  private scheduled = false;

  constructor(readonly unit: string) {}

  moment(): Moment {
    return { now: this.clock.now(), live: this.pulse.alive() };
  }

  watch(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Takes one event of the stream. */
  apply(type: string, data: string): void {
    switch (type) {
      case 'tick': return this.tick(JSON.parse(data) as Tick);
      case 'values': return this.values(JSON.parse(data) as ValuesEvent);
      case 'wave': return this.wave(JSON.parse(data) as WaveEvent);
      case 'alert': return this.alert(JSON.parse(data) as Alert);
      case 'box': return this.box(JSON.parse(data) as BoxEvent);
      case 'beds': return this.placed((JSON.parse(data) as { beds: Bed[] }).beds);
      case 'snapshot': return this.snapshot(JSON.parse(data) as Snapshot);
    }
  }

  private snapshot(s: Snapshot): void {
    this.clock.reset();
    this.clock.hear(s.server_time);
    this.live();
    const before = new Map(this.beds);
    this.beds.clear();
    const known = new Set(this.alerts.keys());
    this.alerts.clear();
    this.alertsKnown = true;
    for (const b of s.beds) {
      this.beds.set(b.bed, this.bedOf(b, before.get(b.bed)));
      if (b.alerts === null) this.alertsKnown = false;
      for (const a of b.alerts ?? []) if (open(a)) this.alerts.set(a.id, a);
    }
    for (const a of this.alerts.values()) if (!known.has(a.id)) this.onNewAlert(a);
    this.change('all');
  }

  private bedOf(b: Latest, before: BedNow | undefined): BedNow {
    const same = before && before.box === b.box && before.patient?.id === b.patient?.id;
    return {
      id: b.bed, label: b.label, box: b.box, online: b.box_online, lastContact: b.box_last_contact, patient: b.patient,
      since: same ? before.since : Number.NEGATIVE_INFINITY,
      values: new Map(b.values.map((v) => [keyOf(v), reading(v)])),
      waves: same ? before.waves : new Map(),
      devices: same ? before.devices : [],
    };
  }

  private tick(t: Tick): void {
    this.clock.hear(t.server_time);
    this.alerting = t.alerting;
    // A tick that was under way for long proves nothing about now.
    if (this.clock.now() - Date.parse(t.server_time) <= silenceLimit) this.live();
  }

  private live(): void {
    this.pulse.beat();
    this.lastLive = this.clock.now();
  }

  private values(e: ValuesEvent): void {
    const bed = this.beds.get(e.bed);
    if (!bed) return;
    for (const v of e.values) {
      const r = reading(v);
      if (r.measured < bed.since) continue;
      const key = keyOf(v);
      const old = bed.values.get(key);
      if (old === undefined || r.measured >= old.measured || Date.parse(r.received) > Date.parse(old.received)) bed.values.set(key, r);
    }
    this.change(e.bed);
  }

  private wave(e: WaveEvent): void {
    const bed = this.beds.get(e.bed);
    if (!bed || !(e.rate_hz > 0) || Date.parse(e.at) < bed.since) return;
    const key = `${e.device}|${e.channel ?? ''}|${e.code}`;
    let w = bed.waves.get(key);
    if (!w || w.ring.rate !== e.rate_hz) {
      w = { key, device: e.device, code: e.code, ring: new WaveRing(e.rate_hz) };
      bed.waves.set(key, w);
      this.change(e.bed);
    }
    w.ring.push(e, this.clock.now(), performance.now());
  }

  /** Takes the alarms of the unit where the snapshot came without. */
  takeAlerts(list: Alert[]): void {
    this.alerts.clear();
    this.alertsKnown = true;
    for (const a of list) if (open(a)) this.alerts.set(a.id, a);
    this.change('all');
  }

  /** Takes an alarm, also one that an acknowledgement gave. */
  alert(a: Alert): void {
    const before = this.alerts.get(a.id);
    if (open(a)) {
      this.alerts.set(a.id, a);
      if (!before || before.priority !== a.priority) this.onNewAlert(a);
    } else {
      this.alerts.delete(a.id);
    }
    this.change(a.bed);
  }

  private box(e: BoxEvent): void {
    const bed = this.beds.get(e.bed);
    if (!bed) return;
    bed.box = e.box;
    bed.online = e.online;
    bed.lastContact = e.last_contact;
    bed.devices = e.devices;
    this.change(e.bed);
  }

  /** A placement or patient changed: what was measured of somebody else goes. */
  private placed(list: Bed[]): void {
    const before = new Map(this.beds);
    this.beds.clear();
    for (const b of list) {
      const old = before.get(b.id);
      const same = old && old.box === b.box && old.patient?.id === b.patient?.id;
      const box = old && old.box === b.box;
      this.beds.set(b.id, {
        id: b.id, label: b.label, box: b.box, online: box ? old.online : false, lastContact: box ? old.lastContact : null,
        patient: b.patient, devices: box ? old.devices : [],
        since: same ? old.since : b.patient?.since ? Date.parse(b.patient.since) : this.clock.now(),
        values: same ? old.values : new Map(), waves: same ? old.waves : new Map(),
      });
    }
    this.change('all');
  }

  /** The alarms that want to be seen, the most urgent first, and those of this screen itself. */
  sorted(): Alert[] {
    return [...this.local(), ...this.alerts.values()].sort(compareAlerts);
  }

  ofBed(bed: string): Alert[] {
    return [...this.alerts.values()].filter((a) => a.bed === bed).sort(compareAlerts);
  }

  private blindSince = 0;

  /** What the screen itself must say: after two minutes it is of high priority. */
  private local(): Alert[] {
    const dead = !this.pulse.alive();
    if (!dead && this.watched()) {
      this.blindSince = 0;
      return [];
    }
    this.blindSince ||= performance.now();
    const at = new Date(Number.isNaN(this.lastLive) ? Date.now() : this.lastLive).toISOString();
    return [{
      id: 'screen', bed: '', unit: this.unit, label: '', box: '', device: '', code: 0, sign: '', rule: 'screen', kind: 'technical',
      priority: performance.now() - this.blindSince > 120_000 ? 'high' : 'medium', text: dead ? text.localNotLive : text.localNotWatched,
      value: null, limit: null, night: false, state: 'active', started: at, ended: null, received: at,
      acknowledged_by: null, acknowledged_at: null, missed: false,
    }];
  }

  /** Whether the server raises alarms and tells of them. */
  watched(): boolean {
    return this.alerting.ok && this.alertsKnown;
  }

  private change(bed: string): void {
    if (bed === 'all') this.all = true;
    else this.dirty.add(bed);
    if (this.scheduled) return;
    this.scheduled = true;
    const flush = (): void => {
      if (!this.scheduled) return;
      this.scheduled = false;
      const what = this.all ? 'all' : this.dirty;
      this.dirty = new Set();
      this.all = false;
      for (const l of this.listeners) l(what);
    };
    requestAnimationFrame(flush);
    setTimeout(flush, 250); // hidden pages have no frames
  }
}

function keyOf(v: Value): string {
  return `${v.device}|${v.channel}|${v.code}`;
}

// Which of the readings of a bed stand for a sign, and how they look.
import { ageOf, hasContent, stateOf, type Reading, type State } from './fresh';
import { number } from './format';
import { text } from './strings';
import type { Sign } from './wire';

/** The eight signs; blood pressure may come from a line and from a cuff. */
export type Slot = Sign;

export type Colour = 'green' | 'cyan' | 'red' | 'yellow' | 'white' | 'magenta' | 'blue';

export const sleepCode = (2 << 16) | 0xf101;

// Sources in order of preference: those that are live come first anyway.
const sources: Record<Exclude<Sign, 'ecg' | 'blood-pressure'>, readonly number[]> = {
  'heart-rate': [147842, 149530, 149514, 147850, 149546],
  oxygen: [150456, 160296, 160300, 150472, 150476, 150324],
  'respiration-rate': [151562, 151578, 151594, 151570, 151658, 151586, 152490, 152498, 152538],
  temperature: [150364, 150368, 150344, 188424, 150392, 188420, 188496, 150372, 150380, 150352, 150356, 150388, 150396, 193857, 193858],
  'blood-sugar': [160184, 160020, 160368, (2 << 16) | 0xf150],
  sleep: [sleepCode],
};

/** Blood pressures: systolic, diastolic, mean. Arterial lines before the cuff. */
const pressures: readonly { codes: readonly [number, number, number]; label: string; colour: Colour }[] = [
  { codes: [150037, 150038, 150039], label: 'ABP', colour: 'red' },
  { codes: [150033, 150034, 150035], label: 'ART', colour: 'red' },
  { codes: [150017, 150018, 150019], label: 'IBP', colour: 'red' },
  { codes: [150021, 150022, 150023], label: 'NIBP', colour: 'magenta' },
];

const pulse = new Set([149530, 149514]);
const colours: Record<Sign, Colour> = {
  'heart-rate': 'green', ecg: 'green', oxygen: 'cyan', 'blood-pressure': 'magenta', 'respiration-rate': 'yellow',
  temperature: 'white', 'blood-sugar': 'white', sleep: 'blue',
};

/** A Vital is what a screen shows for one sign. */
export interface Vital {
  sign: Sign;
  label: string;
  unit: string;
  colour: Colour;
  /** The number or word; dashes without one. */
  main: string;
  /** A smaller number beside it, as the mean pressure. */
  second: string;
  state: State;
  /** Age in seconds of what is shown; NaN if nothing was ever measured. */
  age: number;
  /** Why there is no number, or what is to be said about it. */
  note: string;
}

/** What a vital is picked from. While the box is out of touch no value is live, however young. */
export interface Source {
  values: ReadonlyMap<string, Reading>;
  box: string | null;
  online: boolean;
}

export interface Moment {
  now: number;
  live: boolean;
}

/** Live first, then what is missing right now, then what is old. */
function worth(r: Reading, m: Moment): number {
  const young = r.stale_after_s === 0 || ageOf(r, m.now) <= r.stale_after_s;
  if (hasContent(r)) return young ? 3 : 1;
  return young ? 2 : 0;
}

/** pick finds the reading that stands for a list of codes. */
export function pick(values: Iterable<Reading>, codes: readonly number[], m: Moment): Reading | undefined {
  let best: Reading | undefined;
  for (const r of values) {
    if (!codes.includes(r.code)) continue;
    if (best === undefined || compare(r, best, codes, m) < 0) best = r;
  }
  return best;
}

function compare(a: Reading, b: Reading, codes: readonly number[], m: Moment): number {
  return worth(b, m) - worth(a, m) || codes.indexOf(a.code) - codes.indexOf(b.code) || b.measured - a.measured;
}

function noteOf(r: Reading | undefined, s: Source): string {
  if (r === undefined) return s.box === null ? text.noBox : s.online ? text.notMeasured : text.boxOffline.toLowerCase();
  if (r.quality === 'questionable') return text.questionable;
  if (!hasContent(r)) return text.qualities[r.quality] ?? text.qualities.unknown;
  return r.clock === 'uncertain' ? text.clockUncertain : '';
}

function blank(sign: Sign, s: Source, label: string, unit: string): Vital {
  return { sign, label, unit, colour: colours[sign], main: text.missing, second: '', state: 'missing', age: Number.NaN, note: noteOf(undefined, s) };
}

const defaults: Record<Sign, [label: string, unit: string]> = {
  'heart-rate': ['HR', '/min'], ecg: ['ECG', ''], oxygen: ['SpO2', '%'], 'blood-pressure': ['BP', 'mm[Hg]'],
  'respiration-rate': ['RR', '/min'], temperature: ['Temp', 'Cel'], 'blood-sugar': ['Glucose', 'mg/dL'], sleep: ['Sleep', ''],
};

/** vital is what to show for a sign of a bed; ECG is a waveform and has none. */
export function vital(sign: Exclude<Sign, 'ecg'>, s: Source, m: Moment): Vital {
  if (sign === 'blood-pressure') return pressure(s, m);
  const [label, unit] = defaults[sign];
  const r = pick(s.values.values(), sources[sign], m);
  if (r === undefined) return blank(sign, s, label, unit);
  const state = stateOf(r, m.now, m.live && s.online);
  let main: string = text.missing;
  if (state !== 'missing') main = sign === 'sleep' ? (text.sleepWords[r.text] ?? r.text) : number(r.value, r.places);
  return {
    sign, label: sign === 'heart-rate' ? r.label : label, unit: r.unit || unit, colour: pulse.has(r.code) ? 'cyan' : colours[sign],
    main, second: '', state, age: ageOf(r, m.now), note: noteOf(r, s),
  };
}

interface Pressure { sys: Reading; dia: Reading | undefined; mean: Reading | undefined; label: string; colour: Colour }

/** The cuff's or the line's pressures: the line if it lives, else whichever is worth more. */
function pickPressure(s: Source, m: Moment): Pressure | undefined {
  let best: { sys: Reading; of: (typeof pressures)[number] } | undefined;
  for (const of of pressures) {
    const sys = pick(s.values.values(), [of.codes[0]], m);
    if (sys && (best === undefined || worth(sys, m) > worth(best.sys, m))) best = { sys, of };
  }
  if (best === undefined) return undefined;
  const { sys, of } = best;
  const beside = (code: number): Reading | undefined => {
    for (const r of s.values.values()) if (r.code === code && r.device === sys.device && r.channel === sys.channel) return r;
    return undefined;
  };
  return { sys, dia: beside(of.codes[1]), mean: beside(of.codes[2]), label: of.label, colour: of.colour };
}

function pressure(s: Source, m: Moment): Vital {
  const best = pickPressure(s, m);
  if (best === undefined) return blank('blood-pressure', s, ...defaults['blood-pressure']);
  const { sys, dia, mean } = best;
  const state = stateOf(sys, m.now, m.live && s.online);
  const shown = (r: Reading | undefined): string => (r && hasContent(r) && together(r, sys) ? number(r.value, r.places) : text.missing);
  return {
    sign: 'blood-pressure', label: best.label, unit: sys.unit, colour: best.colour,
    main: state === 'missing' ? text.missing : `${shown(sys)}/${shown(dia)}`,
    second: state === 'missing' || mean === undefined ? '' : `(${shown(mean)})`,
    state, age: ageOf(sys, m.now), note: noteOf(sys, s),
  };
}

/** Systolic and diastolic belong to one measurement only if they are of one time. */
function together(a: Reading, b: Reading): boolean {
  return Math.abs(a.measured - b.measured) < 5000;
}

/** Whether the patient sleeps, as far as is known now. */
export function sleeping(s: Source, m: Moment): boolean {
  const r = pick(s.values.values(), [sleepCode], m);
  return r !== undefined && stateOf(r, m.now, m.live && s.online) === 'live' && ['asleep', 'light', 'deep', 'rem'].includes(r.text);
}

/** What one device, or one channel of it, says beyond the eight signs. */
export interface Others {
  device: string;
  channel: string;
  model: string;
  serial: string;
  values: Reading[];
}

const model = 'MDC_ATTR_ID_MODEL';
const serial = 'MDC_ATTR_SYS_ID';
const identity = new Set([model, serial, 'MDC_ATTR_ID_PROD_SPECN']);

/**
 * others are the values of a bed that do not stand for one of the eight signs:
 * those of pumps and ventilators, second sources of a sign, unknown codes.
 */
export function others(s: Source, m: Moment): Others[] {
  const shown = new Set<Reading | undefined>(Object.values(sources).map((codes) => pick(s.values.values(), codes, m)));
  const p = pickPressure(s, m);
  for (const r of [p?.sys, p?.dia, p?.mean]) shown.add(r);
  const groups = new Map<string, Others>();
  const named = (device: string, channel: string, what: string): string => {
    for (const r of s.values.values()) if (r.ref_id === what && r.device === device && r.channel === channel) return r.text;
    return '';
  };
  for (const r of s.values.values()) {
    if (identity.has(r.ref_id) || shown.has(r)) continue;
    const key = `${r.device} ${r.channel}`;
    let g = groups.get(key);
    if (!g) {
      const of = (what: string): string => named(r.device, r.channel, what) || named(r.device, '', what);
      groups.set(key, (g = { device: r.device, channel: r.channel, model: of(model), serial: of(serial), values: [] }));
    }
    g.values.push(r);
  }
  const list = [...groups.values()].sort((a, b) => order(a.device, b.device) || order(a.channel, b.channel));
  for (const g of list) g.values.sort((a, b) => a.code - b.code);
  return list;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** How many places a device gave, as far as they help: a pressure of 5.5 must not become 6. */
function said(value: number | null): number {
  return Math.min(2, (String(value).split('.')[1] ?? '').length);
}

/** other is how a value beyond the eight signs looks. */
export function other(r: Reading, s: Source, m: Moment): Pick<Vital, 'label' | 'unit' | 'main' | 'state' | 'age' | 'note'> {
  const state = stateOf(r, m.now, m.live && s.online);
  const main = state === 'missing' ? text.missing : r.text !== '' ? r.text : number(r.value, Math.max(r.places, said(r.value)));
  return { label: r.label || text.unknownCode(r.code), unit: r.unit, main, state, age: ageOf(r, m.now), note: noteOf(r, s) };
}

// Numbers, ages and times as people read them.
import { text } from './strings';

/** A value with its decimal places, or dashes: never 0 for nothing. */
export function number(value: number | null | undefined, places: number): string {
  return value === null || value === undefined || !Number.isFinite(value) ? text.missing : value.toFixed(places);
}

/** An age in seconds in few characters: 4 s, 3 min, 2 h 05, 3 d. */
export function age(seconds: number): string {
  if (!Number.isFinite(seconds)) return text.missing;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${pad(Math.floor((s % 3600) / 60))}`;
  return `${Math.floor(s / 86_400)} d`;
}

/** Minutes and seconds of a count-down. */
export function countDown(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${pad(seconds % 60)}`;
}

function pad(n: number): string {
  return String(n).padStart(2, '0');
}

/** hh:mm:ss of this computer's zone. */
export function clockTime(ms: number): string {
  if (!Number.isFinite(ms)) return '--:--:--';
  const d = new Date(ms);
  return `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
}

/** hh:mm, with the date if it is not today's. */
export function dayTime(ms: number, today: number): string {
  if (!Number.isFinite(ms)) return '--:--';
  const d = new Date(ms);
  const short = `${pad(d.getHours())}:${pad(d.getMinutes())}`;
  return new Date(today).toDateString() === d.toDateString() ? short : `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${short}`;
}

/** Date and time to the second. */
export function fullTime(ms: number): string {
  if (!Number.isFinite(ms)) return '--';
  const d = new Date(ms);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${clockTime(ms)}`;
}

/** What a datetime-local field wants. */
export function fieldTime(ms: number): string {
  return fullTime(ms).replace(' ', 'T').slice(0, 16);
}

const units: Record<string, string> = { 'mm[Hg]': 'mmHg', Cel: '°C', '1': '', 'cm[H2O]': 'cmH₂O', Ohm: 'Ω', '[g]': 'g' };

/** A UCUM unit as clinicians write it. */
export function unit(ucum: string): string {
  return units[ucum] ?? ucum;
}

export function bytes(n: number): string {
  const steps = ['B', 'KiB', 'MiB', 'GiB'];
  let i = 0;
  while (n >= 1024 && i < steps.length - 1) {
    n /= 1024;
    i++;
  }
  return `${i === 0 ? n : n.toFixed(1)} ${steps[i]}`;
}

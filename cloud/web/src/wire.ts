// What the API sends, as docs/ARCHITECTURE.md describes it.

export type Role = 'nurse' | 'doctor' | 'technician' | 'admin';
export type Priority = 'high' | 'medium' | 'low';
export type Quality =
  | 'unknown' | 'good' | 'questionable' | 'invalid' | 'missing' | 'sensor-off'
  | 'calibrating' | 'ongoing' | 'overflow' | 'underflow' | 'demo';
export type Sign =
  | 'heart-rate' | 'ecg' | 'oxygen' | 'blood-pressure' | 'respiration-rate' | 'temperature' | 'blood-sugar' | 'sleep';

/** The eight vital signs in the order in which screens show them. */
export const signs: readonly Sign[] = [
  'heart-rate', 'ecg', 'oxygen', 'blood-pressure', 'respiration-rate', 'temperature', 'blood-sugar', 'sleep',
];

export interface Session {
  user: string;
  name: string;
  role: Role;
  units: string[];
  must_change_password: boolean;
  station?: boolean;
  demo?: boolean;
}

export interface Unit { id: string; name: string; beds: number }

export interface BedPatient { id: string; name: string; initials: string; born?: string | null; sex?: string; since?: string }

/** One bed of GET /units/{unit}/beds and of the event `beds`. */
export interface Bed { id: string; unit: string; label: string; box: string | null; patient: BedPatient | null }

export interface Value {
  device: string;
  channel: string;
  code: number;
  ref_id: string;
  label: string;
  sign: Sign | '';
  value: number | null;
  text: string;
  unit: string;
  places: number;
  quality: Quality;
  clock: string;
  at: string;
  received: string;
  stale_after_s: number;
}

export interface Alert {
  id: string;
  bed: string;
  unit: string;
  label: string;
  box: string;
  device: string;
  code: number;
  sign: Sign | '';
  rule: string;
  kind: 'physiological' | 'technical';
  priority: Priority;
  text: string;
  value: number | null;
  limit: number | null;
  value_unit?: string;
  night: boolean;
  state: 'active' | 'latched' | 'ended';
  started: string;
  ended: string | null;
  received: string;
  acknowledged_by: string | null;
  acknowledged_at: string | null;
  missed: boolean;
  /** A higher alarm of its family stands for it. */
  hidden?: boolean;
}

export interface Latest {
  bed: string;
  unit: string;
  label: string;
  box: string | null;
  box_online: boolean;
  box_last_contact: string | null;
  patient: { id: string; name: string; initials: string } | null;
  values: Value[];
  /** null: the alarms cannot be read now. */
  alerts: Alert[] | null;
}

export interface DeviceState {
  device: string;
  driver: string;
  status: string;
  since: string;
  problem?: string;
  port: string;
  model?: string;
  skipped_bytes: number;
  /** Its clock minus the box's; left out if it tells no time. */
  clock_offset_s?: number;
}

export interface Box {
  id: string;
  unit: string;
  serial: string;
  revoked: boolean;
  bed: string | null;
  label: string | null;
  online: boolean;
  last_contact: string | null;
  clock_offset_s: number | null;
  version: string;
  clock: string;
  devices: DeviceState[];
  queue: { entries: number; bytes: number; max_bytes: number; oldest?: string; dropped: number };
}

export interface Snapshot { server_time: string; unit: string; beds: Latest[] }
export interface ValuesEvent { bed: string; received: string; values: Value[] }
export interface WaveEvent {
  bed: string;
  device: string;
  channel?: string;
  code: number;
  at: string;
  rate_hz: number;
  scale: number;
  offset: number;
  quality: Quality;
  samples: (number | null)[];
}
export interface BoxEvent { bed: string; box: string; online: boolean; last_contact: string | null; devices: DeviceState[] }
export interface Tick { server_time: string; alerting: { ok: boolean; detail: string } }

export interface Gap { from: string; to: string; reason: string; detail: string }
export interface Bucket { t: number; min: number | null; max: number | null; mean: number | null; count: number; bad: number }
export type Point = [t: number, value: number | null, quality: Quality];
export interface Series {
  box?: string;
  device: string;
  channel: string;
  code: number;
  label: string;
  sign: Sign | '';
  unit: string;
  places: number;
  kind: string;
  points?: Point[];
  buckets?: Bucket[];
  texts?: { t: number; text: string }[];
  gaps: Gap[];
}
export interface History { bed: string | null; from: string; to: string; series: Series[]; gaps?: Gap[] }
export interface Patient { id: string; name: string; initials: string; born: string | null; sex: string; bed: string | null }

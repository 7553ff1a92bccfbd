// The voice of the screen. A browser lets it speak only after somebody has
// touched the page, and may take the voice away again: state tells.
import { audible, pauseSound, sounding, type Pause } from './alarms';
import { bursts, harmonics } from './bursts';
import type { Alert, Priority } from './wire';

export type SoundState = 'off' | 'suspended' | 'on';

export class Sounder {
  private context: AudioContext | null = null;
  private wave: PeriodicWave | null = null;
  private pause: Pause | null = null;
  private playing: Priority | null = null;
  private next = 0;
  private voices: OscillatorNode[] = [];

  state(): SoundState {
    if (!this.context) return 'off';
    return this.context.state === 'running' ? 'on' : 'suspended';
  }

  /** Starts the sound and lets one test tone be heard. Call it from a click or a key. */
  async enable(): Promise<void> {
    this.context ??= new AudioContext();
    await this.context.resume();
    this.wave ??= this.context.createPeriodicWave(new Float32Array(harmonics.length + 1), new Float32Array([0, ...harmonics]));
    this.pulse(this.context.currentTime + 0.05, 0.2, bursts.low.pitch);
  }

  /** Silences what sounds now for two minutes, time by the monotonic clock, ms. */
  pauseFor(alerts: readonly Alert[], time: number): void {
    this.pause = pauseSound(alerts, time);
    this.hush();
  }

  resume(): void {
    this.pause = null;
  }

  /** Seconds that are left of a pause, 0 if there is none. */
  pauseLeft(time: number): number {
    return this.pause ? Math.max(0, Math.ceil((this.pause.until - time) / 1000)) : 0;
  }

  /** Looks at the alarms and sounds the most urgent priority. Call it a few times a second. */
  step(alerts: readonly Alert[], time: number): void {
    const now = sounding(alerts, this.pause, time);
    this.pause = now.pause;
    if (now.priority !== this.playing) {
      this.hush();
      this.playing = now.priority;
      this.next = time;
    }
    if (now.priority === null || time < this.next || this.state() !== 'on') return;
    const burst = bursts[now.priority];
    this.next = time + burst.every * 1000;
    const begin = this.context!.currentTime + 0.03;
    for (const start of burst.starts) this.pulse(begin + start, burst.length, burst.pitch);
  }

  /** Whether something would sound if it could. */
  wanted(alerts: readonly Alert[]): boolean {
    return alerts.some(audible);
  }

  private pulse(at: number, length: number, pitch: number): void {
    const voice = new OscillatorNode(this.context!, { frequency: pitch });
    voice.setPeriodicWave(this.wave!);
    const level = new GainNode(this.context!, { gain: 0 });
    const edge = 0.02; // no click at begin and end
    level.gain.setValueAtTime(0, at);
    level.gain.linearRampToValueAtTime(0.6, at + edge);
    level.gain.setValueAtTime(0.6, at + length - edge);
    level.gain.linearRampToValueAtTime(0, at + length);
    voice.connect(level).connect(this.context!.destination);
    voice.onended = () => {
      level.disconnect();
      this.voices = this.voices.filter((v) => v !== voice);
    };
    this.voices.push(voice);
    voice.start(at);
    voice.stop(at + length);
  }

  private hush(): void {
    for (const v of this.voices) v.stop();
  }
}

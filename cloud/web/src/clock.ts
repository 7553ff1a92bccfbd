// The server's clock, kept without trusting the computer's own.

/** How long the stream may say nothing before the screen is not live, ms. */
export const silenceLimit = 3000;

/**
 * A ServerClock knows the server's time from what the server says, and goes on
 * by a monotonic clock. A message that waited on its way makes the server seem
 * behind, and values younger than they are: of the last messages the one that
 * came fastest counts.
 */
export class ServerClock {
  private offsets: number[] = [];
  private offset = Number.NaN;

  constructor(private readonly monotonic: () => number = () => performance.now()) {}

  /** Takes the server's time of a message that came just now. */
  hear(serverTime: string): void {
    const at = Date.parse(serverTime);
    if (Number.isNaN(at)) return;
    this.offsets.push(at - this.monotonic());
    if (this.offsets.length > 30) this.offsets.shift();
    this.offset = Math.max(...this.offsets);
  }

  /** Forgets what was heard: after a break the server may be another one. */
  reset(): void {
    this.offsets = [];
  }

  /** True once the server has told its time. */
  get known(): boolean {
    return !Number.isNaN(this.offset);
  }

  /** The server's time now, ms since 1970; NaN before it is known. */
  now(): number {
    return this.monotonic() + this.offset;
  }
}

/**
 * A Pulse tells whether the stream lives. It looks at two clocks: the monotonic
 * one stands still while some computers sleep, the other one may be set.
 */
export class Pulse {
  private heard = Number.NEGATIVE_INFINITY;
  private heardByWall = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly monotonic: () => number = () => performance.now(),
    private readonly wall: () => number = () => Date.now(),
  ) {}

  beat(): void {
    this.heard = this.monotonic();
    this.heardByWall = this.wall();
  }

  stop(): void {
    this.heard = this.heardByWall = Number.NEGATIVE_INFINITY;
  }

  alive(): boolean {
    return this.monotonic() - this.heard <= silenceLimit && this.wall() - this.heardByWall <= silenceLimit;
  }
}

// Which bed is shown large: each in turn.

/** How long each is shown, ms. */
export const turn = 5000;
/** How long a bed that was chosen stays, and how long a pause lasts at most, ms. */
export const hold = 60_000;

/**
 * A Rotation takes the beds in turn. It may be held, which always ends by
 * itself: a screen that somebody paused and left must go on.
 */
export class Rotation {
  private order: readonly string[] = [];
  current = '';
  /** When the next one comes. */
  private due = 0;
  held = false;

  /** The beds in the order in which they come. The current one stays if it can. */
  setOrder(order: readonly string[], time: number): void {
    const at = this.order.indexOf(this.current);
    this.order = order;
    if (!order.includes(this.current) && !(this.held && time < this.due)) {
      this.current = order[Math.min(Math.max(at, 0), order.length - 1)] ?? '';
      this.due = time + turn;
    }
  }

  /** Moves on if it is time; true if another bed is current now. */
  step(time: number): boolean {
    if (this.order.length === 0 || time < this.due) return false;
    this.held = false;
    return this.go(1, time);
  }

  private go(by: number, time: number): boolean {
    const before = this.current;
    const n = this.order.length;
    if (n === 0) return false;
    this.current = this.order[(this.order.indexOf(before) + by + n) % n]!;
    this.due = time + turn;
    return this.current !== before;
  }

  /** Shows the bed before or after, and holds it. */
  move(by: 1 | -1, time: number): void {
    this.go(by, time);
    this.hold(time);
  }

  /** Shows a bed and holds it, also one that does not take turns. */
  select(bed: string, time: number): void {
    this.current = bed;
    this.hold(time);
  }

  /** Shows a bed at once, without holding it longer than its turn. */
  jump(bed: string, time: number): void {
    this.current = bed;
    this.held = false;
    this.due = time + turn;
  }

  hold(time: number): void {
    this.held = true;
    this.due = time + hold;
  }

  resume(time: number): void {
    this.held = false;
    this.due = time + turn;
  }

  /** Seconds until the next bed, rounded up. */
  left(time: number): number {
    return Math.max(0, Math.ceil((this.due - time) / 1000));
  }
}

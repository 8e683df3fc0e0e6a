/**
 * Full jitter: each wait is random, up to a ceiling that doubles, so that clients that lost the same node do not return
 * together. After a connection that held, the ceiling is reset.
 */
export class Backoff {
  #failures = 0

  constructor(
    private readonly first: number,
    private readonly most: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** The next wait, in ms. */
  next(): number {
    const ceiling = Math.min(this.most, this.first * 2 ** this.#failures)
    if (ceiling < this.most) this.#failures++
    return this.random() * ceiling
  }

  reset(): void {
    this.#failures = 0
  }
}

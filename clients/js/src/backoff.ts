/**
 * Full jitter: each wait is a random part of a ceiling that doubles, so that those who lost the same node do not come
 * back together. After a connection that held, the ceiling begins anew.
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

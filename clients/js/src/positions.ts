/**
 * The newest position that a subscription has in each partition of the server's bus. The text of a position is
 * `epoch-partition-offset`, where `x` is the offset before the first message; several are separated by commas.
 */
export class Positions {
  #epoch = ''
  #newest = new Map<string, number>()

  constructor(text?: string | null) {
    this.merge(text)
  }

  /** Keeps the newer of what it has and `text`, per partition. With another epoch the bus began anew: the old positions mean nothing. */
  merge(text?: string | null): void {
    for (const one of text?.split(',') ?? []) {
      const [, epoch, partition, offset] = /^(\w+)-(\d+)-(\d+|x)$/.exec(one) ?? []
      if (!epoch) continue
      if (epoch !== this.#epoch) {
        this.#newest.clear()
        this.#epoch = epoch
      }
      const number = offset === 'x' ? -1 : Number(offset)
      if (number >= (this.#newest.get(partition) ?? -1)) this.#newest.set(partition, number)
    }
  }

  /** Forgets everything, and begins with `text`. */
  reset(text?: string | null): void {
    this.#newest.clear()
    this.merge(text)
  }

  get known(): boolean {
    return this.#newest.size > 0
  }

  toString(): string {
    return [...this.#newest].map(([partition, offset]) => `${this.#epoch}-${partition}-${offset < 0 ? 'x' : offset}`).join(',')
  }
}

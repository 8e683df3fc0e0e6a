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

  /** Keeps the newer position of each partition. Another epoch means that the bus was replaced: the old positions are void. */
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

  /** Replaces everything with `text`. */
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

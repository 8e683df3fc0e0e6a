/**
 * Positions that survive a reload of the page. Each is used once: a later subscription to the same destination begins anew.
 * Without a usable sessionStorage there are none.
 *
 * @internal
 */
export class Saved {
  #name: string
  #positions: Record<string, string> = {}

  constructor(key: string | undefined) {
    this.#name = key ? `stentor:${key}` : ''
    this.#use((storage) => {
      const text = storage.getItem(this.#name)
      storage.removeItem(this.#name)
      const all = JSON.parse(text ?? '{}')
      if (all && typeof all === 'object') this.#positions = all
    })
  }

  take(destination: string): string | undefined {
    const position = this.#positions[destination]
    delete this.#positions[destination]
    return typeof position === 'string' ? position : undefined
  }

  /** Saves the positions of these subscriptions, and those that were not used yet. */
  write(subscriptions: Iterable<{ destination: string; position: string }>): void {
    const all = { ...this.#positions }
    for (const { destination, position } of subscriptions) if (position) all[destination] = position
    this.#use((storage) => storage.setItem(this.#name, JSON.stringify(all)))
  }

  #use(act: (storage: Storage) => void): void {
    if (!this.#name) return
    try {
      act(sessionStorage)
    } catch {
      // blocked, full, or not a browser
    }
  }
}

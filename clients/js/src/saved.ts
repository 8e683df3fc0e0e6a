/**
 * Positions that outlive a reload of the page. Each is taken once: who subscribes again later begins anew. Where there is no
 * sessionStorage, or none may be used, there is nothing.
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

  /** Writes where these stand, and what nobody has taken yet. */
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

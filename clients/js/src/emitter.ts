import { StentorError } from './errors.js'

/** The state and the listeners of a client. @internal */
export class Emitter<State extends { name: string }> {
  state: State
  #listeners = { state: new Set<(s: State) => void>(), error: new Set<(e: StentorError) => void>() }

  constructor(first: State) {
    this.state = first
  }

  on(event: 'state' | 'error', listener: (value: never) => void): () => void {
    const all = this.#listeners[event] as Set<(value: never) => void>
    all.add(listener)
    return () => void all.delete(listener)
  }

  /** Nothing comes after `closed`. */
  set(state: State): void {
    if (this.state.name === 'closed') return
    this.state = state
    for (const listener of [...this.#listeners.state]) this.guard(() => listener(state))
  }

  /** Runs a callback of the application, and reports what it throws or rejects with. */
  guard(act: () => unknown): void {
    const failed = (e: unknown) => this.report(new StentorError('handler', `a callback failed: ${e}`, undefined, e))
    try {
      const result = act()
      if (result instanceof Promise) result.catch(failed)
    } catch (e) {
      failed(e)
    }
  }

  report(error: StentorError): void {
    if (!this.#listeners.error.size) console.error(error)
    for (const listener of [...this.#listeners.error]) {
      try {
        listener(error)
      } catch (e) {
        console.error(e)
      }
    }
  }
}

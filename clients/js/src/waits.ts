/** A wait that can be cut short. @internal */
export class Wait {
  #timer?: ReturnType<typeof setTimeout>
  #done?: () => void

  /** Resolves after `ms`, which may be Infinity, or when it is ended. */
  start(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#done = resolve
      this.shorten(ms)
    })
  }

  /** Makes the current wait end `ms` from now. */
  shorten(ms: number): void {
    if (!this.#done) return
    clearTimeout(this.#timer)
    if (ms <= 0) this.end()
    else if (ms < Infinity) this.#timer = setTimeout(() => this.end(), ms)
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#done?.()
    this.#done = undefined
  }
}

/** The result of `start`. Rejects if that takes longer than `ms`, or `signal` aborts. @internal */
export async function within<T>(ms: number, signal: AbortSignal, start: () => T | Promise<T>): Promise<T> {
  let abort!: () => void
  let timer: ReturnType<typeof setTimeout> | undefined
  const over = new Promise<never>((_, reject) => {
    abort = () => reject(new Error('closed'))
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
  })
  try {
    return await Promise.race([over, (async () => start())()])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

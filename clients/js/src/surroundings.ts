/** What the surroundings of a client say. @internal */
export interface Signs {
  /** The network is back. */
  online(): void
  offline(): void
  /** The page may have slept: what it has heard is old. */
  woke(): void
  /** The page goes away, maybe into the back-forward cache. */
  hide(): void
  show(): void
}

const beat = 5_000
const slept = 20_000

/** Listens until the function that it returns is called. @internal */
export function watch(signs: Signs): () => void {
  let last = Date.now()
  const look = () => {
    const now = Date.now()
    if (now - last > slept) signs.woke()
    last = now
  }
  const timer = setInterval(look, beat)
  const page = globalThis as unknown as EventTarget & { document?: Document }
  const listeners: [EventTarget | undefined, string, () => void][] = [
    [page, 'online', () => signs.online()],
    [page, 'offline', () => signs.offline()],
    [page, 'pagehide', () => signs.hide()],
    [page, 'pageshow', () => signs.show()],
    [page.document, 'resume', look],
    [page.document, 'visibilitychange', look],
  ]
  const each = (verb: 'addEventListener' | 'removeEventListener') => {
    for (const [target, name, act] of listeners) target?.[verb]?.(name, act)
  }
  each('addEventListener')
  return () => {
    clearInterval(timer)
    each('removeEventListener')
  }
}

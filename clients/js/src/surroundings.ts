/** Events of the environment of a client. @internal */
export interface Signs {
  /** The network is back. */
  online(): void
  offline(): void
  /** The page may have slept: what it knows of its connection may be stale. */
  woke(): void
  /** The page is being left, maybe for the back-forward cache. */
  hide(): void
  show(): void
}

const beat = 5_000
const slept = 20_000

/** Listens until the returned function is called. @internal */
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

// What the pages show.
import { readFileSync } from 'node:fs'

export const here = new URL('..', import.meta.url).pathname
export const readme = `${here}README.md`

/** Where the packed library is. */
export const home = `${here}node_modules/.packed`

/** The blocks of a page in one language. */
export const blocks = (page, language) => [...readFileSync(page, 'utf8').matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter((m) => m[1] === language).map((m) => m[2])

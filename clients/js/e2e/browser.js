// Debian's Chromium, and a server for what pages load.
import { build } from 'esbuild'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { chromium } from 'playwright-core'

/** A context of its own for pages, patient with a busy machine. */
export async function context(chrome) {
  const made = await chrome.newContext()
  made.setDefaultTimeout(120_000)
  return made
}

export const browser = () =>
  chromium.launch({
    timeout: 120_000,
    executablePath: ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync),
    ignoreDefaultArgs: ['--disable-back-forward-cache'], // Playwright's own
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
  })

const here = new URL('..', import.meta.url).pathname

const { text: stomp } = (await build({ entryPoints: [`${here}node_modules/@stomp/stompjs/esm6/index.js`], bundle: true, format: 'esm', write: false })).outputFiles[0]

/** Serves the files of the examples and of dist, but for those that are missing. */
export async function files(t, missing = new Set()) {
  const types = { html: 'text/html', js: 'text/javascript' }
  const server = createServer((request, answer) => {
    const name = new URL(request.url, 'http://x').pathname.slice(1)
    // stompjs as one module, for pages without a bundler
    if (name === 'stomp.js') return void answer.writeHead(200, { 'content-type': types.js }).end(stomp)
    const file = [`${here}examples/${name}`, `${here}dist/${name}`, `${here}e2e/${name}`].find((f) => /^[\w.]+\.(html|js)$/.test(name) && !missing.has(name) && existsSync(f))
    answer.writeHead(file ? 200 : 404, { 'content-type': types[name.split('.').at(-1)] ?? 'text/plain' })
    answer.end(file && readFileSync(file))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${server.address().port}`
}


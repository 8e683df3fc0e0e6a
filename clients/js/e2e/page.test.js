// The page of the examples in Chromium: publishes, loses its connection, reloads.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import test from 'node:test'
import { chromium } from 'playwright-core'
import { Node, Way, until } from './node.js'

export const browser = () =>
  chromium.launch({
    executablePath: ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync),
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
  })

const here = new URL('..', import.meta.url).pathname

/** Serves the files of the examples and of dist. */
export async function files(t) {
  const types = { html: 'text/html', js: 'text/javascript' }
  const server = createServer((request, answer) => {
    const name = new URL(request.url, 'http://x').pathname.slice(1)
    const file = [`${here}examples/${name}`, `${here}dist/${name}`, `${here}e2e/${name}`].find((f) => /^[\w.]+\.(html|js)$/.test(name) && existsSync(f))
    answer.writeHead(file ? 200 : 404, { 'content-type': types[name.split('.').at(-1)] ?? 'text/plain' })
    answer.end(file && readFileSync(file))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${server.address().port}`
}

test('a page that loses its connection, and is loaded again', async (t) => {
  const node = await Node.start()
  t.after(() => node.end())
  const way = await Way.open(node)
  t.after(() => way.close())
  const chrome = await browser()
  t.after(() => chrome.close())
  const page = await chrome.newPage()
  const trouble = []
  page.on('pageerror', (e) => trouble.push(String(e)))
  await page.goto(`${await files(t)}/page.html?url=${way.url}&project=shop&destination=/topic/shop/sent/chat`)
  const texts = () => page.locator('#messages li').allTextContents()
  const shows = (...want) => until(`it shows ${want}`, async () => String(await texts()) === String(want))
  const connected = () => until('it is connected', async () => (await node.sessions()).some((s) => s.subscriptions?.length))

  await connected()
  await page.getByLabel('Message').fill('one')
  await page.getByRole('button').click()
  await shows('one')
  way.refusing = true
  way.cut()
  await until('it is away', async () => (await node.sessions()).length === 0)
  await node.push({ topic: '/topic/shop/sent/chat', payload: 'two' })
  way.refusing = false
  await shows('one', 'two')

  // What comes while the page is loaded again is there afterwards.
  way.refusing = true
  await page.reload()
  await node.push({ topic: '/topic/shop/sent/chat', payload: 'three' })
  way.refusing = false
  await shows('three')
  assert.deepEqual(trouble, [])
})

// The page of the examples in Chromium: publishes, loses its connection, reloads.
import assert from 'node:assert/strict'
import test from 'node:test'
import { browser, context, files } from './browser.js'
import { Node, Way, until } from './node.js'

test('a page that loses its connection, and is loaded again', async (t) => {
  const node = await Node.start()
  t.after(() => node.end())
  const way = await Way.open(node)
  t.after(() => way.close())
  const chrome = await browser()
  t.after(() => chrome.close())
  const page = await (await context(chrome)).newPage()
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

// Tabs of a real browser over one connection.
import assert from 'node:assert/strict'
import test from 'node:test'
import { browser, context, files } from './browser.js'
import { Node, Way, token, until } from './node.js'

async function setting(t, missing) {
  const node = await Node.start()
  t.after(() => node.end())
  const way = await Way.open(node)
  t.after(() => way.close())
  const chrome = await browser()
  t.after(() => chrome.close())
  const tabs = await context(chrome)
  const at = await files(t, missing)
  const tab = async (user) => {
    const page = await tabs.newPage()
    page.on('pageerror', (e) => assert.fail(String(e)))
    page.on('console', (m) => m.type() === 'error' && t.diagnostic(m.text()))
    await page.goto(`${at}/tab.html?user=${user}&token=${token(user)}&url=${way.url}`)
    if (!missing) await until(`a tab of ${user} is subscribed`, () => page.evaluate(() => window.all?.active))
    return page
  }
  return { node, way, tab, chrome }
}

const seen = (page) => page.evaluate(() => window.seen)
const shows = (page, ...want) => until(`it has ${want}`, async () => String((await seen(page)).messages) === String(want))
const all = (node, payload) => node.push({ topic: '/topic/shop/sent/all', payload })

test('tabs of a user share a connection, and it outlives the one that opened it', async (t) => {
  const { node, way, tab } = await setting(t)
  const a = await tab('ann')
  const b = await tab('ann')
  await until('there is one session', async () => (await node.sessions()).length === 1)
  await all(node, '1')
  await shows(a, '1')
  await shows(b, '1')
  await a.evaluate(() => push.publish('/topic/shop/sent/all', '2'))
  await shows(b, '1', '2')
  assert.equal((await node.sessions())[0].subscriptions.length, 1)

  await a.close()
  await all(node, '3')
  await shows(b, '1', '2', '3')
  way.refusing = true
  way.cut()
  await until('it is away', async () => (await node.sessions()).length === 0)
  await all(node, '4')
  way.refusing = false
  await shows(b, '1', '2', '3', '4') // the token came of the tab that is left
  assert.deepEqual([(await seen(b)).gaps, (await seen(b)).errors], [[], []])
  await b.close()
  await until('the connection ends with the last tab', async () => (await node.sessions()).length === 0)
})

test('another user has another connection, and nothing of the first', async (t) => {
  const { node, tab } = await setting(t)
  const ann = await tab('ann')
  const bob = await tab('bob')
  for (const page of [ann, bob]) await page.evaluate(() => void (window.own = follow('/user/queue/own')))
  for (const page of [ann, bob]) await until('it is subscribed', () => page.evaluate(() => own.active))
  await until('there are two sessions', async () => (await node.sessions()).length === 2)
  await node.push({ user: 'ann', destination: '/queue/own', payload: 'for ann' })
  await shows(ann, 'for ann')
  await all(node, 'end')
  await shows(bob, 'end')
})

test('forbidden reaches the tab that asked, and the others go on', async (t) => {
  const { node, tab } = await setting(t)
  const a = await tab('ann')
  const b = await tab('ann')
  await a.evaluate(() => void (window.bad = follow('/topic/other/x')))
  await until('it is refused', () => a.evaluate(() => bad.ended))
  for (const page of [a, b]) await until('it is back', () => page.evaluate(() => window.all.active))
  assert.deepEqual([(await seen(a)).errors, (await seen(b)).errors], [['forbidden'], []])
  await all(node, '1')
  await shows(b, '1')
})

test('a page that was left and shows again resumes where it stood', async (t) => {
  const { node, tab } = await setting(t)
  const a = await tab('ann')
  await tab('ann')
  await all(node, '1')
  await shows(a, '1')
  await a.evaluate(() => dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })))
  await all(node, '2')
  await a.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })))
  await shows(a, '1', '2')
  assert.deepEqual((await seen(a)).gaps, [])
})

test('a worker that dies is replaced, and nothing is lost', async (t) => {
  const { node, tab, chrome } = await setting(t)
  const tabs = [await tab('ann'), await tab('ann')]
  await all(node, '1')
  for (const page of tabs) await shows(page, '1')
  const cdp = await chrome.newBrowserCDPSession()
  const { targetInfos } = await cdp.send('Target.getTargets', { filter: [{}] })
  const worker = targetInfos.find((i) => i.type === 'shared_worker')
  const [of] = await node.sessions()
  await cdp.send('Target.closeTarget', { targetId: worker.targetId })
  // The next worker may have connected before anybody sees that the first one's session is gone.
  await until('its session is gone', async () => !(await node.sessions()).some((s) => s.id === of.id))
  await all(node, '2')
  for (const page of tabs) await shows(page, '1', '2')
  await until('there is one session', async () => (await node.sessions()).length === 1)
})

test('a worker whose script is not there is asked for again', async (t) => {
  const missing = new Set(['worker.js'])
  const { node, tab } = await setting(t, missing)
  const page = await tab('ann')
  await until('it says so', async () => (await seen(page)).errors.includes('connection'))
  assert.equal(await page.evaluate(() => push.publish('/topic/shop/sent/all', 'x').catch((e) => e.code)), 'connection')
  missing.clear()
  await until('it is subscribed', () => page.evaluate(() => window.all.active))
  await all(node, '1')
  await shows(page, '1')
  await page.evaluate(() => push.close())
  await until('the connection ends', async () => (await node.sessions()).length === 0)
})

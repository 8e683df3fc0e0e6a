// The back-forward cache of a real browser: a page that was left, and is shown again as it was, has what came meanwhile.
import assert from 'node:assert/strict'
import test from 'node:test'
import { browser, context, files } from './browser.js'
import { Node, token, until } from './node.js'

// Playwright loses track of a page that comes out of the cache: this speaks Chromium's own protocol.
async function open(chrome, url) {
  const page = await (await context(chrome)).newPage()
  const cdp = await page.context().newCDPSession(page)
  const value = async (expression) => {
    const { result, exceptionDetails } = await cdp.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }
  const at = (url) => until(`it is at ${url}`, () => value('document.readyState === "complete" && location.href').then((href) => href === url, () => false))
  const go = async (url) => {
    await cdp.send('Page.navigate', { url })
    await at(url)
  }
  await go(url)
  const back = async () => {
    await value('void history.back()')
    await at(url)
  }
  return { value, go, back, close: () => page.context().close() }
}

test('a page of the back-forward cache', async (t) => {
  const node = await Node.start()
  t.after(() => node.end())
  const chrome = await browser()
  t.after(() => chrome.close())
  const at = await files(t)
  const push = (payload) => node.push({ topic: '/topic/shop/sent/all', payload })
  const sessions = async (n) => (await node.sessions()).length === n

  const pages = {
    'with a connection of its own': [`page.html?url=${node.clients}&project=shop&destination=/topic/shop/sent/all`, `[...document.querySelectorAll('#messages li')].map((e) => e.textContent)`],
    'with a shared one': [`tab.html?user=ann&token=${token('ann')}&url=${node.clients}`, 'seen.messages'],
  }
  for (const [name, [path, texts]] of Object.entries(pages)) {
    await t.test(name, async (t) => {
      const page = await open(chrome, `${at}/${path}`)
      const shows = (...want) => until(`it shows ${want}`, async () => String(await page.value(texts)) === String(want))
      await until('it is subscribed', async () => (await node.sessions()).some((s) => s.subscriptions?.length))
      await page.value(`
        window.trouble = []
        for (const name of ['error', 'unhandledrejection']) addEventListener(name, (e) => trouble.push(String(e.message ?? e.reason)))
        addEventListener('pageshow', (e) => { window.shown = { persisted: e.persisted, at: performance.now() } })
        push.on('state', (s) => { if (s.name === 'connected') window.back ??= performance.now() })
        void 0`)
      const want = ['one']
      await push('one')
      await shows('one')
      for (const body of ['two', 'three']) {
        await page.value('window.back = undefined')
        await page.go(`${at}/empty.html`)
        await until('it has no connection', () => sessions(0))
        await push(body)
        await page.back()
        await shows(...want, body)
        want.push(body)
        const { shown, back } = await page.value('({ shown, back })')
        assert.equal(shown.persisted, true) // it was not loaded again
        t.diagnostic(`connected ${Math.round(back - shown.at)} ms after it was shown`)
      }
      assert.deepEqual(await page.value('trouble'), [])
      await page.close()
      await until('its session is gone', () => sessions(0))
    })
  }
})

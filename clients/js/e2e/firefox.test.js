// The library in Firefox: by itself, over a loss and a reload, and shared by tabs.
import assert from 'node:assert/strict'
import test from 'node:test'
import { files } from './browser.js'
import { firefox } from './firefox.js'
import { Node, Way, config, token, until } from './node.js'

async function setting(t) {
  const node = await Node.start(config({ endpoint: ', compression: true' }))
  t.after(() => node.end())
  const way = await Way.open(node)
  t.after(() => way.close())
  const { tab } = await firefox(t)
  return { node, way, tab, at: await files(t) }
}

const push = (node, payload) => node.push({ topic: '/topic/shop/sent/all', payload })

test('Firefox: a page, and tabs that share a connection', async (t) => {
  const { node, way, tab, at } = await setting(t)
  await t.test('a page that loses its connection, and is loaded again', async () => {
    const page = await tab(`${at}/page.html?url=${way.url}&project=shop&destination=/topic/shop/sent/all`)
    const shows = (...want) => until(`it shows ${want}`, async () => String(await page.value(`[...document.querySelectorAll('#messages li')].map((e) => e.textContent)`)) === String(want))
    await until('it is subscribed', async () => (await node.sessions()).some((s) => s.subscriptions?.length))
    await page.value(`push.publish('/topic/shop/sent/all', 'one')`)
    await shows('one')
    way.refusing = true
    way.cut()
    await until('it is away', async () => !(await node.sessions()).length)
    await push(node, 'two')
    way.refusing = false
    await shows('one', 'two')
    const long = 'long '.repeat(1000)
    await push(node, long)
    await shows('one', 'two', long)
    assert.deepEqual((await node.sessions()).map((s) => s.transport), ['websocket+deflate'])
    way.refusing = true
    await page.reload()
    await push(node, 'three')
    way.refusing = false
    await shows('three')
    await page.close()
    await until('its session is gone', async () => !(await node.sessions()).length)
  })

  await t.test('tabs that share a connection', async () => {
    const address = `${at}/tab.html?user=ann&token=${token('ann')}&url=${way.url}`
    const tabs = [await tab(address), await tab(address)]
    for (const page of tabs) await until('it is subscribed', () => page.value(`!!window.all?.active`))
    await until('there is one session', async () => (await node.sessions()).length === 1)
    const shows = (page, ...want) => until(`it has ${want}`, async () => String(await page.value('seen.messages')) === String(want))
    await push(node, '1')
    for (const page of tabs) await shows(page, '1')
    await tabs[0].close()
    way.cut()
    await push(node, '2')
    await shows(tabs[1], '1', '2')
    assert.deepEqual(await tabs[1].value('[seen.gaps, seen.errors]'), [[], []])
  })
})

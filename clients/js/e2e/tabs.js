// Tabs of a browser that are opened and closed at random, over one connection, which loses its worker now and then.
import assert from 'node:assert/strict'
import { browser, context, files } from './browser.js'
import { token, until } from './node.js'
import { pause } from './random.js'

const most = 4

/** What the page of a tab does. */
function follow() {
  window.got = { shared: [], own: [], gaps: [] }
  window.ready = {}
  for (const [name, destination] of [['shared', '/topic/shop/all'], ['own', '/user/queue/own']]) {
    push.subscribe(destination, (m) => void got[name].push(Number(m.body)), {
      onReady: () => (ready[name] = true),
      onGap: (g) => ready[name] && got.gaps.push(g.reason),
    })
  }
}

/** Everything from the first one on, which is not after `from`. */
function whole({ got, from }, what) {
  assert.deepEqual(got.gaps, [], `${what}: gaps`)
  for (const list of [got.shared, got.own]) {
    const first = list[0] ?? from
    assert.ok(first <= from, `${what}: begins at ${first}, and was there at ${from}`)
    assert.deepEqual(list, list.map((_, i) => first + i), what)
  }
}

export class Tabs {
  opened = 0
  deaths = 0
  #open = new Set()
  #over = false

  /** `pushed` says which number comes next. */
  static async start(t, { user, urls, chance, pushed }) {
    const tabs = new Tabs()
    tabs.chrome = await browser()
    t.after(() => tabs.chrome.close())
    tabs.context = await context(tabs.chrome)
    const query = new URLSearchParams([['user', user], ['token', token(user)], ...urls.map((url) => ['url', url])])
    Object.assign(tabs, { address: `${await files(t)}/tab.html?${query}`, chance, pushed })
    await tabs.#add()
    tabs.#life = tabs.#live()
    tabs.#life.catch(() => {}) // who ends it hears of it
    return tabs
  }

  #life

  async #add() {
    const page = await this.context.newPage()
    const tab = { page, trouble: [] }
    page.on('pageerror', (e) => tab.trouble.push(String(e)))
    await page.goto(this.address)
    await page.evaluate(follow)
    await until('a tab is ready', () => page.evaluate(() => ready.shared && ready.own))
    tab.from = this.pushed()
    this.opened++
    this.#open.add(tab)
  }

  async #check(tab) {
    whole({ got: await tab.page.evaluate(() => got), from: tab.from }, 'a tab')
    assert.deepEqual([tab.trouble, await tab.page.evaluate(() => seen.errors)], [[], []])
  }

  async #kill() {
    const cdp = await this.chrome.newBrowserCDPSession()
    const { targetInfos } = await cdp.send('Target.getTargets', { filter: [{}] })
    const worker = targetInfos.find((i) => i.type === 'shared_worker')
    if (worker) await cdp.send('Target.closeTarget', { targetId: worker.targetId })
    await cdp.detach()
    this.deaths++
  }

  async #live() {
    while (!this.#over) {
      await pause(this.chance() * 300)
      const dice = this.chance()
      if (dice < 0.1) await this.#kill()
      else if (dice < 0.25) {
        const [tab] = this.#open
        await tab.page.evaluate(() => void dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })))
        await pause(this.chance() * 100)
        await tab.page.evaluate(() => void dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })))
      } else if (this.#open.size < 2 || (dice < 0.7 && this.#open.size < most)) await this.#add()
      else {
        const tab = [...this.#open][Math.floor(this.chance() * this.#open.size)]
        this.#open.delete(tab)
        await this.#check(tab)
        await tab.page.close()
      }
    }
  }

  /** Ends the changes, and waits until those that are left have all up to `rounds`. Returns how many messages they have. */
  async end(rounds) {
    this.#over = true
    await this.#life
    let messages = 0
    for (const tab of this.#open) {
      const last = () => tab.page.evaluate(() => [got.shared.at(-1), got.own.at(-1)])
      if (tab.from < rounds) await until('a tab has all', async () => (await last()).every((n) => n === rounds - 1)).catch(() => {}) // the comparison says what is missing
      await this.#check(tab)
      const { shared, own } = await tab.page.evaluate(() => got)
      if (tab.from < rounds) assert.deepEqual([shared.at(-1), own.at(-1)], [rounds - 1, rounds - 1], 'a tab')
      messages += shared.length + own.length
    }
    return messages
  }
}

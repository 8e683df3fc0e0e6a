// The recipes of the README for React and Vue as they stand, in a browser: components come and go, and change what they follow.
import assert from 'node:assert/strict'
import { build } from 'esbuild'
import test from 'node:test'
import { browser, context } from './browser.js'
import { blocks, home, readme } from './docs.js'
import { Node, token, until } from './node.js'

// Each shows its messages, and does what the buttons of a page would: change(destination), end().
const applications = {
  react: `
    import { StrictMode, useState } from 'react'
    import { createRoot } from 'react-dom/client'
    import { PushProvider, useSubscription } from 'recipe'
    function List({ destination }) {
      const [messages, setMessages] = useState([])
      useSubscription(destination, (m) => setMessages((all) => [...all, m.body]))
      return <p>{messages.join()}</p>
    }
    const fetchToken = async () => window.token
    function Application() {
      const [destination, setDestination] = useState('/topic/shop/a')
      window.change = setDestination
      return <PushProvider token={fetchToken}><List destination={destination} /></PushProvider>
    }
    const root = createRoot(document.body)
    root.render(<StrictMode><Application /></StrictMode>)
    window.end = () => root.unmount()`,
  vue: `
    import { createApp, h, ref } from 'vue'
    import { provideClient, useSubscription } from 'recipe'
    const List = {
      props: ['destination'],
      setup(props) {
        const messages = ref([])
        useSubscription(props.destination, (m) => messages.value.push(m.body))
        return () => h('p', messages.value.join())
      },
    }
    const destination = ref('/topic/shop/a')
    const application = createApp({
      setup() {
        provideClient({ urls: window.url, project: 'shop', token: async () => window.token })
        return () => h(List, { destination: destination.value, key: destination.value })
      },
    })
    application.mount(document.body)
    window.change = (d) => (destination.value = d)
    window.end = () => application.unmount()`,
}

const recipes = { react: blocks(readme, 'js').find((text) => text.includes("from 'react'")), vue: blocks(readme, 'js').find((text) => text.includes("from 'vue'")) }

/** A module that is only here. */
const module = (name, contents) => ({
  name,
  setup(b) {
    b.onResolve({ filter: new RegExp(`^${name}$`) }, (found) => ({ path: found.path, namespace: name }))
    b.onLoad({ filter: /.*/, namespace: name }, () => ({ contents, resolveDir: home, loader: 'jsx' }))
  },
})

test('recipes', async (t) => {
  const node = await Node.start()
  t.after(() => node.end())
  const chrome = await browser()
  t.after(() => chrome.close())
  for (const [name, application] of Object.entries(applications)) {
    await t.test(name, async () => {
      const { outputFiles } = await build({
        stdin: { contents: application, resolveDir: home, loader: 'jsx' },
        plugins: [module('recipe', recipes[name].replace("'wss://push.example.com/ws'", 'window.url'))],
        jsx: 'automatic',
        bundle: true,
        write: false,
        format: 'iife',
        define: { 'process.env.NODE_ENV': '"development"', __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' },
      })
      const page = await (await context(chrome)).newPage()
      const trouble = []
      page.on('pageerror', (e) => trouble.push(String(e)))
      page.on('console', (m) => ['error', 'warning'].includes(m.type()) && trouble.push(m.text()))
      await page.evaluate((given) => Object.assign(window, given), { url: node.clients, token: token('ann') })
      await page.addScriptTag({ content: outputFiles[0].text })
      const follows = (...want) =>
        until(`it follows ${want}`, async () => {
          const sessions = await node.sessions()
          return String(sessions.flatMap((s) => s.subscriptions.map((s) => s.destination))) === String(want) && sessions.length === (want.length ? 1 : 0)
        })
      const shows = async (text) => {
        let shown
        await until(
          () => `it shows ${text}, not ${shown}`,
          async () => (shown = await page.locator('p').textContent()) === text,
        )
      }
      await follows('/topic/shop/a')
      // The node has accepted a push before its loops have it: one that is shown says that those before are through as well, and
      // nobody gets them who subscribes now.
      await node.push({ topic: 'b', payload: 'no' })
      await node.push({ topic: 'a', payload: '1' })
      await shows('1')
      await page.evaluate(() => void change('/topic/shop/b'))
      await follows('/topic/shop/b')
      await node.push({ topic: 'a', payload: 'no' })
      await node.push({ topic: 'b', payload: '2' })
      await shows(name === 'react' ? '1,2' : '2') // React keeps the component
      await page.evaluate(() => end())
      await follows()
      assert.deepEqual(trouble, [])
      await page.close()
    })
  }
})

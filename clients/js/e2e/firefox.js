// Debian's Firefox, which the tests speak WebDriver BiDi with: the browser itself listens for it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { WebSocket } from './packed.js'

const program = ['/usr/bin/firefox-esr', '/usr/bin/firefox'].find(existsSync)

// It asks nobody for anything but what a page names.
const prefs = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.newtabpage.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#',
  'toolkit.telemetry.enabled': false,
}

const running = new Set()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

/** A browser that ends with the test. */
export async function firefox(t) {
  const home = mkdtempSync(join(tmpdir(), 'stentor-firefox-'))
  const lines = Object.entries(prefs).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`)
  writeFileSync(join(home, 'user.js'), lines.join(''))
  const child = spawn(program, ['--headless', '--no-remote', '--profile', home, '--remote-debugging-port', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, HOME: home, MOZ_CRASHREPORTER_DISABLE: '1' },
  })
  running.add(child)
  const gone = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await gone
    running.delete(child)
    rmSync(home, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 }) // its children may write for a moment
  })
  const address = await new Promise((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      const [, url] = /listening on (ws:\S+)/.exec(line) ?? []
      if (url) resolve(url)
    })
    child.once('exit', (code) => reject(new Error(`Firefox ended with ${code}`)))
  })

  const socket = new WebSocket(`${address}/session`)
  await once(socket, 'open')
  const waiting = new Map()
  socket.on('message', (data) => {
    const answer = JSON.parse(data)
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  let count = 0
  const send = async (method, params) => {
    const id = ++count
    const answered = new Promise((resolve) => waiting.set(id, resolve))
    socket.send(JSON.stringify({ id, method, params }))
    const { result, error, message } = await answered
    if (error) throw new Error(`${method}: ${error}: ${message}`)
    return result
  }
  await send('session.new', { capabilities: {} })

  /** Opens a tab. */
  const tab = async (url) => {
    const { context } = await send('browsingContext.create', { type: 'tab' })
    await send('browsingContext.navigate', { context, url, wait: 'complete' })
    return {
      reload: () => send('browsingContext.reload', { context, wait: 'complete' }),
      close: () => send('browsingContext.close', { context }),
      /** The value of an expression in the page, which can be written as JSON. */
      async value(expression) {
        const { result, exceptionDetails } = await send('script.evaluate', {
          expression: `(async () => JSON.stringify(await (${expression})))()`,
          target: { context },
          awaitPromise: true,
        })
        if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.text}`)
        return result.value === undefined ? undefined : JSON.parse(result.value)
      },
    }
  }
  return { tab }
}

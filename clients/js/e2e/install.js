// Installs the library as `npm pack` makes it, with its peer, into a folder of its own: what the tests see is what users get.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'

const here = new URL('..', import.meta.url).pathname
const home = `${here}node_modules/.packed`
const npm = (cwd, ...args) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

rmSync(home, { recursive: true, force: true })
mkdirSync(home, { recursive: true })
const [{ filename }] = JSON.parse(npm(here, 'pack', '--json', '--silent', '--ignore-scripts', '--pack-destination', home))
writeFileSync(`${home}/package.json`, '{"private":true,"type":"module"}')
npm(home, 'install', '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error', '--install-links', `./${filename}`, '@stomp/stompjs@7.5.0', 'ws@8.23.0')
writeFileSync(`${home}/entry.js`, "export * from '@stentor/client'\nexport { WebSocket } from 'ws'\n")

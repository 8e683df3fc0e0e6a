// The types of the package, as those see them who import and who require it, with all checks on.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import test from 'node:test'

const here = new URL('..', import.meta.url).pathname
const home = `${here}node_modules/.packed`

const use = (load) => `${load}
const push: PushClient = new StentorClient({ urls: 'wss://a/ws', token: async () => 't' })
push.subscribe('/topic/x', (m) => m.json<{ order: number }>().order.toFixed(), { onGap: (g) => g.reason satisfies 'lost' | 'dropped' | 'unknown' })
openShared({ urls: 'wss://a/ws', workerUrl: '/worker.js', identity: 'ann' }).on('state', (s) => s.name === 'waiting' && s.ms.toFixed())
// @ts-expect-error identity is required
openShared({ urls: 'wss://a/ws', workerUrl: '/worker.js' })
export {}
`

for (const [name, kind] of [['module.mts', 'import'], ['common.cts', 'require']]) {
  test(`types for ${kind}`, () => {
    writeFileSync(
      `${home}/${name}`,
      use(`import { StentorClient } from '@stentor/client'\nimport { openShared, type PushClient } from '@stentor/client/shared'`),
    )
    const options = ['--noEmit', '--strict', '--module', 'NodeNext', '--target', 'ES2022', '--lib', 'ES2022,DOM', '--typeRoots', './none']
    execFileSync(process.execPath, [`${here}node_modules/typescript/bin/tsc`, ...options, name], { cwd: home, stdio: ['ignore', 'inherit', 'inherit'] })
  })
}

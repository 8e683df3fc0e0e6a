// What `npm publish` would put into the registry, without doing it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { here } from './docs.js'

test('a publication that is not made', () => {
  const said = JSON.parse(execFileSync('npm', ['publish', '--dry-run', '--ignore-scripts', '--json'], { cwd: here, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  const { name, files } = said.files ? said : Object.values(said)[0]
  const has = new Set(files.map((f) => f.path))
  const described = JSON.parse(readFileSync(`${here}package.json`, 'utf8'))
  assert.equal(name, described.name)
  assert.equal(described.publishConfig.access, 'public') // by default a name with a scope is private
  const named = [...JSON.stringify(described).matchAll(/"\.\/([^"]+)"/g)].map((m) => m[1]).filter((path) => path.includes('/') || path === 'package.json')
  assert.ok(named.length > 10)
  for (const path of named) assert.ok(has.has(path), `${path} is missing`)
  for (const path of has) {
    assert.match(path, /^(dist|src)\/|^(README\.md|LICENSE|package\.json)$/)
    if (/\.c?js$/.test(path) && path !== 'dist/cjs/package.json') assert.ok(has.has(`${path}.map`), `${path} has no source map`)
  }
})

// Builds dist/: ESM, CommonJS, files for <script> and types, each with its source map.
import { build } from 'esbuild'
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'

process.chdir(import.meta.dirname)
rmSync('dist', { recursive: true, force: true })

const common = { bundle: true, minify: true, sourcemap: true, target: ['es2022', 'chrome109', 'firefox109', 'safari16.4', 'node20'], logLevel: 'warning' }
const entry = 'src/index.ts'
const define = { VERSION: JSON.stringify(JSON.parse(readFileSync('package.json')).version) } // of the worker: tabs of two versions share none
const external = ['@stomp/stompjs']
// Names of this library's own objects, which neither applications nor stompjs nor the browser know: shorter ones do.
const mangleProps = /^(drop|first|gap|guard|held|hide|judge|known|leave|lost|merge|most|positions|probe|receive|refuse|refuseLargest|remove|report|request|sent|shorten|show|since|take|what|woke|write)$/

// The file for pages that load stompjs themselves takes it from its global name.
const global = {
  name: 'global',
  setup(b) {
    b.onResolve({ filter: /^@stomp\/stompjs$/ }, () => ({ path: 'stompjs', namespace: 'global' }))
    b.onLoad({ filter: /.*/, namespace: 'global' }, () => ({ contents: 'module.exports = globalThis.StompJs' }))
  },
}

await Promise.all([
  build({ ...common, entryPoints: [entry], external, mangleProps, format: 'esm', outfile: 'dist/index.js' }),
  build({ ...common, entryPoints: ['src/shared.ts'], external, define, format: 'esm', outfile: 'dist/shared.js' }),
  build({ ...common, entryPoints: ['src/shared.ts'], external, define, format: 'cjs', outfile: 'dist/shared.cjs' }),
  build({ ...common, entryPoints: ['src/shared/worker.ts'], format: 'iife', outfile: 'dist/worker.js' }),
  build({ ...common, entryPoints: [entry], external, mangleProps, format: 'cjs', outfile: 'dist/index.cjs' }),
  build({ ...common, entryPoints: [entry], format: 'iife', globalName: 'Stentor', plugins: [global], mangleProps, outfile: 'dist/stentor.js' }),
  build({ ...common, entryPoints: [entry], format: 'iife', globalName: 'Stentor', outfile: 'dist/stentor.full.js' }),
])
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
// The same types once more for those who require(): in a package that says so, or TypeScript takes them for a module's.
mkdirSync('dist/cjs')
writeFileSync('dist/cjs/package.json', '{"type":"commonjs"}\n')
for (const file of readdirSync('dist')) if (file.endsWith('.d.ts')) copyFileSync(`dist/${file}`, `dist/cjs/${file}`)
cpSync('dist/shared', 'dist/cjs/shared', { recursive: true })
copyFileSync('../../LICENSE', 'LICENSE')

// Fails when what a page loads of this library is larger than it may be.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const most = { 'dist/index.js': 6144, 'dist/stentor.js': 6400 }
for (const [file, limit] of Object.entries(most)) {
  const size = gzipSync(readFileSync(new URL(file, import.meta.url)), { level: 9 }).length
  console.log(`${file}: ${size} of ${limit} bytes, gzipped`)
  if (size > limit) process.exitCode = 1
}

// test/types.test-d.ts is checked by tsc alone.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], pool: 'threads', maxWorkers: 1, isolate: false, testTimeout: 120_000 },
})

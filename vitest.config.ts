import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: 'test/support/each-file.ts',
    globalSetup: 'test/support/global-setup.ts',
    // What a file opens it gives to closeLater, so that modules may stay loaded from file to file.
    pool: 'forks',
    isolate: false,
    // More than the two cores that it has to do with: much of it is waiting.
    maxWorkers: 3,
    // Some tests start processes, and a busy machine may take many seconds for one.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
    teardownTimeout: 20_000,
  },
})

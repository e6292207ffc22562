/** Runs in front of every test file: workers and the modules in them are shared, what a file opened is not. */
import '../../src/store/mended-driver.ts'
import { afterAll } from 'vitest'
import { closeAll } from './closing.ts'

afterAll(closeAll)

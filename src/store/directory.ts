/** The embedded database of a directory that this process alone holds. Never opened without the lock, and unlocked only when it is closed. */
import { chmodSync, mkdirSync } from 'node:fs'
import { lockDirectory } from './lock.ts'
import { startThread, type Thread } from './thread.ts'

export type Held = {
  thread: Thread
  /** Closes the database, then gives the directory free. */
  close(): Promise<void>
}

export async function holdDirectory(root: string): Promise<Held> {
  // It loads the database while the lock is taken.
  const thread = startThread()
  let unlock = () => {}
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 })
    chmodSync(root, 0o700)
    unlock = lockDirectory(root)
    await thread.open(root)
  } catch (error) {
    await thread.drop()
    unlock()
    throw error
  }
  return {
    thread,
    close: async () => {
      await thread.close()
      unlock()
    },
  }
}

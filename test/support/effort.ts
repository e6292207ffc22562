/** What work costs this thread, whoever else the processor serves meanwhile. Says nothing of work that waits. */

/** Milliseconds of the processor, for work that is done when it returns. */
export function effortOf(work: () => void): number {
  const before = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1000
}

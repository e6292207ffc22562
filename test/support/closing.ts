/** What a test file opened, closed when the file ends. Never leaves one open because another could not be closed. */

type Close = () => unknown

const open: Close[] = []

/** After the file, and after everything that was given here later. */
export function closeLater(close: Close): void {
  open.push(close)
}

export async function closeAll(): Promise<void> {
  const failures: unknown[] = []
  for (;;) {
    const close = open.pop()
    if (close === undefined) break
    try {
      await close()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1) throw new AggregateError(failures, 'Several could not be closed')
}

/** The database's clock, which all replicas share. Never the machine's. */
export async function databaseNow(
  run: <R>(text: string, params: unknown[]) => Promise<R[]>,
): Promise<number> {
  const [row] = await run<{ now: number }>(
    'select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now',
    [],
  )
  if (row === undefined) throw new Error('The database did not tell the time')
  return row.now
}

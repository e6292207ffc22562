/**
 * Clears up after a lease's role: its sessions end, its code is dropped or emptied, and the data it made goes to a role of this
 * lease alone that nobody can use. Drops no data. Every step can be taken again, so that an end that was cut short goes on.
 */
import { BrokerError } from '../errors.ts'
import type { Native } from './kind.ts'
import {
  atOnce,
  attachments,
  databasesOf,
  drops,
  emptied,
  functions,
  generated,
  grants,
  kept,
  named,
  outwardKeys,
  owned,
  ownSchemas,
  renames,
  routineTypes,
  transfers,
} from './postgres-left.ts'
import { codeOf, keeperOf, ownRights, run, type Sql, settled, within } from './postgres-session.ts'

/** Shorter than a row is anybody's to work on. */
const attemptMs = 30_000

/** `role` is one that the broker named: letters, digits and underscores. Throws where something is left for a later attempt. */
export async function endRole(native: Native, database: string, role: string): Promise<void> {
  const until = performance.now() + attemptMs
  await within(native, database, async (sql) => {
    const there = await sql`select 1 from pg_roles where rolname = ${role}`
    if (there.length === 0) return
    // First, so that whatever cannot be cleared up is at least nobody's to use.
    await cutOff(native, sql, role, until)
    try {
      await endSessions(sql, role)
      await demandNoneBeginning(sql)
      // One may have begun to work meanwhile.
      await endSessions(sql, role)
      // Before version 16 a role could take itself from us.
      await ownRights(sql, role)
      // Whoever else wants what we wait for waits behind us, so we never wait long.
      await sql`set lock_timeout = 300`
      await takeBack(sql, role, until)
      for (const one of await databasesOf(sql, role)) {
        if (one !== database) await within(native, one, (other) => clear(other, role, until))
      }
      await clear(sql, role, until)
      await dropRole(sql, role)
    } catch (error) {
      const code = codeOf(error)
      throw code === null ? error : unfinished(`clearing up failed (${code})`)
    }
  })
}

/** In one statement, and again: whoever gives it something in between, to keep it, is rarely in time. */
async function dropRole(sql: Sql, role: string): Promise<void> {
  await run(
    sql,
    `do %L`,
    `begin for i in 1..20 loop begin
       drop owned by ${role}; drop role ${role}; exit;
     exception when dependent_objects_still_exist or internal_error or deadlock_detected or lock_not_available then
       if i = 20 then raise; end if; perform pg_sleep(0.05); end; end loop; end`,
  )
}

/**
 * Nobody signs in as it any more. A role may alter itself and keep that from being done by a transaction that it leaves open, commits
 * just before us, or has prepared. So its sessions are ended, and at first on the one connection that there is, since a holder may
 * have taken all others; then we wait in line, while a second connection ends whatever stands before us, again and again.
 */
async function cutOff(native: Native, sql: Sql, role: string, until: number): Promise<void> {
  await endOnce(sql, role)
  await sql`set lock_timeout = 300`
  try {
    return await lose(sql, role)
  } catch (error) {
    if (!lost.has(codeOf(error) ?? '')) throw error
  }
  await sql`set lock_timeout = 5000`
  let waiting = true
  const cutting = inLine(sql, role, until).finally(() => {
    waiting = false
  })
  // Whether it was done is told by the one that does it.
  cutting.catch(() => {})
  await within(native, null, async (other) => {
    do {
      await endOnce(other, role)
      const prepared = await other`
        select distinct database as name from pg_prepared_xacts where owner = ${role}`
      for (const { name } of prepared) {
        await within(native, String(name), (there) => forgetPrepared(there, role))
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    } while (waiting)
  })
  await cutting
}

/** "Tuple concurrently updated", a deadlock, a lock that did not come. */
const lost = new Set(['XX000', '40P01', '55P03'])

async function inLine(sql: Sql, role: string, until: number): Promise<void> {
  for (;;) {
    try {
      return await lose(sql, role)
    } catch (error) {
      if (!lost.has(codeOf(error) ?? '') || performance.now() > until) throw error
    }
  }
}

function lose(sql: Sql, role: string): Promise<void> {
  return run(sql, 'alter role %I nologin password null connection limit 0', role)
}

function endOnce(sql: Sql, role: string) {
  return sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`
}

/** Only what has to be at once: what else there is to do for its end may take its time. */
export async function cutRole(native: Native, database: string, role: string): Promise<void> {
  await within(native, database, async (sql) => {
    const there = await sql`select 1 from pg_roles where rolname = ${role} and rolcanlogin`
    if (there.length === 0) return
    await cutOff(native, sql, role, performance.now() + attemptMs)
    await endOnce(sql, role)
  })
}

/**
 * A client may have its session wait before it says whose it is (post_auth_delay), after it has signed in. Until then it holds the lock
 * on its database that every session begins with.
 */
async function demandNoneBeginning(sql: Sql): Promise<void> {
  for (let left = 20; left > 0; left -= 1) {
    const beginning = await sql`
      select 1 from pg_locks l left join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'object' and l.classid = 'pg_database'::regclass and a.usename is null
        and l.mode = 'RowExclusiveLock' limit 1`
    if (beginning.length === 0) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw unfinished('a session is beginning that does not yet say whose it is')
}

/** A backend ends at its next chance; a role with one cannot be dropped safely. */
async function endSessions(sql: Sql, role: string): Promise<void> {
  for (let left = 50; left > 0; left -= 1) {
    const alive = await sql`
      select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`
    if (alive.length === 0) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw unfinished('its sessions do not end')
}

/**
 * What it was given, before anything is cleared up: whatever of its stays for a later attempt, a function that runs with its rights
 * for one, has none. Statements that cannot be made are left to the rest.
 */
async function takeBack(sql: Sql, role: string, until: number): Promise<void> {
  // It may have taken from itself what we need to be in its schemas as it.
  await asFarAsPossible(sql, await ownSchemas(sql, role), until)
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    const some = await grants(sql, role)
    // What is left then others gave it; it goes with the role, or with them.
    if (some.length === 0 || some.length >= before) return
    before = some.length
    await asFarAsPossible(sql, some, until)
    if (some.length < atOnce * 10) return
    demandTime(until)
  }
}

/** Told to whoever asks about the lease; by now nobody can sign in with it. */
function unfinished(why: string): BrokerError {
  return new BrokerError('conflict', `Nobody can sign in with it any more, but ${why}.`)
}

/** Leaves the role with nothing in this database. */
async function clear(sql: Sql, role: string, until: number): Promise<void> {
  await sql`set lock_timeout = 300`
  await forgetPrepared(sql, role)
  await takeBack(sql, role, until)
  await detach(sql, role, until)
  // Their expressions never change anything, and not every tree of tables lets go of them.
  await asFarAsPossible(sql, await generated(sql, role), until)
  await dropCode(sql, role, until)
  await empty(sql, role, until)
  // Nobody else may call what is left: this is for whoever does not know that.
  await asFarAsPossible(sql, await renames(sql, role), until)
  await demandOnlyData(sql, role)
  await handOn(sql, role, until)
  await settled(() => run(sql, 'drop owned by %I', role))
}

/** A transaction that was prepared outlives its session, with its locks. Nobody else may end it. */
async function forgetPrepared(sql: Sql, role: string): Promise<void> {
  const rows = await sql`
    select gid from pg_prepared_xacts where owner = ${role} and database = current_database()`
  if (rows.length === 0) return
  await run(sql, 'set role %I', role)
  // One that is gone, or that somebody works on, is looked for again.
  for (const { gid } of rows) await run(sql, 'rollback prepared %L', String(gid)).catch(() => {})
  await sql`reset role`
}

/** What runs when others touch its tables, and what others were given of them. None of it may stay. */
async function detach(sql: Sql, role: string, until: number): Promise<void> {
  for (;;) {
    // Each by itself, so that nobody's table is locked for as long as anything else takes.
    const keys = await outwardKeys(sql, role)
    const statements = await attachments(sql, role)
    if (keys.length + statements.length === 0) return
    const done = await oneByOne(sql, keys, until)
    if (done + (await inTurn(sql, statements, until)) === 0) {
      throw unfinished('what hangs on its tables cannot be taken away')
    }
    demandTime(until)
  }
}

/** In any order that works; what something of others hangs on stays, to be emptied. */
async function dropCode(sql: Sql, role: string, until: number): Promise<void> {
  while ((await inTurn(sql, await drops(sql, role), until)) > 0) demandTime(until)
}

function demandTime(until: number): void {
  if (performance.now() > until) throw unfinished('it left so much that this takes several tries')
}

/** Each by itself where they do not go together. Says how many were done. */
async function inTurn(sql: Sql, statements: readonly string[], until: number): Promise<number> {
  let done = 0
  for (let from = 0; from < statements.length; from += atOnce) {
    demandTime(until)
    const some = statements.slice(from, from + atOnce)
    done += await settled(() => sql.unsafe(some.join(';\n'))).then(
      () => some.length,
      () => oneByOne(sql, some, until),
    )
  }
  return done
}

/** Needed by something, not ours to touch, or gone with what went before it: by their codes (PostgreSQL, appendix A). */
const stays = new Set(['2BP01', '42501', '42P01', '42703', '42704', '42883'])

/** One that fails keeps none of the others back. Throws the first that failed for any other reason, once all were tried. */
async function oneByOne(sql: Sql, statements: readonly string[], until: number): Promise<number> {
  const failed: unknown[] = []
  const patience = patient()
  let done = 0
  for (const statement of statements) {
    demandTime(until)
    try {
      await settled(() => sql.unsafe(statement))
      done += 1
    } catch (error) {
      patience(error)
      if (!stays.has(codeOf(error) ?? '')) failed.push(error)
    }
  }
  if (failed.length > 0) throw failed[0]
  return done
}

async function asFarAsPossible(
  sql: Sql,
  statements: readonly string[],
  until: number,
): Promise<void> {
  const patience = patient()
  for (const statement of statements) {
    demandTime(until)
    // What matters about it is looked at by the next step, or was done by the one before.
    await settled(() => sql.unsafe(statement)).catch(patience)
  }
}

/** Whoever works on what it made keeps us from it; then the attempt ends, so that others have theirs. */
function patient(): (error: unknown) => void {
  let left = 6
  return (error) => {
    if (codeOf(error) !== '55P03') return
    left -= 1
    if (left === 0) throw unfinished('somebody works on what it made')
  }
}

/**
 * Leaves of its functions what something of others needs, their shape: nothing of what they did, and no more rights than their
 * caller's. Whoever calls one is told.
 */
async function empty(sql: Sql, role: string, until: number): Promise<void> {
  const whole = await functions(sql, role)
  await asFarAsPossible(
    sql,
    whole.map(({ head }) => `${head} language plpgsql as $$${emptied}$$`),
    until,
  )
}

/**
 * What is neither data nor emptied and renamed is come upon by its name, or does what it did: a more exact operator, a view. It is
 * there because something of others stands on it, so that only a human can tell what to do. By number: a name is the holder's own text.
 */
async function demandOnlyData(sql: Sql, role: string): Promise<void> {
  const left = [
    ...(await functions(sql, role)).filter(({ body }) => body !== emptied),
    ...(await owned(sql, role)).filter(({ type }) => !kept.has(type) && !routineTypes.has(type)),
    ...(await named(sql, role)),
  ]
  const [first] = left
  if (first === undefined) return
  throw unfinished(
    `something that stays stands on ${left.length} of the things that it made, such as the ${first.type} ${first.id}: drop that first`,
  )
}

/** A few at a time, since a lease may have made any number; then whatever else is left, all at once. */
async function handOn(sql: Sql, role: string, until: number): Promise<void> {
  for (;;) {
    const some = await transfers(sql, role)
    const last = some.length === 0
    const left = last ? await owned(sql, role) : some
    if (left.length === 0) return
    await keeperThere(sql, role)
    const schemas = [...new Set(left.flatMap(({ schema }) => schema ?? []))]
    await settled(() =>
      sql.begin(async (tx) => {
        const keeper = keeperOf(role)
        // To own something in a schema takes that, for as long as it is handed over.
        for (const one of schemas) await run(tx, 'grant create on schema %I to %I', one, keeper)
        await tx.unsafe(some.map(({ statement }) => statement).join(';\n'))
        if (last) await run(tx, 'reassign owned by %I to %I', role, keeper)
        for (const one of schemas) await run(tx, 'revoke create on schema %I from %I', one, keeper)
      }),
    )
    if (last) return
    demandTime(until)
  }
}

/** It owns what this lease leaves behind; nobody can sign in as it, and it may do nothing. */
async function keeperThere(sql: Sql, role: string): Promise<void> {
  const keeper = keeperOf(role)
  const there = await sql`select 1 from pg_roles where rolname = ${keeper}`
  if (there.length > 0) return
  await sql.begin(async (tx) => {
    await run(tx, 'create role %I nologin', keeper)
    await ownRights(tx, keeper)
  })
}

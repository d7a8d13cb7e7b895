import { DaybookError } from '../core/errors.ts'
import type { Host } from '../core/ports/host.ts'
import type { Row, Runner } from './connection.ts'
import { readLockHolders } from './lock-statements.ts'

/** Whoever holds the log's lock at the moment. What the user may not see, or does not apply, is left out. */
export interface LockHolder {
  /** Its process on the server; a prepared transaction has none. */
  readonly pid?: number
  readonly user?: string
  readonly applicationName?: string
  /** The host it is connected from. */
  readonly client?: string
  /** Of a transaction that was prepared, and neither committed nor rolled back since. */
  readonly preparedName?: string
  /** `active`, `idle in transaction` … as in pg_stat_activity. */
  readonly state?: string
  /** What it waits for, such as `Client ClientRead` or `IPC SyncRep`, when it does. */
  readonly waitsFor?: string
  /** Since when its transaction has been open, in ms: the most that it can have held the lock. */
  readonly transactionMs?: number
  /** How long it has been in that state, in ms. */
  readonly stateMs?: number
  /** Processes whose locks it waits for itself. */
  readonly blockedBy: readonly number[]
  /** How many wait for the lock. */
  readonly waiting: number
}

/** Who holds the log's lock, for how long at most, and what keeps them; nobody when it is free. One, as a rule. */
export async function lockHolders(runner: Runner, schema: string): Promise<readonly LockHolder[]> {
  return (await runner.run(readLockHolders(schema))).map(holderFrom)
}

/** For people: `process 4711 (application "bank", user teller), idle in transaction for 12.0 s`. */
export function holderText(holder: LockHolder): string {
  const { pid, preparedName, applicationName, user, client, state, stateMs, transactionMs } = holder
  const who =
    pid === undefined
      ? `the prepared transaction ${JSON.stringify(preparedName ?? 'of another database')}`
      : `process ${pid}`
  const known = [
    ...(applicationName === undefined ? [] : [`application ${JSON.stringify(applicationName)}`]),
    ...(user === undefined ? [] : [`user ${user}`]),
    ...(client === undefined ? [] : [`from ${client}`]),
  ]
  const doing = [
    ...(state === undefined ? [] : [stateMs === undefined ? state : `${state} for ${seconds(stateMs)}`]),
    ...(transactionMs === undefined ? [] : [`its transaction open for ${seconds(transactionMs)}`]),
    ...(holder.blockedBy.length === 0 ? [] : [`itself waiting for process ${holder.blockedBy.join(', ')}`]),
  ]
  return [known.length === 0 ? who : `${who} (${known.join(', ')})`, ...doing].join(', ')
}

/** How long to wait for the server to say who holds the lock, in ms: the caller has waited long enough. */
const mostNamingMs = 1_000

/**
 * The error of an append that waited for the lock in vain, with the name of whoever holds it now that it was given up.
 * Other errors come back as they are, and so does this one where the server does not tell, or not soon.
 */
export async function namingHolder(
  error: unknown,
  { runner, schema, host }: { readonly runner: Runner; readonly schema: string; readonly host: Host },
): Promise<unknown> {
  if (!(error instanceof DaybookError) || error.code !== 'STORE_BUSY') return error
  const told = new AbortController()
  const nobody = host.sleep(mostNamingMs, told.signal).then(
    () => [],
    () => [],
  )
  const [holder] = await Promise.race([lockHolders(runner, schema).catch(() => []), nobody])
  told.abort()
  if (holder === undefined) return error
  const message = `${error.message}: ${holderText(holder)}`
  return new DaybookError('STORE_BUSY', message, { ...error.facts, holder }, error.cause)
}

function seconds(timeMs: number): string {
  return `${(timeMs / 1_000).toFixed(1)} s`
}

function holderFrom(row: Row): LockHolder {
  const [pid, user, applicationName, client, preparedName, state, waitType, wait] = row
  const [transactionMs, stateMs, blockedBy, waiting] = row.slice(8)
  return {
    ...given('pid', pid, Number),
    ...given('user', user, String),
    ...given('applicationName', applicationName, String),
    ...given('client', client, String),
    ...given('preparedName', preparedName, String),
    ...given('state', state, String),
    ...given('waitsFor', wait, (name) => `${waitType} ${name}`),
    ...given('transactionMs', transactionMs, Number),
    ...given('stateMs', stateMs, Number),
    blockedBy: (blockedBy ?? '').split(',').filter(Boolean).map(Number),
    waiting: Number(waiting ?? 0),
  }
}

/** The field, unless the server did not tell it. */
function given<Name extends string, Value>(
  name: Name,
  cell: string | null | undefined,
  read: (text: string) => Value,
): { readonly [Field in Name]?: Value } {
  return cell === null || cell === undefined ? {} : ({ [name]: read(cell) } as { [Field in Name]: Value })
}

import type { ServerAddress } from './connection.ts'
import { type Row, type Runner, Session } from './connection.ts'
import { isServerError } from './errors.ts'
import { type InspectStatements, inspectStatements, writeTemporaryFile } from './inspect-statements.ts'
import { type LockHolder, lockHolders } from './lock-holders.ts'
import { readServerFacts, type ServerFacts } from './server.ts'
import type { LogStatements } from './statements.ts'

/** A transaction that is open; the server tells state and times only to those who may see them. */
export interface OpenTransaction {
  readonly pid: number
  readonly applicationName: string
  readonly user: string
  readonly state: string
  readonly openMs: number
  /** For how long it has done nothing; undefined for one that is at work. */
  readonly idleMs: number | undefined
}

/** Something of the schema that is missing or switched off. */
export interface Alteration {
  readonly kind: string
  readonly table: string
  readonly name: string | undefined
}

/** Entries of an index of the log that are missing, or that no event has. */
export interface IndexFaults {
  readonly index: 'tags' | 'streams and ids'
  readonly lacking: number
  readonly extra: number
}

/** What a look at a book and its server shows. */
export interface Observed {
  readonly server: ServerFacts
  readonly head: number
  readonly bytes: number
  readonly partitions: number
  readonly schemaVersion: number
  /** What the user may do to the log: `superuser`, `owner`, `writer`, `reader` by that role, or `reading`. */
  readonly rights: string
  /** Settings with which appends are not durable, each with where it was set: `fsync = off (configuration file)`. */
  readonly unsafe: readonly string[]
  readonly connections: { readonly used: number; readonly most: number }
  readonly replicas: number
  readonly transactions: readonly OpenTransaction[]
  readonly holders: readonly LockHolder[]
  readonly derived: { readonly deadRows: number; readonly rows: number; readonly vacuumedAt: string }
  readonly alterations: readonly Alteration[]
  readonly faults: readonly IndexFaults[]
  /** The first position whose entries in the indexes were looked at; see `mostChecked`. */
  readonly checkedFrom: number
  readonly isDiskFull: boolean
}

/** The indexes of so many of the newest events are held against the log: a fraction of a second. */
export const mostChecked = 100_000

/** Looks, on a connection of its own: reads of the book are not kept waiting. Changes nothing. */
export async function observe(
  address: ServerAddress,
  schema: string,
  log: LogStatements,
  mostCheckedEvents: number = mostChecked,
): Promise<Observed> {
  const session = new Session(address, 'inspection')
  try {
    return await session.repeatable((runner) => look(runner, schema, log, mostCheckedEvents))
  } finally {
    await session.close()
  }
}

async function look(
  runner: Runner,
  schema: string,
  log: LogStatements,
  mostCheckedEvents: number,
): Promise<Observed> {
  const sql = inspectStatements(schema)
  const [head] = await runner.run(log.readHead, [0])
  const position = Number(head?.[0] ?? 0)
  const after = Math.max(0, position - mostCheckedEvents)
  return {
    server: await readServerFacts(runner),
    head: position,
    ...sizeFrom(await runner.run(sql.readSize)),
    rights: rightsFrom(await runner.run(sql.readUser)),
    unsafe: (await runner.run(sql.readUnsafe)).map(([name, source]) => `${name} = off (${source})`),
    connections: connectionsFrom(await runner.run(sql.readConnections)),
    replicas: Number((await runner.run(sql.countReplicas))[0]?.[0]),
    transactions: (await runner.run(sql.readTransactions)).map(transactionFrom),
    holders: await lockHolders(runner, schema),
    derived: derivedFrom(await runner.run(sql.readDerived)),
    alterations: (await runner.run(sql.readAltered)).map(([kind, table, name]) => ({
      kind: String(kind),
      table: String(table),
      name: name ?? undefined,
    })),
    faults: await faultsAfter(runner, sql, after),
    checkedFrom: after + 1,
    isDiskFull: await isDiskFull(runner),
  }
}

function sizeFrom([row]: readonly Row[]): Pick<Observed, 'bytes' | 'partitions' | 'schemaVersion'> {
  const [bytes, partitions, schemaVersion] = row ?? []
  return { bytes: Number(bytes), partitions: Number(partitions), schemaVersion: Number(schemaVersion) }
}

function rightsFrom([row]: readonly Row[]): string {
  const [isSuperuser, isOwner, mayAppend, isReader] = row ?? []
  if (isSuperuser === 't') return 'superuser'
  if (isOwner === 't') return 'owner'
  if (mayAppend === 't') return 'writer'
  return isReader === 't' ? 'reader' : 'reading'
}

function connectionsFrom([row]: readonly Row[]): Observed['connections'] {
  return { used: Number(row?.[0]), most: Number(row?.[1]) }
}

function transactionFrom([pid, applicationName, user, state, openMs, idleMs]: Row): OpenTransaction {
  return {
    pid: Number(pid),
    applicationName: applicationName ?? '',
    user: user ?? '',
    state: state ?? '',
    openMs: Number(openMs),
    idleMs: idleMs === null || idleMs === undefined ? undefined : Number(idleMs),
  }
}

function derivedFrom([row]: readonly Row[]): Observed['derived'] {
  const [deadRows, rows, vacuumedAt] = row ?? []
  return { deadRows: Number(deadRows ?? 0), rows: Number(rows ?? 0), vacuumedAt: vacuumedAt ?? 'never' }
}

async function faultsAfter(
  runner: Runner,
  sql: InspectStatements,
  after: number,
): Promise<readonly IndexFaults[]> {
  const faultsOf = ([row]: readonly Row[]): { readonly lacking: number; readonly extra: number } => {
    return { lacking: Number(row?.[0]), extra: Number(row?.[1]) }
  }
  const all: readonly IndexFaults[] = [
    { index: 'tags', ...faultsOf(await runner.run(sql.countTagFaults, [after])) },
    { index: 'streams and ids', ...faultsOf(await runner.run(sql.countIndexFaults, [after])) },
  ]
  return all.filter(({ lacking, extra }) => lacking + extra > 0)
}

/** Only a disk without room is told; that the user may write no temporary files is no matter here. */
async function isDiskFull(runner: Runner): Promise<boolean> {
  try {
    await runner.run(writeTemporaryFile)
    return false
  } catch (error) {
    if (isServerError(error)) return error.code === '53100'
    throw error
  }
}

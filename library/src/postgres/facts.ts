import type { AppendPlan, HeldFacts, KeyRecord, LogHead, PlannedRow } from '../core/append-plan.ts'
import { needsOf } from '../core/append-plan.ts'
import type { AppendRequest } from '../core/append-request.ts'
import type { QueryItem } from '../core/query.ts'
import { genesisHash } from '../core/row-hash.ts'
import { byteaArray, int8Array, jsonArray, textArray, uuidArray } from './arrays.ts'
import type { Row, Runner } from './connection.ts'
import { ConnectionLost } from './errors.ts'
import type { Recollection } from './foresight.ts'
import type { LogStatements } from './statements.ts'
import { type Transaction, together } from './transaction.ts'

/** What was found under the lock, or foreseen, and how. */
export interface FoundFacts extends HeldFacts {
  /** The streams whose versions were looked up. */
  readonly lookedUp: readonly string[]
  /** Those whose versions are remembered: they may have more by now, unless an event is written behind them. */
  readonly remembered: readonly string[]
  /** True when the log goes on from what was remembered of it, so that no stream has fewer events than remembered. */
  readonly isContinued: boolean
}

/**
 * Reads everything that a batch needs, in one round trip, under the lock.
 *
 * @param known a position that the log has, or what is remembered of it: versions that are, are not looked up
 */
export async function heldFacts(
  runner: Runner,
  sql: LogStatements,
  requests: readonly AppendRequest[],
  known: number | Recollection,
): Promise<FoundFacts> {
  const needs = needsOf(requests)
  const least = leastVersions(requests)
  const remembered = typeof known === 'number' ? new Map<string, number>() : known.versions
  const unknown = needs.streams.filter((stream) => !remembered.has(stream))
  const versions = readVersions(runner, sql, unknown, least)
  const ids = needs.ids.length === 0 ? nothing : runner.run(sql.readIds, [uuidArray(needs.ids)])
  const keys = readKeys(runner, sql, needs.keys)
  const matches = needs.conditions.map(({ items, after }) => firstMatch(runner, sql, items, after))
  const [{ head, isContinued }, held, idRows, keyRecords, positions] = await together([
    readContinuation(runner, sql, known),
    versions,
    ids,
    keys,
    together(matches),
  ])
  const isEnough = isContinued || unknown.length === needs.streams.length
  return {
    head,
    versions: isEnough
      ? new Map([...remembered, ...held])
      : await readVersions(runner, sql, needs.streams, least),
    keys: keyRecords,
    ids: new Set(idRows.map(([id]) => String(id))),
    matches: positions,
    lookedUp: isEnough ? unknown : needs.streams,
    remembered: isEnough ? [...remembered.keys()] : [],
    isContinued,
  }
}

/** The same facts with versions that are looked up, all of them. */
export async function lookedUpAgain(
  runner: Runner,
  sql: LogStatements,
  requests: readonly AppendRequest[],
  facts: FoundFacts,
): Promise<FoundFacts> {
  const { streams } = needsOf(requests)
  const versions = await readVersions(runner, sql, streams, leastVersions(requests))
  return { ...facts, versions, lookedUp: streams, remembered: [] }
}

const nothing: Promise<readonly Row[]> = Promise.resolve([])

/**
 * The versions that the requests expect: where to begin to look for a stream's last one. An index is read by the page,
 * so that without a bound all versions of the stream on a page would be read to find the last.
 */
function leastVersions(requests: readonly AppendRequest[]): ReadonlyMap<string, number> {
  const least = new Map<string, number>()
  for (const { expectations } of requests) {
    for (const { stream, expected } of expectations) {
      const version = typeof expected === 'number' ? expected : 0
      least.set(stream, Math.min(version, least.get(stream) ?? version))
    }
  }
  return least
}

/** The version of each stream that has events. One that is not as far as it was expected to be is looked for again. */
async function readVersions(
  runner: Runner,
  sql: LogStatements,
  streams: readonly string[],
  least: ReadonlyMap<string, number>,
): Promise<Map<string, number>> {
  if (streams.length === 0) return new Map()
  const bounds = streams.map((stream) => least.get(stream) ?? 0)
  const rows = await runner.run(sql.readVersions, [textArray(streams), int8Array(bounds)])
  const held = new Map(rows.map(([stream, version]) => [String(stream), Number(version)]))
  const missing = streams.filter((stream, index) => (bounds[index] ?? 0) > 0 && !held.has(stream))
  if (missing.length === 0) return held
  return new Map([...held, ...(await readVersions(runner, sql, missing, new Map()))])
}

/** The end of the log; looks beyond a position known to exist, and from the start when it is gone. */
export async function readHead(runner: Runner, sql: LogStatements, knownPosition: number): Promise<LogHead> {
  const [row] = await runner.run(sql.readHead, [knownPosition])
  if (row === undefined && knownPosition > 0) return readHead(runner, sql, 0)
  return headOf(row)
}

/** The end of the log, and whether the log goes on from what is remembered of it. */
async function readContinuation(
  runner: Runner,
  sql: LogStatements,
  known: number | Recollection,
): Promise<{ readonly head: LogHead; readonly isContinued: boolean }> {
  if (typeof known === 'number') return { head: await readHead(runner, sql, known), isContinued: false }
  const { position, chainHash } = known.head
  const [row] = await runner.run(sql.readHead, [position])
  if (row === undefined) return { head: await readHead(runner, sql, 0), isContinued: false }
  return { head: headOf(row), isContinued: row[3] === Buffer.from(chainHash).toString('hex') }
}

function headOf(row: Row | undefined): LogHead {
  const [position, recordedAtMs, chainHash] = row ?? []
  if (position === undefined) return { position: 0, recordedAtMs: 0, chainHash: genesisHash }
  return {
    position: Number(position),
    recordedAtMs: Number(recordedAtMs),
    chainHash: bytesFromHex(chainHash ?? ''),
  }
}

/** The records of the keys that were used. */
export async function readKeys(
  runner: Runner,
  sql: LogStatements,
  keys: readonly string[],
): Promise<Map<string, KeyRecord>> {
  if (keys.length === 0) return new Map()
  const rows = await runner.run(sql.readKeys, [textArray(keys)])
  return new Map(
    rows.map(([key, fingerprint, firstPosition, eventCount]) => [
      String(key),
      {
        key: String(key),
        fingerprint: String(fingerprint),
        firstPosition: Number(firstPosition),
        eventCount: Number(eventCount),
      },
    ]),
  )
}

/** The first position after one at which an event matches any of the items, up to the head. */
async function firstMatch(
  runner: Runner,
  sql: LogStatements,
  items: readonly QueryItem[],
  afterPosition: number,
): Promise<number | undefined> {
  const found = await together(
    items.map((item) => {
      const [firstTag, ...otherTags] = item.tags ?? []
      const values = [
        afterPosition,
        Number.MAX_SAFE_INTEGER,
        textArrayOrNull(item.types),
        textArrayOrNull(item.categories),
      ]
      if (firstTag === undefined) return runner.run(sql.matchByTypeAndCategory, values)
      return runner.run(sql.matchByTags, [...values, firstTag, textArray(otherTags)])
    }),
  )
  const matches = found.flatMap(([row]) => (row === undefined ? [] : [Number(row[0])]))
  return matches.length === 0 ? undefined : Math.min(...matches)
}

/** Sends the rows and keys of a plan; the answers are to be waited for. The indexes are written by a trigger. */
export function insertPlan(runner: Runner, sql: LogStatements, plan: AppendPlan): Promise<unknown>[] {
  const pending: Promise<unknown>[] = []
  if (plan.rows.length > 0) pending.push(runner.run(sql.insertEvents, columnsOf(plan.rows)))
  if (plan.keys.length > 0) {
    pending.push(
      runner.run(sql.insertKeys, [
        textArray(plan.keys.map(({ key }) => key)),
        textArray(plan.keys.map(({ fingerprint }) => fingerprint)),
        int8Array(plan.keys.map(({ firstPosition }) => firstPosition)),
        int8Array(plan.keys.map(({ eventCount }) => eventCount)),
      ]),
    )
  }
  return pending
}

/** Sends the rows of a plan that was made before the lock was got. Throws `Unforeseen` when the head was another. */
export async function insertBehind(
  transaction: Transaction,
  sql: LogStatements,
  { rows }: AppendPlan,
  head: LogHead,
): Promise<void> {
  const values = [...columnsOf(rows), head.position, Buffer.from(head.chainHash)]
  const written = await transaction.count(sql.insertBehind, values)
  if (written === 0) throw new Unforeseen()
  if (written !== rows.length) throw new ConnectionLost(new Error('the server did not say what it wrote'))
}

/** The log was not as it was foreseen: nothing is written. */
export class Unforeseen extends Error {}

function columnsOf(rows: readonly PlannedRow[]): readonly unknown[] {
  return [
    int8Array(rows.map((row) => row.position)),
    textArray(rows.map((row) => row.stream)),
    int8Array(rows.map((row) => row.version)),
    textArray(rows.map((row) => row.type)),
    int8Array(rows.map((row) => row.schemaVersion)),
    uuidArray(rows.map((row) => row.id)),
    jsonArray(rows.map((row) => row.data)),
    jsonArray(rows.map((row) => row.metadata)),
    jsonArray(rows.map((row) => row.tags)),
    int8Array(rows.map((row) => row.recordedAtMs)),
    byteaArray(rows.map((row) => row.leafHash)),
    byteaArray(rows.map((row) => row.chainHash)),
  ]
}

/** An array of names as a parameter; null for "any". */
export function textArrayOrNull(names: readonly string[] | undefined): Buffer | null {
  return names === undefined ? null : textArray(names)
}

/** Bytes from hexadecimal digits. */
export function bytesFromHex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

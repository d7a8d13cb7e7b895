/** Stores that do not give back what was appended. */
import type {
  BriefPage,
  EventLog,
  LogPage,
  LogSlice,
  StreamPage,
  StreamSlice,
} from '../../library/src/core/ports/store.ts'
import type { EventRow } from '../../library/src/core/row-hash.ts'
import { nodeHost } from '../../library/src/host/node-host.ts'
import { memory } from '../../library/src/memory/index.ts'
import { brokenLog, brokenRows, type Mutant } from './altered-store.ts'

const filtered = 'the log filtered by types, categories and tags: each event once, in order'
const streamSlices = 'slices of a stream by direction, versions and types'
const paged = 'slices of a stream in pages of every size'

/** The rows of every item of the query, one item after another. */
async function itemByItem(log: EventLog, slice: LogSlice): Promise<readonly EventRow[]> {
  const rows: EventRow[] = []
  for (const item of slice.items ?? []) rows.push(...(await log.readLog({ ...slice, items: [item] })).rows)
  return rows
}

function briefPage({ rows, ...page }: LogPage): BriefPage {
  return { ...page, rows: rows.map(({ id: _id, metadata: _metadata, tags: _tags, ...row }) => row) }
}

const briefly = 'a brief page is the page without ids, metadata and tags, where the store has brief pages'

const logs: readonly Mutant[] = [
  brokenLog('a brief page leaves an event out', briefly, (log) => ({
    readBriefly: async (slice) => {
      const page = await log.readLog(slice)
      return briefPage({ ...page, rows: page.rows.filter(({ position }) => position !== 30) })
    },
  })),
  brokenLog('a brief page knows nothing of a second item', briefly, (log) => ({
    readBriefly: async ({ items, ...slice }) =>
      briefPage(await log.readLog({ ...slice, items: items?.slice(0, 1) })),
  })),
  brokenLog('the order of the log is lost', filtered, (log) => ({
    readLog: async (slice) => {
      const page = await log.readLog(slice)
      if (slice.items === undefined) return page
      return { ...page, rows: page.rows.toSorted((one, other) => (one.stream < other.stream ? -1 : 1)) }
    },
  })),
  brokenLog('an event that two items match comes twice', filtered, (log) => ({
    readLog: async (slice) => {
      const page = await log.readLog(slice)
      if ((slice.items?.length ?? 0) < 2) return page
      const rows = await itemByItem(log, { ...slice, toPosition: page.scannedTo })
      return { ...page, rows: rows.toSorted((one, other) => one.position - other.position) }
    },
  })),
  brokenLog('any tag of an item is enough', filtered, (log) => ({
    readLog: ({ items, ...slice }) =>
      log.readLog({
        ...slice,
        items: items?.flatMap((item) => item.tags?.map((tag) => ({ ...item, tags: [tag] })) ?? [item]),
      }),
  })),
  brokenLog(
    'several items give more than the limit',
    'the filtered log in pages of every size, resumed at scannedTo',
    (log) => ({
      readLog: (slice) => log.readLog({ ...slice, limit: slice.limit * (slice.items?.length ?? 1) }),
    }),
  ),
  brokenLog(
    'reading is resumed at the event that was read last',
    'the log after a position, which is not included, up to one that is',
    (log) => ({
      readLog: (slice) => log.readLog({ ...slice, afterPosition: Math.max(slice.afterPosition - 1, 0) }),
    }),
  ),
  brokenLog(
    'reading is resumed one event too late',
    'the log after a position, which is not included, up to one that is',
    (log) => ({
      readLog: (slice) =>
        log.readLog({ ...slice, afterPosition: slice.afterPosition && slice.afterPosition + 1 }),
    }),
  ),
  brokenLog(
    'scannedTo stays when nothing matches',
    'scannedTo moves to the end when nothing matches',
    (log) => ({
      readLog: async (slice) => {
        const page = await log.readLog(slice)
        return { ...page, scannedTo: page.rows.at(-1)?.position ?? slice.afterPosition }
      },
    }),
  ),
  brokenLog(
    'scannedTo is the head',
    'a limited page is scanned to its last event, and no further',
    (log) => ({
      readLog: async (slice) => {
        const page = await log.readLog(slice)
        return { ...page, scannedTo: page.head }
      },
    }),
  ),
  brokenLog('a page ends before the filter has its fill', filtered, (log) => ({
    readLog: async (slice) => {
      const page = await log.readLog({
        ...slice,
        toPosition: Math.min(slice.toPosition, slice.afterPosition + 50),
      })
      return { ...page, scannedTo: Math.max(page.scannedTo, Math.min(slice.toPosition, page.head)) }
    },
  })),
]

const streams: readonly Mutant[] = [
  brokenLog('a limited page backwards is taken from the beginning', paged, (log) => ({
    readStream: async (slice) => {
      const page = await log.readStream({ ...slice, direction: 'forwards' })
      return slice.direction === 'forwards' ? page : { ...page, rows: page.rows.toReversed() }
    },
  })),
  brokenLog('the last version of a slice is left out', streamSlices, (log) => ({
    readStream: (slice) => log.readStream({ ...slice, toVersion: slice.toVersion - 1 }),
  })),
  brokenLog('every page of a stream is its end', paged, (log) => ({
    readStream: async (slice) => ({ ...(await log.readStream(slice)), isEnd: true }),
  })),
  brokenLog('types are filtered after the limit', paged, (log) => ({
    readStream: async (slice) => {
      const page = await log.readStream({ ...slice, types: undefined })
      return { ...page, rows: page.rows.filter(({ type }) => slice.types?.includes(type) ?? true) }
    },
  })),
  brokenLog('a stream name is read as a pattern', 'a stream name is no pattern and no prefix', (log) => ({
    readStream: (slice) => searched(log, slice, (stream) => patternOf(slice.stream).test(stream)),
  })),
  brokenLog('a stream name is read as a prefix', 'a stream name is no pattern and no prefix', (log) => ({
    readStream: (slice) => searched(log, slice, (stream) => stream.startsWith(slice.stream)),
  })),
]

/** What LIKE makes of a name. */
function patternOf(name: string): RegExp {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('%', '.*').replaceAll('_', '.')}$`, 'i')
}

/** A slice of whichever streams match. */
async function searched(
  log: EventLog,
  { direction, fromVersion, toVersion, types, limit }: StreamSlice,
  matches: (stream: string) => boolean,
): Promise<StreamPage> {
  const everything = { afterPosition: 0, toPosition: Number.MAX_SAFE_INTEGER, items: undefined }
  const { rows } = await log.readLog({ ...everything, limit: Number.MAX_SAFE_INTEGER })
  const found = rows.filter(
    ({ stream, version, type }) =>
      matches(stream) && version >= fromVersion && version <= toVersion && (types?.includes(type) ?? true),
  )
  const inOrder = direction === 'forwards' ? found : found.toReversed()
  return { rows: inOrder.slice(0, limit), isEnd: inOrder.length <= limit }
}

const exact = 'data text comes back byte for byte'

function brokenData(name: string, caughtBy: string, change: (data: string) => string): Mutant {
  return brokenRows(name, caughtBy, () => (row) => ({ ...row, data: change(row.data) }))
}

const texts: readonly Mutant[] = [
  brokenData('data is parsed and printed again', exact, (data) => JSON.stringify(JSON.parse(data))),
  brokenData('data loses its spaces', exact, (data) => data.trim()),
  brokenData(
    'minus zero loses its sign',
    'values come back as they are: minus zero, __proto__, NUL, lone surrogates',
    (data) => data.replaceAll('":-0', '":0'),
  ),
  brokenData(
    'NUL ends a text',
    'values come back as they are: minus zero, __proto__, NUL, lone surrogates',
    (data) => data.replaceAll('\\u0000', ''),
  ),
  brokenData('text is brought into one Unicode form', exact, (data) => data.normalize('NFC')),
  brokenData('strings that look like dates come back as other dates', exact, (data) =>
    data.replace(/(\d{4}-\d{2}-\d{2})T00:00:00\.000Z/g, '$1'),
  ),
  brokenData('data is cut off at 64 KiB', 'an event may have as many bytes as the limit allows', (data) =>
    data.slice(0, 65_536),
  ),
]

/** A memory store whose rows are hashed by another function than SHA-256 of what it is given. */
function brokenHash(name: string, caughtBy: string, change: (bytes: Uint8Array) => Uint8Array): Mutant {
  const { sha256 } = nodeHost()
  return {
    name,
    caughtBy,
    factory: () => {
      const base = memory()
      return {
        store: { ...base, open: (host) => base.open({ ...host, sha256: (bytes) => sha256(change(bytes)) }) },
      }
    },
  }
}

const headerBytes = 1 + 'daybook/event/1\n'.length
const vectors = 'the hashes of three rows are those of the format'

const hashing: readonly Mutant[] = [
  brokenHash('the lengths of the fields are not hashed', vectors, (bytes) =>
    bytes.length === 64
      ? bytes
      : Uint8Array.from([...bytes.slice(0, headerBytes), ...bytes.slice(headerBytes + 40)]),
  ),
  brokenHash(
    'the chain does not hold on to the row before',
    'recomputing every hash gives the stored ones',
    (bytes) => (bytes.length === 64 ? bytes.slice(32) : bytes),
  ),
  brokenLog(
    'the hash of the last row is left out',
    'hashes are read after a position, which is not included, up to a limit',
    (log) => ({
      readHashes: async (afterPosition, limit) => {
        const { position } = await log.head()
        return log.readHashes(afterPosition, Math.min(limit, Math.max(position - 1 - afterPosition, 0)))
      },
    }),
  ),
]

export const readingMutants: readonly Mutant[] = [...logs, ...streams, ...texts, ...hashing]

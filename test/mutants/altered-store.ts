/** Makes broken stores out of whole ones, by changing what goes in or what comes out. */
import type { AppendOutcome } from '../../library/src/core/append-plan.ts'
import type { AppendRequest } from '../../library/src/core/append-request.ts'
import type { Host } from '../../library/src/core/ports/host.ts'
import type { EventLog, OpenStore, Store } from '../../library/src/core/ports/store.ts'
import type { EventRow } from '../../library/src/core/row-hash.ts'
import { memory } from '../../library/src/memory/index.ts'
import type { StoreFactory } from '../../library/src/testing/index.ts'

/** A store with one bug, and the case that must see it; others may, too. */
export interface Mutant {
  readonly name: string
  readonly caughtBy: string
  readonly factory: StoreFactory
}

/** What a mutant replaces of an open store; `host` is the one the store was opened with. */
export type Alteration<Part> = (whole: Part, opened: OpenStore, host: Host) => Partial<Part>

/** A store whose every opening is altered. */
export function alteredStore(base: Store, alter: (opened: OpenStore, host: Host) => OpenStore): Store {
  return { name: base.name, open: async (host) => alter(await base.open(host), host) }
}

/** A memory store with a broken log. */
export function brokenLog(name: string, caughtBy: string, alter: Alteration<EventLog>): Mutant {
  const factory: StoreFactory = () => ({
    store: alteredStore(memory(), (opened, host) => {
      const whole = delegating(opened.log)
      return { ...opened, log: { ...whole, ...alter(whole, opened, host) } }
    }),
  })
  return { name, caughtBy, factory }
}

/** A memory store that does not get the requests as they are. */
export function brokenRequests(
  name: string,
  caughtBy: string,
  change: (request: AppendRequest) => AppendRequest,
): Mutant {
  return brokenLog(name, caughtBy, (log) => ({
    append: (requests, inline) => log.append(requests.map(change), inline),
  }))
}

/** A memory store that does not give the rows as they are. */
export function brokenRows(
  name: string,
  caughtBy: string,
  changeFor: (host: Host) => (row: EventRow) => EventRow,
): Mutant {
  const factory: StoreFactory = () => {
    let change: ((row: EventRow) => EventRow) | undefined
    const store = alteredStore(memory(), (opened, host) => {
      change ??= changeFor(host)
      return { ...opened, log: withRows(opened.log, change) }
    })
    return { store }
  }
  return { name, caughtBy, factory }
}

/** The same log as an object whose methods can be taken and replaced one by one. */
export function delegating(log: EventLog): EventLog {
  return {
    head: () => log.head(),
    readStream: (slice) => log.readStream(slice),
    readLog: (slice) => log.readLog(slice),
    ...(log.readBriefly && { readBriefly: log.readBriefly.bind(log) }),
    readHashes: (afterPosition, limit) => log.readHashes(afterPosition, limit),
    findKey: (key) => log.findKey(key),
    whenDurable: (position, proof) => log.whenDurable(position, proof),
    append: (requests, inline) => log.append(requests, inline),
    within: (transaction) => log.within(transaction),
    onAppended: (listener) => log.onAppended(listener),
  }
}

function withRows(log: EventLog, change: (row: EventRow) => EventRow): EventLog {
  return {
    ...delegating(log),
    append: async (requests, inline) => {
      const outcomes = await log.append(requests, inline)
      return outcomes.map((outcome) =>
        outcome.kind === 'appended' ? { ...outcome, rows: outcome.rows.map(change) } : outcome,
      )
    },
    readStream: async (slice) => {
      const page = await log.readStream(slice)
      return { ...page, rows: page.rows.map(change) }
    },
    readLog: async (slice) => {
      const page = await log.readLog(slice)
      return { ...page, rows: page.rows.map(change) }
    },
  }
}

/** Appends requests one by one, each decided by what `decide` makes of it and of the answers so far. */
export async function oneByOne(
  log: EventLog,
  requests: readonly AppendRequest[],
  decide: (request: AppendRequest, answers: readonly AppendOutcome[]) => AppendOutcome | AppendRequest,
): Promise<readonly AppendOutcome[]> {
  const answers: AppendOutcome[] = []
  for (const request of requests) {
    const decided = decide(request, answers)
    if ('kind' in decided) answers.push(decided)
    else answers.push(...(await log.append([decided])))
  }
  return answers
}

/** The version of a stream as anybody can read it. */
export async function versionOf(log: EventLog, stream: string): Promise<number> {
  const slice = { stream, fromVersion: 1, toVersion: Number.MAX_SAFE_INTEGER, types: undefined, limit: 1 }
  const { rows } = await log.readStream({ ...slice, direction: 'backwards' })
  return rows[0]?.version ?? 0
}

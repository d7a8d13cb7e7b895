/** Stores whose idempotency keys or conditions do not guard as they should. */
import type { AppendOutcome, KeyRecord } from '../../library/src/core/append-plan.ts'
import type { AppendRequest } from '../../library/src/core/append-request.ts'
import { ConditionError } from '../../library/src/core/errors.ts'
import type { EventLog } from '../../library/src/core/ports/store.ts'
import { memory } from '../../library/src/memory/index.ts'
import {
  alteredStore,
  brokenLog,
  brokenRequests,
  delegating,
  type Mutant,
  oneByOne,
} from './altered-store.ts'

type Condition = AppendRequest['conditions'][number]

function withKey(request: AppendRequest, change: (key: string) => string): AppendRequest {
  return request.key === undefined
    ? request
    : { ...request, key: { ...request.key, key: change(request.key.key) } }
}

/** Keys are looked up first, and written down after the append: not in its transaction. */
function keysOutside(log: EventLog): Partial<EventLog> {
  const records = new Map<string, KeyRecord>()
  const findKey = async (key: string): Promise<KeyRecord | undefined> => records.get(key)
  return {
    findKey,
    append: async (requests, inline) => {
      const answers: AppendOutcome[] = []
      for (const { key, ...request } of requests) {
        const record = key && (await findKey(key.key))
        const [answer] = record
          ? [{ kind: 'repeated' as const, record }]
          : await log.append([{ ...request, key: undefined }], inline)
        if (answer?.kind === 'appended' && key !== undefined) {
          const firstPosition = answer.head - answer.rows.length + 1
          records.set(key.key, { ...key, firstPosition, eventCount: answer.rows.length })
        }
        if (answer !== undefined) answers.push(answer)
      }
      return answers
    },
  }
}

const keys: readonly Mutant[] = [
  brokenLog(
    'a key is checked outside of the transaction',
    '64 uses of one key at once have one effect',
    keysOutside,
  ),
  brokenRequests('keys are not kept', 'a repeat in the same batch has no second effect', (request) => ({
    ...request,
    key: undefined,
  })),
  brokenRequests("a key's content is not compared", 'a key with other content is refused', (request) =>
    request.key === undefined ? request : { ...request, key: { ...request.key, fingerprint: 'same' } },
  ),
  {
    name: 'keys are forgotten when the book is opened again',
    caughtBy: 'a repeat later, also after reopening, gets the first answer',
    factory: () => {
      let openings = 0
      const store = alteredStore(memory(), (opened) => {
        const log = delegating(opened.log)
        const own = (key: string): string => `${openings} ${key}`
        return {
          ...opened,
          log: {
            ...log,
            append: (requests, inline) =>
              log.append(
                requests.map((request) => withKey(request, own)),
                inline,
              ),
            findKey: (key) => log.findKey(own(key)),
          },
          close: async () => {
            openings++
          },
        }
      })
      return { store }
    },
  },
  brokenLog('a refused append uses up its key', 'a refused append does not use up its key', (log) => {
    const refused = new Map<string, AppendOutcome>()
    return {
      append: async (requests) => {
        const known = (request: AppendRequest): AppendOutcome | undefined =>
          refused.get(request.key?.key ?? '')
        const outcomes = await oneByOne(log, requests, (request) => known(request) ?? request)
        for (const [index, outcome] of outcomes.entries()) {
          const key = requests[index]?.key?.key
          if (outcome.kind === 'refused' && key !== undefined) refused.set(key, outcome)
        }
        return outcomes
      },
    }
  }),
  brokenRequests(
    'keys do not tell upper from lower case',
    'keys that look alike are different keys',
    (request) => withKey(request, (key) => key.toLowerCase()),
  ),
  brokenRequests(
    'the key of an append without events is not kept',
    'a key works on an append without events',
    (request) => (request.events.length === 0 ? { ...request, key: undefined } : request),
  ),
]

const matched = 'a condition is matched by types, categories and tags'

function conditioned(name: string, caughtBy: string, change: (condition: Condition) => Condition): Mutant {
  return brokenRequests(name, caughtBy, (request) => ({
    ...request,
    conditions: request.conditions.map(change),
  }))
}

/** Looks whether the conditions hold before the append takes the lock, which then knows of none. */
async function checkedBefore(
  log: EventLog,
  requests: readonly AppendRequest[],
): Promise<readonly (AppendOutcome | AppendRequest)[]> {
  const decided: (AppendOutcome | AppendRequest)[] = []
  for (const request of requests) {
    let error: ConditionError | undefined
    for (const { items, after } of request.conditions) {
      const slice = { afterPosition: after, toPosition: Number.MAX_SAFE_INTEGER, limit: 1 }
      const [found] = (await log.readLog({ ...slice, items })).rows
      if (found !== undefined) error ??= new ConditionError(after, found.position)
    }
    decided.push(error === undefined ? { ...request, conditions: [] } : { kind: 'refused', error })
  }
  return decided
}

const conditions: readonly Mutant[] = [
  brokenRequests('conditions are ignored', matched, (request) => ({ ...request, conditions: [] })),
  conditioned(
    'a condition includes the position after which it looks',
    'a condition looks only after its position, which is not included',
    ({ items, after }) => ({ items, after: Math.max(after - 1, 0) }),
  ),
  conditioned(
    'a condition looks one event too late',
    'a condition looks only after its position, which is not included',
    ({ items, after }) => ({ items, after: after + 1 }),
  ),
  conditioned('only the first item of a condition counts', matched, ({ items, after }) => ({
    items: items.slice(0, 1),
    after,
  })),
  conditioned('any tag of an item is enough', matched, ({ items, after }) => ({
    items: items.flatMap((item) => item.tags?.map((tag) => ({ ...item, tags: [tag] })) ?? [item]),
    after,
  })),
  conditioned('an item is taken by its first tag', matched, ({ items, after }) => ({
    items: items.map((item) => ({ ...item, ...(item.tags && { tags: item.tags.slice(0, 1) }) })),
    after,
  })),
  conditioned('a condition does not look at categories beside types', matched, ({ items, after }) => ({
    items: items.map(({ categories, ...item }) =>
      item.types === undefined && categories !== undefined ? { ...item, categories } : item,
    ),
    after,
  })),
  brokenRequests('only the first condition counts', 'of several conditions each must hold', (request) => ({
    ...request,
    conditions: request.conditions.slice(0, 1),
  })),
  brokenLog(
    'conditions are checked before the lock is taken',
    'of many appends on one condition at once exactly one wins',
    (log) => ({
      append: async (requests) => {
        const decided = await checkedBefore(log, requests)
        let next = 0
        return oneByOne(log, requests, (request) => decided[next++] ?? request)
      },
    }),
  ),
  brokenLog(
    'conditions do not see the rest of the batch',
    'a condition sees what was accepted before it in the same batch, and only that',
    (log) => {
      let lock: Promise<unknown> = Promise.resolve()
      const decide = async (requests: readonly AppendRequest[]): Promise<readonly AppendOutcome[]> => {
        const decided = await checkedBefore(log, requests)
        let next = 0
        return oneByOne(log, requests, (request) => decided[next++] ?? request)
      }
      return {
        append: (requests) => {
          const turn = lock.then(() => decide(requests))
          lock = turn.catch(() => undefined)
          return turn
        },
      }
    },
  ),
  brokenLog(
    'conditions are taken for those of the request before',
    'each request of a batch is held to its own conditions',
    (log) => ({
      append: (requests, inline) => {
        const shifted = requests.map((request, index) => ({
          ...request,
          conditions: requests.at(index - 1)?.conditions ?? [],
        }))
        return log.append(shifted, inline)
      },
    }),
  ),
]

export const guardingMutants: readonly Mutant[] = [...keys, ...conditions]

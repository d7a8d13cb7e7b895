import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import {
  type BookOptions,
  type Diagnostic,
  defineEvents,
  openBook,
  type Reaction,
  reaction,
} from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({ Paid: z.object({ n: z.int() }), Noted: z.object({}) })

type Run = Parameters<typeof reaction<{ Paid: typeof paidSchema }, 'Paid'>>[1]['run']
const paidSchema = z.object({ n: z.int() })
const paidOnly = defineEvents({ Paid: paidSchema })

interface MailOptions {
  readonly startAt?: 'now' | 'beginning'
  readonly maxAttempts?: number
  readonly onFailure?: 'stop'
}

function mail(run: Run, options: MailOptions = {}): Reaction {
  return reaction('mail', { from: paidOnly, types: ['Paid'], run, ...options })
}

const impatient: NonNullable<BookOptions['host']> = {
  sleep: (timeMs, signal) => (timeMs >= 1_000 ? slept(signal) : Promise.resolve()),
}

/** Sleeps until the signal says that it is enough. */
function slept(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new Error('awake')), { once: true })
  })
}

test('effects run after commit, once for each event of their types, in order', async () => {
  const done = Promise.withResolvers<void>()
  const seen: [number, string, number][] = []
  const ids: string[] = []
  const run: Run = ({ data, id }, { idempotencyKey, attempt }) => {
    seen.push([data.n, idempotencyKey, attempt])
    ids.push(id)
    if (seen.length === 30) done.resolve()
  }
  await using book = await openBook({ store: memory(), reactions: [mail(run)] })
  for (let n = 0; n < 30; n++) {
    await book.append('order-1', [events.Paid({ n }), events.Noted({})])
    await book.append('order-1', events.Paid({ n: -1 }), { expectedVersion: 0 }).catch(() => undefined)
  }
  await done.promise
  assert.deepEqual(
    seen,
    ids.map((id, n) => [n, id, 1]),
  )
})

test('a reaction new to a book starts at its end, unless it asks for the beginning', async () => {
  const store = memory()
  await using writer = await openBook({ store })
  await writer.append('order-1', events.Paid({ n: 1 }))
  for (const [startAt, expected] of [
    ['beginning', [1, 2]],
    ['now', [2]],
  ] as const) {
    const seen: number[] = []
    const done = Promise.withResolvers<void>()
    const named = reaction(`mail ${startAt}`, {
      from: paidOnly,
      types: ['Paid'],
      startAt,
      run: ({ data }) => {
        seen.push(data.n)
        if (data.n === 2) done.resolve()
      },
    })
    await using book = await openBook({ store, reactions: [named] })
    if (startAt === 'beginning') await writer.append('order-1', events.Paid({ n: 2 }))
    else await book.append('order-1', events.Paid({ n: 2 }))
    await done.promise
    assert.deepEqual(seen, expected)
  }
})

test('a failing effect is tried again with the same key, reported each time, and then goes on', async () => {
  const done = Promise.withResolvers<void>()
  const attempts: [string, number][] = []
  const reports: Diagnostic[] = []
  const run: Run = ({ data }, { idempotencyKey, attempt }) => {
    attempts.push([idempotencyKey, attempt])
    if (data.n === 1 && attempt < 3) throw new Error('unreachable')
    if (data.n === 2) done.resolve()
  }
  await using book = await openBook({
    store: memory(),
    host: impatient,
    reactions: [mail(run)],
    onDiagnostic: (diagnostic) => reports.push(diagnostic),
  })
  const { events: appended } = await book.append('order-1', [events.Paid({ n: 1 }), events.Paid({ n: 2 })])
  await done.promise
  const [first, second] = appended.map(({ id }) => id)
  assert.deepEqual(attempts, [
    [first, 1],
    [first, 2],
    [first, 3],
    [second, 1],
  ])
  assert.deepEqual(
    reports.map(({ kind }) => kind),
    ['event-retrying', 'event-retrying'],
  )
})

test('an effect that keeps failing is parked, and later ones of its stream wait for a person', async () => {
  const store = memory()
  const parked = Promise.withResolvers<void>()
  const other = Promise.withResolvers<void>()
  const onDiagnostic = ({ kind }: Diagnostic): void => {
    if (kind === 'event-parked') parked.resolve()
  }
  const seen: number[] = []
  const failing = mail(
    ({ data }) => {
      seen.push(data.n)
      if (data.n === 2) throw new Error('unreachable')
      if (data.n === 4) other.resolve()
    },
    { maxAttempts: 3 },
  )
  const book = await openBook({ store, host: impatient, reactions: [failing], onDiagnostic })
  await book.append(
    'order-1',
    [1, 2, 3].map((n) => events.Paid({ n })),
  )
  await book.append('order-2', events.Paid({ n: 4 }))
  await Promise.all([parked.promise, other.promise])
  await book.close()
  assert.deepEqual(
    seen.toSorted((a, b) => a - b),
    [1, 2, 2, 2, 4],
  )
  await using watching = await openBook({ store, follow: false, reactions: [failing] })
  const aside = await watching.subscriptions.parked({ subscription: 'mail' })
  assert.deepEqual(
    aside.map(({ position, status, attempts, error }) => [position, status, attempts, error]),
    [
      [2, 'parked', 3, 'unreachable'],
      [3, 'waiting', 0, null],
    ],
  )
})

test('an effect told to stop stops at its event, skips nothing, and is tried again at the next opening', async () => {
  const store = memory()
  const stopped = Promise.withResolvers<void>()
  const onDiagnostic = ({ kind }: Diagnostic): void => {
    if (kind === 'reaction-stopped') stopped.resolve()
  }
  const seen: number[] = []
  const failing = mail(
    ({ data }) => {
      seen.push(data.n)
      if (data.n === 2) throw new Error('unreachable')
    },
    { maxAttempts: 3, onFailure: 'stop' },
  )
  const host = impatient
  const book = await openBook({ store, host, reactions: [failing], onDiagnostic })
  await book.append(
    'order-1',
    [1, 2, 3].map((n) => events.Paid({ n })),
  )
  await stopped.promise
  await book.close()
  assert.deepEqual(seen, [1, 2, 2, 2])

  const done = Promise.withResolvers<void>()
  const again: number[] = []
  const working = mail(
    ({ data }) => {
      again.push(data.n)
      if (data.n === 3) done.resolve()
    },
    { onFailure: 'stop' },
  )
  await using reopened = await openBook({ store, reactions: [working] })
  await done.promise
  assert.deepEqual(again, [2, 3])
  assert.equal(await reopened.head(), 3)
})

test('closing aborts the effect under way, which runs again at the next opening', async () => {
  const store = memory()
  const begun = Promise.withResolvers<void>()
  const hanging = mail((_event, { signal }) => {
    begun.resolve()
    return slept(signal)
  })
  const book = await openBook({ store, reactions: [hanging] })
  await book.append('order-1', events.Paid({ n: 1 }))
  await begun.promise
  await book.close()
  const done = Promise.withResolvers<number>()
  await using reopened = await openBook({ store, reactions: [mail(({ data }) => done.resolve(data.n))] })
  assert.equal(await done.promise, 1)
  assert.equal(reopened.name, 'memory:')
})

test('a reaction to types that are not of its events is refused', () => {
  const run = (): void => undefined
  assert.throws(() => reaction('mail', { from: paidOnly, types: [], run }), { code: 'DEFINITION_INVALID' })
  assert.throws(() => reaction('mail', { from: paidOnly, types: JSON.parse('["Unknown"]'), run }), {
    code: 'DEFINITION_INVALID',
  })
})

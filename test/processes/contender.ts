/**
 * One of several processes that all do the same at once: `node contender.ts <task> <address> <name>`. It says that it
 * is ready, waits for the word to go, and reports what it was told.
 */
import { randomUUID } from 'node:crypto'
import { decider, defineEvents, openBook, projection } from 'daybook'
import { z } from 'zod'
import { nodeHost } from '../../library/src/host/node-host.ts'
import { migratePostgres, postgres } from '../../library/src/postgres/index.ts'

const [task = '', address = '', name = ''] = process.argv.slice(2)

const events = defineEvents({ Counted: z.object({ by: z.string() }) })

const counter = decider('counter', {
  events,
  initialState: { count: 0 },
  evolve: { Counted: (state) => ({ count: state.count + 1 }) },
  commands: { count: (_state, by: string) => events.Counted({ by }) },
})

const counts = projection('counts', {
  from: events,
  mode: 'inline',
  key: ({ streamId }) => streamId,
  initial: { count: 0 },
  columns: { count: 'integer' },
  evolve: { Counted: (document) => ({ count: document.count + 1 }) },
})

const store = postgres(address, { migrate: true })

function wordToGo(): Promise<void> {
  const gone = new Promise<void>((resolve) => process.once('message', () => resolve()))
  process.send?.('ready')
  return gone
}

const tasks: { readonly [task: string]: () => Promise<unknown> } = {
  /** Each version of one stream is wanted by everybody. */
  versions: async () => {
    await using book = await openBook({ store, deciders: [counter] })
    await wordToGo()
    const won: number[] = []
    for (let version = 0; version < 40; version++) {
      try {
        await book.append('counter-1', events.Counted({ by: name }), { expectedVersion: version })
        won.push(version)
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'CONCURRENCY_CONFLICT')) throw error
      }
    }
    return won
  },

  /** Each key is used by everybody, and by each several times at once. */
  keys: async () => {
    await using book = await openBook({ store, deciders: [counter] })
    await wordToGo()
    const answers: (readonly [string, number, boolean])[] = []
    for (let n = 0; n < 25; n++) {
      const idempotencyKey = `key:${n}`
      const uses = Array.from({ length: 8 }, () =>
        book.append(`counter-${n}`, events.Counted({ by: 'anybody' }), { idempotencyKey }),
      )
      for (const { position, isRepeat } of await Promise.all(uses))
        answers.push([idempotencyKey, position, isRepeat])
    }
    return answers
  },

  /** An empty database becomes a book: half of them open it, the others migrate it first. */
  migrate: async () => {
    await wordToGo()
    if (Number(name) % 2 === 0) await migratePostgres(address)
    const opened = await store.open(nodeHost())
    const { bookId } = opened.identity
    await opened.close()
    return bookId
  },

  /** A read model that nobody has is prepared, and its first change is made by one. */
  prepare: async () => {
    const opened = await store.open(nodeHost())
    await wordToGo()
    const { readModels } = opened
    const shape = { name: 'prepared', version: 1, columns: { count: 'integer', by: 'text' } } as const
    const at = (position: number) => ({ position, epoch: 1, fingerprint: 'f', updatedAtMs: 1 })
    await readModels.prepare(shape, 'prepared@1', at(0))
    const upserts = [{ key: name, document: '{}', columns: [1, name] }]
    const change = {
      shape,
      subscription: 'prepared@1',
      fromPosition: 0,
      checkpoint: at(1),
      upserts,
      deletes: [],
    }
    const isMade = await readModels.change(change)
    await opened.close()
    return isMade
  },

  /** Commands on one stream, with a read model that is part of each append. */
  inline: async () => {
    const retries = { maxAttempts: 200 }
    await using book = await openBook({ store, deciders: [counter], projections: [counts], retries })
    await wordToGo()
    const commands = Array.from({ length: 30 }, () =>
      book.execute(counter.count('1', name), { idempotencyKey: randomUUID() }),
    )
    return (await Promise.all(commands)).map(({ version }) => version)
  },
}

const answer = await tasks[task]?.()
process.send?.(answer, () => process.disconnect())

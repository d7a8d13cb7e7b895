/** Projections into the application's own tables, on every store that has SQL. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setImmediate as immediate } from 'node:timers/promises'
import { type Book, openBook, sqlProjection } from 'daybook'
import { memory } from 'daybook/memory'
import { sqlite } from 'daybook/sqlite'
import {
  both,
  deposit,
  events,
  folder,
  insert,
  ledger,
  type Options,
  places,
  range,
  reach,
  reported,
  run,
  table,
} from './sql-projections/ledger.ts'

for (const [dialect, place] of Object.entries(places)) {
  describe(dialect, () => {
    test('tables are made, filled in batches, and known of in the status', async () => {
      const { store, rows } = await place()
      const projection = ledger()
      await using book = await openBook({ store, sqlProjections: [projection] })
      assert.deepEqual(await rows('SELECT * FROM ledger'), [])
      const notBefore = await deposit(book, ...range(450))
      await book.append('account-2', events.Withdrawn({ cents: 7 }))
      await reach(book, projection, notBefore + 1)
      const [sums] = await rows('SELECT count(*), sum(cents), count(DISTINCT account) FROM ledger')
      assert.deepEqual(sums?.map(Number), [451, 450 * 100 + (449 * 450) / 2 - 7, 2])
      const [status] = await book.status()
      assert.deepEqual(
        [
          status?.kind,
          status?.name,
          status?.version,
          status?.mode,
          status?.position,
          status?.behind,
          status?.isStuck,
        ],
        ['projection', 'ledger', 1, 'sql', notBefore + 1, 0, false],
      )
    })

    test('functions may return a statement, wait for several, or not wait at all', async () => {
      const { store, rows } = await place()
      const projection = ledger({
        tables: both(
          'CREATE TABLE balance (account text PRIMARY KEY, cents bigint NOT NULL)',
          'CREATE TABLE step (cents bigint)',
        ),
        clear: both('DROP TABLE balance', 'DROP TABLE step'),
        evolve: {
          async Deposited(sql, { cents }, event) {
            const [row] = await run(sql, 'SELECT cents FROM balance WHERE account = ?', event.streamId)
            if (row === undefined) await run(sql, 'INSERT INTO balance VALUES (?, ?)', event.streamId, cents)
            else
              void run(
                sql,
                'UPDATE balance SET cents = ? WHERE account = ?',
                Number(row.cents) + cents,
                event.streamId,
              )
          },
          Withdrawn(sql, { cents }) {
            void run(sql, 'UPDATE balance SET cents = cents - ?', cents)
            void run(sql, 'INSERT INTO step VALUES (?)', cents)
          },
        },
      })
      await using book = await openBook({ store, sqlProjections: [projection] })
      const all = range(300).flatMap((cents) => [
        events.Deposited({ cents }),
        events.Withdrawn({ cents: cents - 1 }),
      ])
      const { position } = await book.append('account-1', all)
      await reach(book, projection, position)
      assert.deepEqual((await rows('SELECT cents FROM balance'))[0]?.map(Number), [300])
      assert.deepEqual((await rows('SELECT count(*) FROM step'))[0]?.map(Number), [300])
    })

    test('of several openings at once each event is done once, and the tables are made once', async () => {
      const { store, rows } = await place()
      await (await openBook({ store })).close()
      const opened = await Promise.all(
        range(4).map(async () => {
          const projection = ledger()
          return { projection, book: await openBook({ store, sqlProjections: [projection] }) }
        }),
      )
      const ends = await Promise.all(opened.map(({ book }) => deposit(book, ...range(60))))
      const notBefore = Math.max(...ends)
      await Promise.all(opened.map(({ book, projection }) => reach(book, projection, notBefore)))
      assert.deepEqual((await rows('SELECT count(*) FROM ledger'))[0]?.map(Number), [240])
      await Promise.all(opened.map(({ book }) => book.close()))
    })

    test('an event that is refused stops the projection right before it, until a person decides', async () => {
      const { store, rows } = await place()
      const { seen, options } = reported('projection-stopped')
      const projection = ledger()
      await using book = await openBook({ store, sqlProjections: [projection], ...options })
      const notBefore = await deposit(book, ...range(120), 13, ...range(120))
      const { error, message } = await seen
      assert.match(message, /failed on Deposited at position 241/)
      assert.equal((error as { code?: string }).code, 'PROJECTION_FAILED')
      assert.deepEqual((await rows('SELECT count(*), max(position) FROM ledger'))[0]?.map(Number), [120, 239])
      const [status] = await book.status()
      assert.deepEqual([status?.state, status?.position, status?.parked.parked], ['stopped', 239, 1])
      await assert.rejects(book.whenReached(projection, { notBefore, timeoutMs: 5_000 }), {
        code: 'READ_MODEL_TIMEOUT',
        message: /has stopped: .*position 241/,
      })
      await book.subscriptions.skip('ledger', 241, { reason: 'unlucky', actor: 'ops' })
      await resumed(book, projection, notBefore)
      assert.deepEqual((await rows('SELECT count(*) FROM ledger'))[0]?.map(Number), [240])
    })

    test('an event that is refused is parked, alone, and done when a person says so', async () => {
      const { store, rows } = await place()
      let lucky = false
      const parked: number[] = []
      const projection = ledger({
        onFailure: 'park',
        evolve: {
          Deposited(sql, { cents }, event) {
            if (cents === 113 && !lucky) throw new Error('unlucky')
            return run(sql, insert, event.position, event.streamId, cents)
          },
        },
      })
      await using book = await openBook({
        store,
        sqlProjections: [projection],
        onDiagnostic: ({ kind, message }) => {
          if (kind === 'event-parked') parked.push(Number(/event (\d+)/.exec(message)?.[1]))
        },
      })
      const notBefore = await deposit(book, ...range(250), 13, ...range(10))
      await reach(book, projection, notBefore)
      const found = await book.subscriptions.parked()
      assert.deepEqual(
        found.map(({ position, status, attempts }) => [position, status, attempts]),
        [
          [27, 'parked', 1],
          [501, 'parked', 1],
        ],
      )
      assert.match(found[0]?.error ?? '', /unlucky/)
      assert.deepEqual(parked, [27, 501])
      assert.deepEqual((await rows('SELECT count(*) FROM ledger'))[0]?.map(Number), [259])
      lucky = true
      await book.subscriptions.retry('ledger', 'all')
      await until(async () => (await book.subscriptions.parked()).every(({ status }) => status === 'parked'))
      const left = await book.subscriptions.parked()
      assert.deepEqual(
        left.map(({ position, attempts }) => [position, attempts]),
        [[501, 2]],
      )
      assert.deepEqual(
        await rows('SELECT position FROM ledger WHERE position IN (27, 501)').then((all) =>
          all.map(([p]) => Number(p)),
        ),
        [27],
      )
    })

    test('an event that only the commit refuses is found by halves', async () => {
      const { store, rows } = await place()
      const owners = 'CREATE TABLE owner (id bigint PRIMARY KEY)'
      const entries =
        'CREATE TABLE entry (position bigint PRIMARY KEY, owner bigint REFERENCES owner (id) DEFERRABLE INITIALLY DEFERRED)'
      const projection = ledger({
        onFailure: 'park',
        tables: both(owners, 'INSERT INTO owner VALUES (1)', entries),
        clear: both('DROP TABLE entry', 'DROP TABLE owner'),
        evolve: {
          Deposited: (sql, { cents }, { position }) =>
            run(sql, 'INSERT INTO entry VALUES (?, ?)', position, cents === 113 ? 2 : 1),
        },
      })
      await using book = await openBook({ store, sqlProjections: [projection] })
      const notBefore = await deposit(book, ...range(90))
      await reach(book, projection, notBefore)
      assert.deepEqual(
        (await book.subscriptions.parked()).map(({ position }) => position),
        [27],
      )
      assert.deepEqual((await rows('SELECT count(*) FROM entry'))[0]?.map(Number), [89])
    })

    test('a rebuild clears the tables and fills them again, with what was parked', async () => {
      const { store, rows } = await place()
      const projection = ledger({ onFailure: 'park' })
      await using book = await openBook({ store, sqlProjections: [projection] })
      const notBefore = await deposit(book, 1, 2, 13, 3)
      await reach(book, projection, notBefore)
      await rows('UPDATE ledger SET cents = 1000000').catch(() => undefined)
      await book.rebuild(projection)
      assert.deepEqual(
        (await rows('SELECT position, cents FROM ledger ORDER BY position')).map((row) => row.map(Number)),
        [
          [1, 1],
          [3, 2],
          [7, 3],
        ],
      )
      assert.deepEqual(
        (await book.subscriptions.parked()).map(({ position }) => position),
        [5],
      )
    })

    test('a rebuild also works in a book that does not follow', async () => {
      const { store, rows } = await place()
      const projection = ledger()
      await using book = await openBook({ store, sqlProjections: [projection], follow: false })
      await deposit(book, 1, 2)
      assert.deepEqual(await rows('SELECT * FROM ledger'), [])
      await book.rebuild(projection)
      assert.equal((await rows('SELECT * FROM ledger')).length, 2)
    })

    test('a rebuild tells how far it is, and one that is given up is gone on with by who follows', async () => {
      const { store, rows } = await place()
      const projection = ledger()
      const told: (readonly [number, number])[] = []
      {
        await using book = await openBook({ store, sqlProjections: [projection], follow: false })
        // More than the largest batch.
        for (let times = 0; times < 3; times++) await deposit(book, ...range(450))
        const head = await book.head()
        await book.rebuild(projection, { onProgress: (...at) => told.push(at) })
        assert.deepEqual([told.length > 2, told[0], told.at(-1)], [true, [0, head], [head, head]])
        const giving = new AbortController()
        const onProgress = (position: number): void => {
          if (position > 0) giving.abort(new Error('given up'))
        }
        const given = book.rebuild(projection, { onProgress, signal: giving.signal })
        await assert.rejects(given, { message: 'given up' })
        const [sums] = await rows('SELECT count(*) FROM ledger')
        assert.ok(Number(sums?.[0]) > 0 && Number(sums?.[0]) < 1_350)
      }
      await using book = await openBook({ store, sqlProjections: [projection] })
      await reach(book, projection, await book.head())
      assert.deepEqual((await rows('SELECT count(*) FROM ledger'))[0]?.map(Number), [1_350])
    })

    test('changed code is noticed, and a new version begins anew beside', async () => {
      const { store, rows } = await place()
      const first = ledger()
      await using book = await openBook({ store, sqlProjections: [first] })
      await reach(book, first, await deposit(book, 5))
      const evolve: Options['evolve'] = {
        Deposited: (sql, { cents }) => run(sql, 'INSERT INTO sums VALUES (?)', cents),
      }
      const { seen, options } = reported('projection-changed')
      await using changed = await openBook({
        store,
        sqlProjections: [ledger({ evolve })],
        follow: false,
        ...options,
      })
      assert.equal((await seen).subject, 'ledger@1')
      assert.equal((await changed.status())[0]?.isChanged, true)
      const second = ledger({
        version: 2,
        evolve,
        tables: both('CREATE TABLE sums (cents bigint)'),
        clear: both('DROP TABLE sums'),
      })
      await using newer = await openBook({ store, sqlProjections: [second] })
      await reach(newer, second, await newer.head())
      assert.equal((await rows('SELECT * FROM sums')).length, 1)
      assert.equal((await rows('SELECT * FROM ledger')).length, 1)
    })

    test('tables that cannot be made are said when the book is opened, and nothing of them stays', async () => {
      const { store, rows } = await place()
      const broken = ledger({ tables: both(table, 'CREATE TABLE ledger (again bigint)') })
      await assert.rejects(openBook({ store, sqlProjections: [broken] }), {
        code: 'PROJECTION_FAILED',
        message: /cannot make its tables.*CREATE TABLE ledger \(again/s,
      })
      await using book = await openBook({ store, sqlProjections: [ledger()] })
      assert.equal(await book.head(), 0)
      assert.deepEqual(await rows('SELECT * FROM ledger'), [])
    })
  })
}

/** Asks until something is so; the test's own time-out ends it. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await immediate()
}

/** Resolves when the projection goes on again, which it does within a second of the decision. */
async function resumed(book: Book, projection: ReturnType<typeof ledger>, notBefore: number): Promise<void> {
  await until(async () => (await book.status())[0]?.state !== 'stopped')
  await reach(book, projection, notBefore)
}

test('a store without SQL, and one it has no tables for, are refused', async () => {
  await assert.rejects(openBook({ store: memory(), sqlProjections: [ledger()] }), {
    code: 'UNSUPPORTED',
    message: /needs a store with SQL/,
  })
  const other = ledger({ tables: { postgres: [table] }, clear: { postgres: [] } })
  await assert.rejects(openBook({ store: sqlite(join(folder, 'other.db')), sqlProjections: [other] }), {
    code: 'DEFINITION_INVALID',
    message: /has no tables for sqlite; it has them for postgres/,
  })
})

test('definitions that contradict themselves are refused', () => {
  const invalid = { code: 'DEFINITION_INVALID' }
  assert.throws(() => ledger({ evolve: {} }), invalid)
  assert.throws(() => ledger({ tables: {}, clear: {} }), invalid)
  assert.throws(() => ledger({ clear: { sqlite: [] } }), invalid)
  assert.throws(
    () => sqlProjection('No name', { from: events, tables: both(), clear: both(), evolve: {} }),
    invalid,
  )
  assert.throws(() => ledger({ evolve: { Unknown: () => undefined } as never }), invalid)
})

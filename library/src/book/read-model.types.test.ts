import { test } from 'node:test'
import { z } from 'zod'
import { type Book, correlationOf, defineEvents, projection, sqlProjection } from '../index.ts'

const events = defineEvents({
  Deposited: z.object({ cents: z.int(), owner: z.string() }),
  Closed: z.object({}),
})
const balances = projection('balances', {
  from: events,
  key: correlationOf,
  initial: { cents: 0, owner: '', isOpen: true },
  columns: { cents: 'integer', owner: 'text', isOpen: 'boolean' },
  evolve: { Deposited: (document, { cents, owner }) => ({ ...document, cents, owner }) },
})

/** Never called: the compiler is the test. */
export async function typed(book: Book): Promise<void> {
  const model = book.read(balances)
  const where = {
    cents: { gte: 1, lt: 9 },
    owner: { prefix: 'A' },
    key: { prefix: '4' },
    isOpen: true,
  } as const
  const page = await model.page({ where, orderBy: { cents: 'desc', key: 'asc' }, limit: 5, after: 'cursor' })
  const cents: number | undefined = page.items[0]?.document.cents
  const next: string | undefined = page.next
  await model.get('1', { asOf: new Date(cents ?? 0), timeline: 'recorded' })
  await model.find({ asOf: next ?? 7 })
  // @ts-expect-error a number does not begin with a text
  await model.find({ where: { cents: { prefix: '1' } } })
  // @ts-expect-error what text begins with is text
  await model.find({ where: { owner: { prefix: 7 } } })
  // @ts-expect-error no declared column
  await model.page({ orderBy: { movements: 'asc' } })
  // @ts-expect-error a column is compared with values of its type
  await model.count({ where: { isOpen: 'yes' } })
  // @ts-expect-error there are two time lines
  await model.get('1', { asOf: 1, timeline: 'other' })
  // @ts-expect-error a cursor goes with a page
  await model.find({ after: 'cursor' })
  const texts = { sqlite: ['CREATE TABLE t (a)'] }
  const sql = sqlProjection('sql', {
    from: events,
    tables: texts,
    clear: texts,
    evolve: { Deposited: (transaction, data) => transaction.query(data.owner, [data.cents]) },
  })
  await book.whenReached(sql, { notBefore: 1 })
  // @ts-expect-error its tables are the application's to read
  book.read(sql)
  // @ts-expect-error no event of these
  sqlProjection('sql', { from: events, tables: texts, clear: texts, evolve: { Unknown: () => undefined } })
}

test('read models, pages, the past and SQL projections are typed', () => undefined)

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { type Book, defineEvents, openBook, type Page, type ProjectionMode, projection } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  Deposited: z.object({ cents: z.int().nullable(), owner: z.string().optional() }),
})

function balances(mode: ProjectionMode, name = 'balances') {
  return projection(name, {
    from: events,
    mode,
    key: (event) => event.streamId,
    initial: { cents: null as number | null, owner: '' },
    columns: { cents: 'integer', owner: 'text' },
    evolve: { Deposited: (_, { cents, owner }) => ({ cents, owner: owner ?? '' }) },
  })
}

async function filled(book: Book): Promise<number> {
  let position = 0
  for (const [nth, cents] of [30, null, 10, 20, 10, null, 0].entries())
    position = (
      await book.append(`account-${nth}`, events.Deposited({ cents, owner: nth < 4 ? 'Ada' : 'Al' }))
    ).position
  return position
}

function keys(page: Page<unknown>): string {
  return page.items.map(({ key }) => key).join('')
}

for (const mode of ['async', 'inline', 'live'] as const) {
  test(`${mode}: pages follow each other by their cursors, and the last one has none`, async () => {
    const definition = balances(mode)
    await using book = await openBook({ store: memory(), projections: [definition] })
    const notBefore = await filled(book)
    const model = book.read(definition)
    // Ascending: nulls 1 and 5, then 6 (0), 2 and 4 (10), 3 (20), 0 (30).
    const orders = [
      [{ cents: 'asc' }, ['156', '243', '0']],
      [{ cents: 'desc' }, ['032', '461', '5']],
      [{ owner: 'desc', cents: 'asc' }, ['564', '123', '0']],
      [{ key: 'desc' }, ['654', '321', '0']],
      [{}, ['012', '345', '6']],
    ] as const
    for (const [orderBy, pages] of orders) {
      let after: string | undefined
      for (const [nth, expected] of pages.entries()) {
        const page: Page<unknown> = await model.page({ orderBy, limit: 3, after, notBefore })
        assert.equal(keys(page), expected, JSON.stringify(orderBy))
        assert.equal(page.next === undefined, nth === pages.length - 1)
        after = page.next
      }
    }
    assert.deepEqual(await model.page({ where: { cents: 99 } }), { items: [], next: undefined })
  })

  test(`${mode}: all of them in an order, with a condition`, async () => {
    const definition = balances(mode)
    await using book = await openBook({ store: memory(), projections: [definition] })
    const notBefore = await filled(book)
    const found: string[] = []
    const options = { where: { cents: { ne: null } }, orderBy: { cents: 'desc' }, notBefore } as const
    for await (const { key } of book.read(definition).all(options)) found.push(key)
    assert.equal(found.join(''), '03246')
  })
}

test('a cursor goes with its query, whatever the limit', async () => {
  const [one, other] = [balances('async'), balances('async', 'others')]
  await using book = await openBook({ store: memory(), projections: [one, other] })
  const notBefore = await filled(book)
  const model = book.read(one)
  const orderBy = { cents: 'asc' } as const
  const { next: after } = await model.page({ orderBy, limit: 2, notBefore })
  assert.equal(keys(await model.page({ orderBy, limit: 10, after })), '62430')
  const refused = { code: 'CURSOR_INVALID' }
  await assert.rejects(model.page({ after }), refused)
  await assert.rejects(model.page({ orderBy: { cents: 'desc' }, after }), refused)
  await assert.rejects(model.page({ orderBy, where: { owner: 'Ada' }, after }), refused)
  await assert.rejects(book.read(other).page({ orderBy, after }), refused)
  await assert.rejects(model.page({ orderBy, after: 'no cursor' }), refused)
})

test('all of more than a page of documents', async () => {
  const definition = balances('async')
  await using book = await openBook({ store: memory(), projections: [definition] })
  const writes = Array.from({ length: 2_500 }, (_, nth) => ({
    stream: `account-${nth}`,
    events: [events.Deposited({ cents: nth % 7 === 0 ? null : nth % 5 })],
  }))
  let notBefore = 0
  for (let start = 0; start < writes.length; start += 500)
    notBefore = (await book.append(writes.slice(start, start + 500))).position
  const model = book.read(definition)
  const found: (number | null)[] = []
  const seen = new Set<string>()
  for await (const { key, document } of model.all({ orderBy: { cents: 'desc' }, notBefore })) {
    found.push(document.cents)
    seen.add(key)
  }
  assert.equal(seen.size, 2_500)
  assert.equal(found.length, 2_500)
  assert.deepEqual(
    found,
    found.toSorted((a, b) => (b ?? -1) - (a ?? -1)),
  )
})

test('text is found by how it begins', async () => {
  const definition = balances('async')
  await using book = await openBook({ store: memory(), projections: [definition] })
  const owners = ['An', 'Anna', 'Ann\u{10ffff}', 'Ao', 'an', '\ud7ff', '\ud7ff1', '\ue000', '']
  let notBefore = 0
  for (const [nth, owner] of owners.entries())
    notBefore = (await book.append(`account-${nth}`, events.Deposited({ cents: 0, owner }))).position
  const model = book.read(definition)
  const found = async (prefix: string): Promise<string> =>
    (await model.find({ where: { owner: { prefix } }, notBefore })).map(({ key }) => key).join('')
  for (const prefix of ['An', 'Ann', 'A', 'a', '\ud7ff', '\u{10ffff}', 'Ann\u{10ffff}', '']) {
    const expected = owners.flatMap((owner, nth) => (owner.startsWith(prefix) ? [nth] : [])).join('')
    assert.equal(await found(prefix), expected, JSON.stringify(prefix))
  }
  assert.equal(await model.count({ where: { key: { prefix: '1' } } }), 1)
  const illegal = { code: 'ILLEGAL_QUERY' }
  await assert.rejects(model.find({ where: { cents: { prefix: '1' as never } } }), illegal)
  await assert.rejects(model.find({ where: { owner: { prefix: 7 as never } } }), illegal)
})

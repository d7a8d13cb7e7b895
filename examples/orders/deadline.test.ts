import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Book } from 'daybook'
import { memory } from 'daybook/memory'
import { sqlite } from 'daybook/sqlite'
import { type TestHost, testHost } from 'daybook/testing'
import { Carrier } from './carrier.ts'
import { order } from './order.ts'
import { PaymentGateway } from './payment-gateway.ts'
import { journeys, orders } from './projections.ts'
import { openShop, paymentConfirmed } from './shop.ts'

const folder = await mkdtemp(join(tmpdir(), 'daybook-orders-'))
after(() => rm(folder, { recursive: true, force: true }))

const hourMs = 3_600_000
const stores = { memory: () => memory(), SQLite: () => sqlite(join(folder, 'shop.db')) }

/** Lets a little virtual time pass until something is so. */
async function until(host: TestHost, isSo: () => Promise<boolean>) {
  while (!(await isSo())) await host.advance(10)
}

const waitingFor = async (book: Book) =>
  (await book.processes.pending()).map(({ key, waitsFor }) => `${key}: ${waitsFor.map(({ kind }) => kind)}`)

for (const [name, store] of Object.entries(stores)) {
  test(`${name}: what is not paid within 24 hours is cancelled, and paid back if it is paid later`, async () => {
    const host = testHost()
    const gateway = new PaymentGateway({ slow: ['Bob'] })
    await using book = await openShop(store(), { gateway, carrier: new Carrier() }, { host })
    const basket = { customer: 'Bob', address: 'Lime Street 2', cents: 12_00 }
    const [placed] = (await book.execute(order.place('7', basket))).events
    assert.ok(placed)
    const isDue = async () => (await waitingFor(book)).includes('7: deadline')
    await until(host, isDue)

    await host.skip(23 * hourMs)
    assert.deepEqual(await waitingFor(book), ['7: deadline'])
    await host.skip(hourMs)
    await until(host, async () => (await book.processes.pending()).length === 0)
    const cancelled = { status: 'cancelled', reason: 'not paid within 24 hours' }
    const notBefore = await book.head()
    const found = book.read(orders).get('7', { notBefore })
    await until(host, async () => (await book.status()).every(({ behind }) => behind === 0))
    assert.partialDeepStrictEqual(await found, cancelled)

    await paymentConfirmed(book, await gateway.confirm('7'))
    await paymentConfirmed(book, await gateway.confirm('7'))
    await until(host, async () => (await book.read(journeys).get(placed.id))?.paid === 'back')
    assert.deepEqual(
      gateway.movements().map(({ cents }) => cents),
      [12_00, -12_00],
    )
    assert.partialDeepStrictEqual(await book.read(orders).get('7'), cancelled)
  })
}

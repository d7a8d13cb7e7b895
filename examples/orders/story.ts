/** What becomes of four orders: `node examples/orders/story.ts`. Book and clock are the story's own: a day takes a moment. */
import type { Book } from 'daybook'
import { memory } from 'daybook/memory'
import { testHost } from 'daybook/testing'
import { Carrier } from './carrier.ts'
import { order } from './order.ts'
import { PaymentGateway } from './payment-gateway.ts'
import { journeys, orders } from './projections.ts'
import { openShop } from './shop.ts'

const hourMs = 3_600_000
const host = testHost()

/** Lets a little time pass until something is so. */
async function until(isSo: () => Promise<boolean>) {
  while (!(await isSo())) await host.advance(10)
}

async function placeAll(book: Book) {
  const cents = 30_00
  const baskets = [
    ['1', { customer: 'Ada', address: 'Lime Street 1', cents }],
    ['2', { customer: 'Eve', address: 'Elm Street 2', cents }],
    ['3', { customer: 'Ada', address: 'Atlantis', cents }],
    ['4', { customer: 'Bob', address: 'Oak Street 4', cents }],
  ] as const
  for (const [id, basket] of baskets) {
    await book.execute(order.place(id, basket), { actor: basket.customer })
    await host.advance(1_000)
  }
}

/** What is not finished, and what it waits for. */
async function tellPending(book: Book) {
  await until(async () => {
    const pending = await book.processes.pending()
    return pending.length === 1 && pending[0]?.waitsFor[0]?.kind === 'deadline'
  })
  for (const { key, waitsFor } of await book.processes.pending())
    for (const next of waitsFor)
      if (next.kind === 'deadline')
        console.log(`order ${key} waits for "${next.name}", due at ${next.dueAt}; the others are finished`)
}

async function tellOrders(book: Book) {
  console.log('\nHow they ended:')
  await until(async () => (await book.status()).every(({ behind }) => behind === 0))
  for (const { key, document } of await book.read(orders).find())
    console.log(`  ${key}  ${document.status}  ${document.customer}  ${document.reason ?? ''}`.trimEnd())
  const adas = { where: { customer: 'Ada' }, orderBy: { placedAt: 'desc' } } as const
  const found = await book.read(orders).page(adas)
  console.log(`Ada's, newest first: ${found.items.map(({ key }) => key).join(', ')}`)
  console.log('\nWhat the three streams of each say together:')
  for (const { document } of await book.read(journeys).find({ orderBy: { order: 'asc' } })) {
    const { order: id, paid, parcel } = document
    console.log(`  order ${id}: paid ${paid}, ${parcel || 'no parcel'}`)
  }
}

const gateway = new PaymentGateway({ declined: ['Eve'], slow: ['Bob'] })
await using book = await openShop(
  memory(),
  { gateway, carrier: new Carrier({ unreachable: ['Atlantis'] }) },
  { host },
)

await placeAll(book)
await tellPending(book)
await host.skip(24 * hourMs)
await until(async () => (await book.processes.pending()).length === 0)
console.log('after 24 hours nothing is pending')
await tellOrders(book)

console.log('\nWhat the payment gateway moved:')
for (const { order: id, cents } of gateway.movements())
  console.log(`  order ${id}: ${(cents / 100).toFixed(2)} paid`)
console.log('\nWhat happened to the third:')
for await (const { type, stream } of book.readLog())
  if (stream.endsWith('-3') && !stream.startsWith('process:')) console.log(`  ${type}`)

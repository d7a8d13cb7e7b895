/**
 * Somebody at a desk of their own, in a process of its own: submits or cancels each investment whose id comes in, as
 * `1 submit`, and says what came of it, as `1 accepted` or `1 NotADraft`. Started by the tests, which let two of them race.
 */
import { createInterface } from 'node:readline'
import { openBook } from 'daybook'
import { postgres } from 'daybook/postgres'
import { sqlite } from 'daybook/sqlite'
import { investing } from '../investing.ts'
import { investment } from '../investment.ts'

// Not an argument, which everybody on the machine can see: an address may hold a password.
const { INVESTMENTS_STORE: address = '' } = process.env
const store = address.startsWith('postgres:') ? postgres(address, { migrate: true }) : sqlite(address)
await using book = await openBook({ store, ...investing, follow: false })
console.log('ready')

for await (const line of createInterface({ input: process.stdin })) {
  const [id = '', wish] = line.split(' ')
  const { refused } =
    wish === 'submit'
      ? await book.execute(investment.submit(id))
      : await book.execute(investment.cancel(id, { reason: 'changed my mind' }))
  console.log(`${id} ${refused?.reason ?? 'accepted'}`)
}

/**
 * A teller who takes in coins until somebody pulls the plug: deposits 1.00 again and again, eight at a time, and says
 * aloud which deposits the book has acknowledged. Run by the story, which kills it.
 */
import { accepted, openBook } from 'daybook'
import { account } from '../account.ts'
import { bank } from '../bank.ts'
import { storeAt } from '../store-address.ts'

const [accountId = ''] = process.argv.slice(2)
const store = storeAt(process.env.BANK_STORE ?? '')
if (store === undefined) throw new Error('BANK_STORE is no address of a store.')
const book = await openBook({ store, ...bank })

async function takeCoins() {
  for (;;) {
    const coin = { actor: 'teller-3', reason: 'a coin paid in' }
    const { version, events } = accepted(await book.execute(account.deposit(accountId, { cents: 100 }), coin))
    process.stdout.write(`${version} ${events[0]?.id}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, takeCoins))

// #region all
import { openBook } from 'daybook'
import { account } from './account.ts'
import { balances } from './balances.ts'
import definition from './daybook.config.ts'

await using book = await openBook(definition)

await book.execute(account.open('43', { owner: 'Grace' }), { occurredAt: '1994-02-01' })
const done = await book.execute(account.deposit('43', { cents: 70_000 }), { occurredAt: '1994-02-01' })

// The read model follows a moment behind; `notBefore` waits until it has seen our own write.
console.log(await book.read(balances).get('43', { notBefore: done.position }))

const found = await book.read(balances).find({ where: { cents: { gte: 500 } }, orderBy: { cents: 'desc' } })
for (const { key, document } of found) console.log(key, document.owner, document.cents)
// #endregion

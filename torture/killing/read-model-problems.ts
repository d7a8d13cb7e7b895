import { openBook } from 'daybook'
import { account, balances, referenceBalances, totals } from '../accounts.ts'
import type { FoundLog } from '../found-log.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'

/** Opens the book with the product and compares its read models with the fold written by hand. */
export async function readModelProblems(address: BookAddress, found: FoundLog): Promise<string[]> {
  const head = found.rows.length
  const reference = referenceBalances(found.rows)
  await using book = await openBook({
    store: storeAt(address),
    deciders: [account],
    projections: [balances, totals],
  })
  const problems: string[] = []
  const total = await book.read(totals).get('all')
  if (JSON.stringify(total ?? reference.totals) !== JSON.stringify(reference.totals))
    problems.push(`inline read model has ${JSON.stringify(total)}, not ${JSON.stringify(reference.totals)}`)
  const freshness = { notBefore: head, timeoutMs: 30_000 }
  for (const [stream, expected] of reference.balances) {
    const balance = await book.read(balances).get(stream, freshness)
    if (JSON.stringify(balance) !== JSON.stringify(expected))
      problems.push(`read model of ${stream} has ${JSON.stringify(balance)}, not ${JSON.stringify(expected)}`)
    const { state, version } = await book.load(account, stream.slice('account-'.length))
    if ((state as { cents: number }).cents !== expected.cents)
      problems.push(`state of ${stream} at version ${version} differs from its events`)
  }
  return problems
}

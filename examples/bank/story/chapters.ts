import { accepted, type Book, isDaybookError, openBook, type Store } from 'daybook'
import { account } from '../account.ts'
import { accountEvents } from '../account-events.ts'
import { bank } from '../bank.ts'
import { balances } from '../projections.ts'
import { transfer } from '../transfer.ts'
import type { Place } from './place.ts'
import { pullThePlug } from './pull-the-plug.ts'
import { bad, bold, chapter, code, crowns, good, say, table } from './stage.ts'

/** Whom the story is about: the two open accounts that hold the most. */
export async function chooseHeroes(book: Book) {
  const [rich, other] = await book.read(balances).find({
    where: { status: 'open' },
    orderBy: { cents: 'desc' },
    limit: 2,
    notBefore: await book.head(),
    timeoutMs: 60_000,
  })
  if (rich === undefined || other === undefined) throw new Error('The story needs two open accounts.')
  return {
    rich: { id: rich.key, owner: rich.document.owner },
    other: { id: other.key, owner: other.document.owner },
  }
}

export async function twoAtOnce(store: Store, id: string, owner: string) {
  chapter('Two people withdraw at once')
  await using counter = await openBook({ store, ...bank, follow: false })
  await using machine = await openBook({ store, ...bank, follow: false })
  const { state, version } = await counter.load(account, id)
  say(
    `Account ${id} of ${owner} holds ${crowns(state.cents)}. Somebody draws 500.00 at the counter, somebody else`,
  )
  say(`at a cash machine. Both have read version ${version}, and append if it is still the last:`)
  const withdrawal = accountEvents.MoneyWithdrawn({ cents: 500_00 })
  const reason = 'cash withdrawn'
  const withdraw = (book: Book, actor: string) =>
    book.append(`account-${id}`, withdrawal, { expectedVersion: version, actor, reason })
  const results = await Promise.allSettled([withdraw(counter, 'counter'), withdraw(machine, 'cash machine')])
  for (const [index, result] of results.entries()) {
    const who = index === 0 ? 'counter' : 'cash machine'
    if (result.status === 'fulfilled') good(`${who}: recorded as version ${version + 1}`)
    else if (isDaybookError(result.reason, 'CONCURRENCY_CONFLICT'))
      bad(`${who}: ${bold(result.reason.code)}: ${result.reason.message}`)
    else throw result.reason
  }
  const [loser, actor] = results[0].status === 'rejected' ? [counter, 'counter'] : [machine, 'cash machine']
  const again = accepted(await loser.execute(account.withdraw(id, { cents: 500_00 }), { actor, reason }))
  good(
    `decided again on what is true now: recorded as version ${again.version}, ${crowns(again.state.cents)} left`,
  )
  code('book.execute(account.withdraw(id, { cents })) loads, decides, appends, and retries by itself')
}

export async function transferMoney(book: Book, from: string, to: string) {
  chapter('A transfer, both sides or neither')
  const done = accepted(
    await book.execute(transfer({ from, to, cents: 1_250_00 }), { actor: 'owner', reason: 'rent' }),
  )
  const { sender, receiver } = done.state
  good(`1,250.00 from ${from} to ${to}, in one transaction:`)
  table(
    ['position>', 'stream', 'version>', 'event', 'balance>'],
    done.events.map((event) => [
      String(event.position),
      event.stream,
      String(event.version),
      event.type,
      crowns(event.streamId === from ? sender.state.cents : receiver.state.cents),
    ]),
  )
  const tooMuch = await book.execute(transfer({ from, to, cents: sender.state.cents + 1 }))
  if (tooMuch.refused?.reason !== 'InsufficientFunds') throw new Error('Expected a refusal.')
  bad(`${crowns(sender.state.cents + 1)} more is refused: ${tooMuch.refused.reason}; nothing was appended`)
  return done.position
}

export async function asOfAPastDay(book: Book, id: string) {
  chapter('The account as it was')
  const events = await book.readStream(`account-${id}`).toArray()
  const middle = events[Math.floor(events.length / 2)]
  const day = (middle?.metadata.occurredAt ?? middle?.recordedAt ?? '').slice(0, 10)
  const atTime = `${day}T23:59:59Z`
  const then = await book.load(account, id, { atTime })
  const now = await book.load(account, id)
  say(
    `On the evening of ${day} account ${id} held ${bold(crowns(then.state.cents))}, at version ${then.version}.`,
  )
  say(`Now it holds ${bold(crowns(now.state.cents))}, at version ${now.version}.`)
  code(`book.load(account, '${id}', { atTime: '${atTime}' })`)
}

export async function eventsBehind(book: Book, id: string) {
  chapter('Why is the balance what it is?')
  const events = await book.readStream(`account-${id}`, { direction: 'backwards', limit: 8 }).toArray()
  const rows: string[][] = []
  for (const { version, type, metadata, recordedAt } of events.reverse()) {
    const before = await book.load(account, id, { atVersion: version - 1 })
    const after = await book.load(account, id, { atVersion: version })
    const { occurredAt = recordedAt, actor = '', reason = '' } = metadata
    const changed = after.state.cents - before.state.cents
    rows.push([
      String(version),
      occurredAt.slice(0, 10),
      type,
      actor,
      reason,
      crowns(changed),
      crowns(after.state.cents),
    ])
  }
  say(`The last ${rows.length} events of account ${id}; none is ever changed or deleted:`)
  table(['version>', 'date', 'event', 'who', 'why', 'amount>', 'balance>'], rows)
  code(`book.readStream('account-${id}')`)
}

export async function readBalances(book: Book, notBefore: number) {
  chapter('A read model, folded from the same events')
  const query = { where: { cents: { gt: 0 } }, orderBy: { cents: 'desc' }, limit: 5, notBefore } as const
  const found = await book.read(balances).find(query)
  table(
    ['account', 'owner', 'last moved', 'movements>', 'balance>'],
    found.map(({ key, document }) => [
      key,
      document.owner,
      document.lastMovedOn,
      String(document.movements),
      crowns(document.cents),
    ]),
  )
  code("book.read(balances).find({ where: { cents: { gt: 0 } }, orderBy: { cents: 'desc' }, limit: 5 })")
}

export async function killAndRestart({ store, address }: Place, id: string) {
  chapter('The plug is pulled')
  const { acknowledged, signal } = await pullThePlug(address, id, 200)
  say(`A process of its own was paying in coins, eight at a time, when it was killed with ${signal}.`)
  say(`The book had acknowledged ${acknowledged.length} deposits to it. After a restart:`)
  await using book = await openBook({ store, ...bank })
  const firstVersion = Math.min(...acknowledged.map(({ version }) => version))
  const events = await book.readStream(`account-${id}`, { fromVersion: firstVersion }).toArray()
  const held = new Set(events.map((event) => `${event.version} ${event.id}`))
  const lost = acknowledged.filter(({ version, eventId }) => !held.has(`${version} ${eventId}`))
  if (lost.length > 0) throw new Error(`${lost.length} acknowledged deposits are lost.`)
  const { state } = await book.load(account, id)
  const row = await book.read(balances).get(id, { notBefore: await book.head(), timeoutMs: 60_000 })
  if (row?.cents !== state.cents) throw new Error('The read model differs from the events.')
  good(
    `all ${acknowledged.length} are there${unheard(events.length - acknowledged.length)}; not one is lost or doubled`,
  )
  good(`the read model has caught up to the cent: ${crowns(row.cents)}`)
}

/** What was durable already when the process died, before it could say so. */
function unheard(count: number) {
  if (count === 0) return ''
  return `, and ${count} more that were on disk before their answer was out`
}

// #region decider
import { decider, defineEvents, openBook, refuse } from 'daybook'
import { memory } from 'daybook/memory'
import { z } from 'zod'

const cents = z.int().positive()
const events = defineEvents({
  FeeCharged: z.object({ cents }),
  ChargeRefunded: z.object({ cents }),
})

const fees = decider('fees', {
  events,
  initialState: { owedCents: 0 },
  evolve: {
    FeeCharged: ({ owedCents }, { cents }) => ({ owedCents: owedCents + cents }),
    ChargeRefunded: ({ owedCents }, { cents }) => ({ owedCents: owedCents - cents }),
  },
  commands: {
    charge: (_, input: { cents: number }) => events.FeeCharged(input),
  },
  compensate: {
    FeeCharged: ({ owedCents }, { cents }) =>
      cents <= owedCents ? events.ChargeRefunded({ cents }) : refuse('PaidAlready', { owedCents }),
  },
})
// #endregion

await using book = await openBook({ store: memory(), deciders: [fees] })

// #region use
await book.execute(fees.charge('42', { cents: 300 }), { actor: 'nightly-run' })

const who = { actor: 'clerk-3', reason: 'charged twice, ticket 881' }
const undone = await book.undo(fees, '42', { version: 1, ...who })
console.log('owed after the undo:', undone.state.owedCents)

const twice = await book.undo(fees, '42', { version: 1, ...who })
console.log(twice.refused?.reason, twice.refused?.facts)

const redone = await book.redo(fees, '42', { version: 1, ...who, reason: 'it was right after all' })
console.log('owed after the redo:', redone.state.owedCents)

for await (const { version, type, metadata } of book.readStream('fees-42')) {
  console.log(version, type, metadata.actor, '-', metadata.reason ?? 'no reason given')
}
// #endregion

/** The projection that rebuilding processes share with the test. */
import { defineEvents, projection, type Schema } from 'daybook'

interface Deposit {
  readonly cents: number
}

const deposit: Schema<Deposit, Deposit> = {
  '~standard': { version: 1, vendor: 'daybook-test', validate: (value) => ({ value: value as Deposit }) },
}

export const sumEvents = defineEvents({ Deposited: deposit })

/** Sums per account. Version 2 waits to be swapped, and counts the deposits of account 7 twice. */
export function sums(version: 1 | 2) {
  return projection('sums', {
    version,
    swap: version === 1 ? 'auto' : 'manual',
    from: sumEvents,
    key: ({ streamId }) => streamId,
    initial: { cents: 0, movements: 0 },
    columns: { cents: 'integer' },
    evolve: {
      Deposited: (document, { cents }, { streamId }) => ({
        cents: document.cents + (version === 2 && streamId === '7' ? 2 * cents : cents),
        movements: document.movements + 1,
      }),
    },
  })
}

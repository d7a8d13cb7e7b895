/**
 * One of several processes that handle the events of one subscription: `node worker.ts <address> <name> <shards>`. What it
 * does it appends to the same book, so that nothing that it did is lost with it.
 */
import { openBook } from 'daybook'
import { doneEvents, lease, work } from './asked.ts'
import { storeAt } from './store-at.ts'

const [address = '', name = '', shards = '1'] = process.argv.slice(2)

const book = await openBook({
  store: storeAt(address),
  lease,
  onDiagnostic: ({ kind, message }) => process.send?.({ kind, message }),
  subscriptions: [
    work(Number(shards), async ({ stream, data }, { attempt }) => {
      if (data.deed === 'exit') process.exit(1)
      while (data.deed === 'loop') {
        // Nothing else in this process gets a turn any more.
      }
      await book.append(`done-${name}`, doneEvents.Done({ by: name, stream, n: data.n, attempt }))
    }),
  ],
})
process.on('message', () => void book.close().then(() => process.disconnect()))
process.send?.({ kind: 'ready' })

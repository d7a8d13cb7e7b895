/** Acts on every event as soon as it reads it, outside of the database: it tells its parent, who cannot forget. */
import { type Book, isDaybookError } from 'daybook'
import type { OpenStore } from '../../library/src/core/ports/store.ts'
import { nodeHost } from '../../library/src/host/node-host.ts'
import { configOf, say } from '../child.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { openPatiently } from './open-patiently.ts'

export interface PowerReactorConfig {
  readonly address: BookAddress
  /**
   * How it reads: `store`, asking of each event whether it is durable; `book`, which shows no other events; `rash`, the
   * control, which does not ask.
   */
  readonly reads: 'store' | 'book' | 'rash'
  /** It acted on everything up to here. */
  readonly afterPosition: number
}

const { address, reads, afterPosition } = configOf<PowerReactorConfig>()

let position = afterPosition

function act(event: { readonly position: number; readonly id: string }): void {
  say({ acted: event.id, position: event.position, at: Number(process.hrtime.bigint()) })
  position = event.position
}

async function followBook(book: Book): Promise<void> {
  for await (const event of book.readLog({ afterPosition: position, follow: true })) act(event)
}

/** Faster than any wake-up: reads again as soon as it has read. */
async function readStore({ log }: OpenStore): Promise<void> {
  const { rows } = await log.readLog({
    afterPosition: position,
    toPosition: Number.MAX_SAFE_INTEGER,
    items: undefined,
    limit: 20,
  })
  for (const row of rows) {
    if (reads === 'store') await log.whenDurable(row.position, row.id)
    act(row)
  }
}

const store = storeAt(address)
const book = reads === 'book' ? await openPatiently({ store }) : undefined
const open = reads === 'book' ? undefined : await store.open(nodeHost())
say({ open: true })
for (;;) {
  try {
    if (book !== undefined) await followBook(book)
    if (open !== undefined) await readStore(open)
  } catch (error) {
    // The database is away, or took back what was read: read again.
    if (!isDaybookError(error, 'STORE_UNREACHABLE')) throw error
  }
}

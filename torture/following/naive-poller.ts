/** What many outboxes do: a table with a sequence, written by concurrent transactions, polled by `id > last seen`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { Random } from '../random.ts'

const writers = 8
const longestPauseMs = 20

/** Runs writers and a poller for a while, and returns how many committed rows the poller never saw. */
export async function pollNaively(
  url: string,
  seed: string,
  lastsMs: number,
): Promise<{ readonly seen: number; readonly trials: number }> {
  const poller = await connected(url)
  await poller.query('CREATE TABLE outbox (id bigserial PRIMARY KEY, text text NOT NULL)')
  const endMs = performance.now() + lastsMs
  let isWriting = true
  const writing = Promise.all(
    Array.from({ length: writers }, async (_, index) => {
      const client = await connected(url)
      const random = new Random(`${seed}/${index}`)
      while (performance.now() < endMs) await insert(client, random)
      await client.end()
    }),
  ).then(() => {
    isWriting = false
  })
  const polled = new Set<string>()
  let last = '0'
  const poll = async (): Promise<void> => {
    const { rows } = await poller.query('SELECT id FROM outbox WHERE id > $1 ORDER BY id', [last])
    for (const { id } of rows as readonly { readonly id: string }[]) {
      polled.add(id)
      last = id
    }
  }
  while (isWriting) {
    await poll()
    await sleep(5)
  }
  await writing
  await poll()
  const { rows } = await poller.query('SELECT id FROM outbox')
  await poller.end()
  const skipped = (rows as readonly { readonly id: string }[]).filter(({ id }) => !polled.has(id))
  return { seen: skipped.length, trials: rows.length }
}

async function insert(client: Client, random: Random): Promise<void> {
  await client.query('BEGIN')
  await client.query(`INSERT INTO outbox (text) VALUES ('happened')`)
  await sleep(random.next() * longestPauseMs)
  await client.query(random.chance(0.15) ? 'ROLLBACK' : 'COMMIT')
}

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  await client.connect()
  return client
}

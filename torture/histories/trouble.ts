/** Somebody else at the same database, who makes the clients wait and cuts them off. */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { logStatements } from '../../library/src/postgres/statements.ts'
import type { Random } from '../random.ts'
import type { BookAddress } from '../stores/address.ts'

export interface Trouble {
  /** Resolves when it is over. */
  stop(): Promise<void>
}

/** Trouble for the clients of a book: now and then the lock is held longer than they wait; connections are cut. */
export function troubleFor(address: BookAddress, random: Random): Trouble {
  if (address.store === 'sqlite') return repeated(() => holdFile(address.path, random))
  const { url, schema } = address
  const troubles = [repeated(() => holdLog(url, schema, random)), repeated(() => cutConnection(url, random))]
  return {
    stop: async () => {
      await Promise.all(troubles.map((trouble) => trouble.stop()))
    },
  }
}

function repeated(deed: () => Promise<void>): Trouble {
  let isStopped = false
  const run = async (): Promise<void> => {
    while (!isStopped) await deed()
  }
  const running = run()
  return {
    stop: () => {
      isStopped = true
      return running
    },
  }
}

async function holdFile(path: string, random: Random): Promise<void> {
  await sleep(50 + random.next() * 250)
  const database = new DatabaseSync(path, { timeout: 1 })
  try {
    database.exec('BEGIN IMMEDIATE')
    await sleep(10 + random.next() * 40)
    database.exec('ROLLBACK')
  } catch {
    // Somebody else has the lock, which is as good.
  } finally {
    database.close()
  }
}

async function holdLog(url: string, schema: string, random: Random): Promise<void> {
  await sleep(300 + random.next() * 1_200)
  await withClient(url, async (client) => {
    await client.query('BEGIN')
    await client.query(logStatements(schema).lock)
    await sleep(100 + random.next() * 300)
    await client.query('ROLLBACK')
  })
}

/** Ends a connection of a client of ours, so that the answer to what is under way is lost, and nothing else. */
async function cutConnection(url: string, random: Random): Promise<void> {
  await sleep(200 + random.next() * 1_000)
  await withClient(url, async (client) => {
    await client.query(`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name LIKE 'daybook%' AND datname = current_database() ORDER BY random() LIMIT 1`)
  })
}

async function withClient(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Kills of a database server, from one of its processes to all of them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresServer } from '@daybook/postgres-server'
import { Client } from 'pg'
import type { Random } from '../random.ts'

/** Longer than any recovery of so small a database takes on a busy machine. */
const recoveryMs = 60_000
/** A process whose end ends no others was none that mattered, such as a connection not yet let in. */
const noticeMs = 2_000

/**
 * Kills the server and starts it again, or kills one of its processes: then it ends all the others and recovers by
 * itself. Either way what it held in memory is gone. Resolves when it is back, with what was killed.
 */
export async function killDatabase(server: PostgresServer, random: Random): Promise<string> {
  if (random.chance(0.5)) {
    await server.stop('SIGKILL')
    await server.start()
    return 'the server'
  }
  const witness = await connected(server)
  const hasEnded = new Promise<void>((resolve) => witness.once('end', resolve))
  const [, ...children] = server.processIds()
  try {
    process.kill(random.pick(children), 'SIGKILL')
  } catch {
    // It ended by itself since it was listed.
  }
  const waiting = new AbortController()
  await Promise.race([hasEnded, sleep(noticeMs, undefined, waiting).catch(() => undefined)])
  waiting.abort()
  await witness.end().catch(() => undefined)
  // Killed again while it recovers, PostgreSQL 18 may never come back by itself: that is not what is tested here.
  await (await connected(server)).end()
  return 'one of its processes'
}

/** A connection, as soon as the server lets anybody in. */
async function connected(server: PostgresServer): Promise<Client> {
  const startMs = performance.now()
  for (;;) {
    const client = new Client({ connectionString: server.url() })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return client
    } catch (error) {
      if (performance.now() - startMs > recoveryMs) throw error
    }
    await sleep(10)
  }
}

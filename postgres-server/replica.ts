/** A streaming replica of a server: what a team reads from, and fails over to. */
import { chownSync, cpSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { Client } from 'pg'
import { type Binaries, npmBinaries } from './binaries.ts'
import { PostgresServer, type ServerOptions } from './server.ts'

/**
 * Copies the cluster of a running server and starts the copy as its replica, which follows it until `SELECT pg_promote()`.
 * The binaries must be those of the primary. Throws with the server's own words.
 */
export async function startReplica(
  primary: PostgresServer,
  options: ServerOptions = {},
): Promise<PostgresServer> {
  const binaries: Binaries | undefined = options.binaries ?? npmBinaries()
  if (binaries === undefined) throw new Error('npm has no PostgreSQL for this platform')
  const folder = mkdtempSync(join(options.parentFolder ?? tmpdir(), 'daybook-postgres-'))
  const settings = {
    ...options.settings,
    primary_conninfo: `host=${primary.host} port=${primary.port} user=postgres password=postgres application_name=replica`,
  }
  const replica = new PostgresServer(folder, binaries, { ...options, settings })
  try {
    await copyCluster(primary, replica.dataFolder)
    await replica.start()
    return replica
  } catch (error) {
    await replica.dispose()
    throw error
  }
}

/** What a copy must not have: it belongs to the running process, or is streamed anew. */
const ownFiles =
  /^(postmaster\.(pid|opts)|(pg_wal|pg_replslot|pg_stat_tmp|pg_dynshmem|pg_notify)\/.+)$|pg_internal\.init/

/** A base backup by the low-level interface: https://www.postgresql.org/docs/current/continuous-archiving.html */
async function copyCluster(primary: PostgresServer, to: string): Promise<void> {
  const from = primary.dataFolder
  const client = new Client({ connectionString: primary.url() })
  await client.connect()
  try {
    await client.query("SELECT pg_backup_start('replica', true)")
    const filter = (path: string): boolean => !ownFiles.test(relative(from, path))
    cpSync(from, to, { recursive: true, preserveTimestamps: true, filter })
    const { rows } = await client.query('SELECT labelfile FROM pg_backup_stop(false)')
    writeFileSync(join(to, 'backup_label'), rows[0].labelfile)
    writeFileSync(join(to, 'standby.signal'), '')
  } finally {
    await client.end()
  }
  ownedLike(from, to)
}

/** Gives what root copied to the user that the server runs as. */
function ownedLike(from: string, to: string): void {
  const { uid, gid } = statSync(from)
  if (uid === statSync(to).uid) return
  for (const path of ['', ...readdirSync(to, { recursive: true, encoding: 'utf8' })]) {
    chownSync(join(to, path), uid, gid)
  }
}

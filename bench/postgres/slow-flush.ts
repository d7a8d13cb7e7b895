import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { Skipped } from '../benchmark.ts'
import { median } from '../measuring.ts'
import { check } from '../self-check.ts'

/** How much longer each flush takes, in ms; as in slow-flush.c. */
const slowedByMs = 2

/** A library to preload, compiled for this machine. */
export interface SlowFlush {
  readonly path: string
  remove(): void
}

/** Compiles the library. Throws `Skipped` without Linux or a compiler. */
export function buildSlowFlush(): SlowFlush {
  if (process.platform !== 'linux') throw new Skipped('libraries are preloaded on Linux only')
  const folder = mkdtempSync(join(tmpdir(), 'daybook-slow-flush-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  // The server may run as another user, who has to read it.
  chmodSync(folder, 0o755)
  const path = join(folder, 'slow-flush.so')
  const source = fileURLToPath(new URL('../slow-flush/slow-flush.c', import.meta.url))
  const { status, error, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-O2', '-o', path, source, '-ldl'], {
    encoding: 'utf8',
  })
  if (status === 0) return { path, remove }
  remove()
  throw new Skipped(`the C compiler (cc) is missing or failed: ${error?.message ?? stderr}`)
}

/** Ends the run when the server's flushes are as quick as ever: a library that cannot be loaded is only warned of. */
export async function requireSlowFlush(address: string): Promise<void> {
  const client = new Client({ connectionString: address })
  await client.connect()
  const times: number[] = []
  for (let commit = 0; commit < 10; commit++) {
    const startMs = performance.now()
    await client.query("SELECT pg_logical_emit_message(true, 'bench', '')")
    times.push(performance.now() - startMs)
  }
  await client.end()
  check(median(times) >= slowedByMs, `a commit of the slowed server takes ${median(times).toFixed(2)} ms`)
}

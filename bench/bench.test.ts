import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { npmBinaries } from '@daybook/postgres-server'

const run = promisify(execFile)
const program = fileURLToPath(new URL('./run.ts', import.meta.url))

/** One benchmark of each kind of place, quickly: each checks by itself that what it measured is what is kept. */
async function figuresOf(...options: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const { stdout } = await run(process.execPath, [program, '--json', '--quick', ...options])
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('the benchmarks of the embedded stores run and check themselves', async () => {
  const figures = await figuresOf('--store', 'sqlite', '--only', 'append-64')
  assert.deepEqual(
    figures.map(({ name, store }) => [name, store]),
    [['append-64', 'sqlite']],
  )
  assert.ok(Number(figures[0]?.ratio) > 0)
})

test('the benchmarks on PostgreSQL run, with several processes too, and check themselves', {
  skip: npmBinaries() === undefined ? 'npm has no PostgreSQL for this platform' : false,
}, async () => {
  const only = ['append-64', 'append-8x8', 'append-joined-64'].flatMap((name) => ['--only', name])
  const figures = await figuresOf('--store', 'postgres', ...only)
  assert.deepEqual(
    figures.map(({ name, store }) => [name, store]),
    [
      ['append-64', 'postgres'],
      ['append-8x8', 'postgres'],
      ['append-joined-64', 'postgres'],
    ],
  )
  for (const { name, ratio } of figures) assert.ok(Number(ratio) > 0, `${name} has the ratio ${ratio}`)
})

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

test('arguments that mean nothing are told with what there is, and nothing is run', async () => {
  for (const [args, told] of [
    [['--only', 'append-65'], /^there is no benchmark append-65; there are .*append-64.*\nnpm run -s bench/],
    [
      ['--store', 'oracle'],
      /^there is no store oracle; there are sqlite, postgres, memory\nnpm run -s bench/,
    ],
    [['--fast'], /^Unknown option '--fast'.*\nnpm run -s bench/],
  ] as const)
    await assert.rejects(
      run(process.execPath, [program, ...args]),
      ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => {
        assert.deepEqual([code, stdout], [2, ''])
        assert.match(stderr, told)
        return true
      },
    )
})

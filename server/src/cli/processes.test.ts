/** The real program: pipes, signals, exit codes. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { daybook, exampleFolder, jsonLines, runDaybook, runShell, startDaybook } from './test-bed.ts'

const folder = exampleFolder()
const store = `sqlite:${join(folder, 'log.db')}`

before(async () => {
  const line = JSON.stringify({ stream: 'a-1', type: 'Counted', data: { filler: 'x'.repeat(200) } })
  const lines = Array.from({ length: 5_000 }, () => line)
  await daybook(['append', '--file', '-', '--store', store], { input: lines.join('\n') })
})

describe('the program', () => {
  it('finds the configuration of its folder, and exits with what the command says', async () => {
    const opened = await runDaybook(folder, 'run', 'account', '42', 'open', '{"owner":"Ada"}')
    assert.equal(opened.code, 0, opened.stderr)
    const refused = await runDaybook(folder, 'run', 'account', '42', 'withdraw', '{"cents":1}', '--json')
    assert.equal(refused.code, 3)
    assert.equal(jsonLines(refused.stdout).length, 1)
    const [conflict, unknown, missing] = await Promise.all([
      runDaybook(
        folder,
        'append',
        'account-42',
        'MoneyDeposited',
        '{"cents":1}',
        '--expected-version',
        'none',
      ),
      runDaybook(folder, 'nonsense'),
      runDaybook(folder, 'read', '--store', 'sqlite:none.db'),
    ])
    assert.deepEqual([conflict.code, unknown.code, missing.code], [4, 2, 5])
    assert.match(conflict.stderr, /^error CONCURRENCY_CONFLICT: .*\nLoad the stream again/)
  })

  it('is quiet when its reader has seen enough', async () => {
    const script = `( daybook read --json --store ${store}; echo "exit $?" >&2 ) | head -1 | wc -l`
    const { stdout, stderr } = await runShell(folder, script)
    assert.equal(stdout.trim(), '1')
    assert.equal(stderr, 'exit 0\n')
  })

  it('reads standard input from a pipe', async () => {
    const { code, stdout } = await runShell(
      folder,
      `echo '{"owner":"Bo"}' | daybook run account piped open - --json && daybook read account-piped | cut -f 5`,
    )
    assert.equal(code, 0)
    assert.ok(stdout.endsWith('AccountOpened\n'), stdout)
  })

  it('follows until Ctrl-C, and exits with 0', async () => {
    const log = ['--store', store]
    const child = startDaybook(folder, [
      'read',
      'a-1',
      '--follow',
      '--from-version',
      '5000',
      '--json',
      ...log,
    ])
    await child.printed('"version":5000')
    await daybook(['append', 'b-1', 'Ignored', '{}', ...log])
    await daybook(['append', 'a-1', 'Counted', '{"late":true}', ...log])
    await child.printed('"late":true')
    child.kill('SIGINT')
    const { code, stdout, stderr } = await child.ended
    assert.equal(code, 0)
    assert.equal(stderr, '')
    assert.deepEqual(
      jsonLines(stdout).map(({ version }) => version),
      [5_000, 5_001],
    )
  })

  it('exits with 130 when it is interrupted while it waits', async () => {
    const child = startDaybook(folder, [
      'append',
      '--file',
      '-',
      '--store',
      `sqlite:${join(folder, 'waiting.db')}`,
    ])
    child.write('{"stream":"a-1","type":"B"}\n')
    // It has begun to wait once it has made the book.
    await runShell(folder, 'until [ -e waiting.db ]; do sleep 0.05; done; sleep 0.2')
    child.kill('SIGINT')
    const { code, stderr } = await child.ended
    assert.equal(code, 130)
    assert.match(stderr, /^error INTERRUPTED: interrupted after 0 events\nGo on with --from-line 1\.\n$/)
  })

  it('ends though the configuration leaves something open', async () => {
    const open = join(folder, 'open.config.js')
    const { code } = await runShell(
      folder,
      `printf 'import { defineBook } from "daybook"; import { memory } from "daybook/memory"; setInterval(() => {}, 1000); export default defineBook({ store: memory() })' > ${open}; daybook projections --config ${open}`,
    )
    assert.equal(code, 0)
  })
})

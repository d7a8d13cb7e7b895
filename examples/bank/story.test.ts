import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
const daybook = join(root, 'server/bin/daybook.js')
const program = resolve(import.meta.dirname, 'story.ts')

test('the story is told in a pipe, plainly, and everything it claims happens', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'daybook-story-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const startMs = performance.now()
  const { stdout } = await run(process.execPath, [program, '--file', join(folder, 'story.db')], { cwd: root })
  assert.ok(performance.now() - startMs < 60_000)
  assert.ok(!stdout.includes('\u001b'), 'no colours in a pipe')
  for (const expected of [
    /[\d,]+ events: [\d,]+ transactions of \d+ accounts/,
    /✓ (counter|cash machine): recorded as version \d+/,
    /✗ (counter|cash machine): CONCURRENCY_CONFLICT: stream "account-\d+" is at version/,
    /decided again on what is true now: recorded as version \d+/,
    /TransferSent[\s\S]*TransferReceived/,
    /more is refused: InsufficientFunds; nothing was appended/,
    /On the evening of \d{4}-\d\d-\d\d account \d+ held/,
    /killed with SIGKILL/,
    /all \d+ are there/,
    /the read model has caught up to the cent/,
  ])
    assert.match(stdout, expected)
  const commands = stdout.matchAll(/^ *npx daybook (.*)$/gm)
  for (const [, words = ''] of commands) {
    const args = words.split(' ').map((word) => word.replaceAll("'", ''))
    const { stdout: answer } = await run(process.execPath, [daybook, ...args], { cwd: root })
    assert.ok(answer.length > 0, `daybook ${words}`)
  }
  assert.equal([...stdout.matchAll(/npx daybook/g)].length, 3)
})

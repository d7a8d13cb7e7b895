import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { testServer } from '@daybook/postgres-server/testing'

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

/** Runs the story with these arguments; one that fails is no failure of the test. */
async function told(...words: string[]) {
  const child = spawn(process.execPath, [program, ...words], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = await once(child, 'close')
  return { code, stdout, stderr }
}

test('on somebody’s PostgreSQL it fills a schema of its own, and goes on there when it is told again', async (t) => {
  const server = await testServer()
  t.after(() => server.dispose())
  const address = server.url(await server.createDatabase())
  const { password } = new URL(address)
  const first = await told('--store', address)
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, /The book is in postgres:\S+\/daybook_story, on PostgreSQL \d+/)
  for (const expected of [/CONCURRENCY_CONFLICT/, /killed with SIGKILL/, /all \d+ are there/, /to the cent/])
    assert.match(first.stdout, expected)
  const again = await told('--store', address)
  assert.equal(again.code, 0, again.stderr)
  assert.match(again.stdout, /It is not empty: an earlier run of the story has left [\d,]+ events there/)
  assert.match(again.stdout, /killed with SIGKILL[\s\S]*all \d+ are there/)
  assert.ok(![first, again].some(({ stdout, stderr }) => `${stdout}${stderr}`.includes(`:${password}@`)))
  const [, words = ''] = /^ *npx daybook (find .*)$/m.exec(again.stdout) ?? []
  const args = words.split(' ').map((word) => word.replaceAll("'", ''))
  const env = { ...process.env, PGPASSWORD: password }
  const { stdout: answer } = await run(process.execPath, [daybook, ...args], { cwd: root, env })
  assert.ok(answer.length > 0)
})

test('it leaves a book alone that is not its own, and says what it was asked wrongly', async (t) => {
  const server = await testServer()
  t.after(() => server.dispose())
  const address = server.url(await server.createDatabase())
  await run(process.execPath, [daybook, 'migrate', '--store', address])
  const store = ['--store', address]
  await run(
    process.execPath,
    [daybook, 'append', 'account-1', 'AccountOpened', '{"owner":"Ada"}', ...store],
    { cwd: root },
  )
  const foreign = await told('--store', `${address}?schema=daybook`)
  assert.equal(foreign.code, 1)
  assert.match(
    foreign.stderr,
    /daybook holds 1 events that are not the story's, and was left as it is\.\nName another/,
  )
  const nowhere = await told('--store', 'postgres://ada:secret@127.0.0.1:1/bank')
  assert.equal(nowhere.code, 1)
  assert.match(nowhere.stderr, /^\nSTORE_UNREACHABLE: .*no server listens/)
  assert.doesNotMatch(nowhere.stderr, /secret/)
  assert.match(
    (await told('--store', 'mysql://ada:secret@localhost/bank')).stderr,
    /^\nGive --store postgres, /,
  )
})

for (const [when, words] of [
  ['starting', 'Starting a PostgreSQL'],
  ['in use', 'The book is in'],
] as const) {
  test(`Ctrl-C stops the PostgreSQL that the story has started, when it is ${when}, and removes its files`, async (t) => {
    const parent = await mkdtemp(join(tmpdir(), 'daybook-story-'))
    t.after(() => rm(parent, { recursive: true, force: true }))
    // As root the server runs as another user, who must get there.
    await chmod(parent, 0o755)
    const child = spawn(process.execPath, [program, '--store', 'postgres'], {
      cwd: root,
      env: { ...process.env, TMPDIR: parent },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let stdout = ''
    for await (const text of child.stdout.setEncoding('utf8')) {
      stdout += text
      if (!stdout.includes(words) || child.killed) continue
      child.kill('SIGINT')
    }
    if (child.exitCode === null) await once(child, 'close')
    assert.equal(child.exitCode, 130)
    assert.deepEqual(await readdir(parent), [])
    const [, port] = /127\.0\.0\.1:(\d+)/.exec(stdout) ?? []
    if (port === undefined) return assert.equal(when, 'starting')
    const [error] = await once(connect({ host: '127.0.0.1', port: Number(port) }), 'error')
    assert.equal((error as { readonly code?: unknown }).code, 'ECONNREFUSED')
  })
}

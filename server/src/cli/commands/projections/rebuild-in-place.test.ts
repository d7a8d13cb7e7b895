/** Tables of one's own, cleared and filled again from the command line. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { before, describe, it } from 'node:test'
import { exampleFiles } from '../../init-files.ts'
import { daybook, failureOf, jsonLines, newFolder, type RunOptions } from '../../test-bed.ts'

const config = `import { defineBook, sqlProjection } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, accountEvents } from './account.ts'

const tables = { sqlite: ['CREATE TABLE turnover (account text, cents integer)'] }
const clear = { sqlite: ['DROP TABLE turnover'] }
const turnover = sqlProjection('turnover', {
  from: accountEvents,
  tables,
  clear,
  evolve: {
    MoneyDeposited: (sql, { cents }, { streamId }) =>
      sql.query('INSERT INTO turnover VALUES (?, ?)', [streamId, cents]),
  },
})

export default defineBook({
  store: sqlite(\`\${import.meta.dirname}/bank.db\`),
  deciders: [account],
  sqlProjections: [turnover],
})
`

const folder = newFolder({ ...exampleFiles, 'daybook.config.ts': config })
const base = ['--config', join(folder, 'daybook.config.ts')]
const run = (line: string, options?: RunOptions) =>
  daybook(['projections', 'rebuild', ...line.split(' '), ...base], options)

function table<Result>(work: (database: DatabaseSync) => Result): Result {
  using database = new DatabaseSync(join(folder, 'bank.db'))
  return work(database)
}

const rows = (): unknown =>
  table((database) => database.prepare('SELECT count(*) AS count, sum(cents) AS cents FROM turnover').get())

const deposits = 3_000

before(async () => {
  const lines = Array.from({ length: deposits }, (_, n) => ({
    stream: `account-${n % 7}`,
    type: 'MoneyDeposited',
    data: { cents: n + 1 },
  }))
  const input = lines.map((line) => JSON.stringify(line)).join('\n')
  await daybook(['append', '--file', '-', ...base], { input })
})

const whole = { count: deposits, cents: (deposits * (deposits + 1)) / 2 }

describe('a SQL projection', () => {
  it('is filled again where it is, and only when that is said', async () => {
    const refused = await run('turnover --json')
    assert.equal(failureOf(refused).code, 'REBUILD_REFUSED')
    assert.match(failureOf(refused).hint, /add --in-place/)
    const filled = await run('turnover --in-place')
    assert.equal(filled.code, 0, filled.stderr)
    assert.match(filled.stdout, /^turnover@1 is filled again: 3,000 events in .*\.\n$/)
    assert.deepEqual({ ...(rows() as object) }, whole)
    table((database) => database.exec('UPDATE turnover SET cents = 1'))
    const [result] = jsonLines((await run('turnover@1 --in-place --json')).stdout)
    const { seconds, ...rest } = result ?? {}
    assert.ok(Number(seconds) > 0)
    assert.deepEqual(rest, {
      kind: 'result',
      projection: 'turnover',
      version: 1,
      outcome: 'filled',
      position: deposits,
      head: deposits,
    })
    assert.deepEqual({ ...(rows() as object) }, whole)
  })

  it('can be interrupted before anything is changed', async () => {
    const interrupted = await run('turnover --in-place --json', { signal: AbortSignal.abort() })
    assert.equal(interrupted.code, 130)
    const { code, message } = failureOf(interrupted)
    assert.equal(code, 'INTERRUPTED')
    assert.equal(message, 'interrupted before the tables of turnover@1 were cleared')
    assert.deepEqual({ ...(rows() as object) }, whole)
  })

  for (const line of [
    'turnover --in-place --estimate',
    'turnover --in-place --swap manual',
    'turnover --in-place --events-per-second 5',
  ])
    it(`is refused: daybook projections rebuild ${line}`, async () => {
      const ran = await run(`${line} --json`)
      assert.equal(failureOf(ran).code, 'USAGE', ran.stderr)
      assert.equal(ran.code, 2)
    })
})

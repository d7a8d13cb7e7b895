import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, it } from 'node:test'
import { exampleFiles } from '../init-files.ts'
import { daybook, daybookJson, exampleFolder, type Json, jsonLines, newFolder } from '../test-bed.ts'

let folder = ''
let base: readonly string[] = []
beforeEach(async () => {
  folder = exampleFolder()
  base = ['--config', join(folder, 'daybook.config.ts')]
  await daybook(['run', 'account', '1', 'open', '{"owner":"Ada"}', ...base])
  await daybook(['run', 'account', '1', 'deposit', '{"cents":500}', ...base])
})

const findings = async (...words: string[]): Promise<readonly Json[]> =>
  (await daybookJson(['doctor', ...base, ...words])).filter(({ kind }) => kind === 'finding')

function tamper(sql: string): void {
  const database = new DatabaseSync(join(folder, 'accounts.db'))
  database.exec('DROP TRIGGER event_no_update; DROP TRIGGER event_no_delete')
  database.exec(sql)
  database.close()
}

describe('doctor', () => {
  it('finds nothing wrong with a sound book', async () => {
    const ran = await daybook(['doctor', ...base, '--json'])
    assert.equal(ran.code, 0)
    const [store, summary, ...rest] = jsonLines(ran.stdout)
    assert.deepEqual(
      { ...store, bytes: 0, walBytes: 0, sqlite: '', store: '' },
      {
        kind: 'store',
        store: '',
        file: 'accounts.db',
        events: 2,
        bytes: 0,
        walBytes: 0,
        sqlite: '',
        schema: 2,
        journalMode: 'wal',
        synchronous: 'full',
        isDurable: true,
      },
    )
    assert.deepEqual(summary, { kind: 'summary', problems: 0, verified: 2 })
    assert.deepEqual(rest, [])
    const table = await daybook(['doctor', ...base], { columns: 80 })
    assert.match(table.stdout, /No problems.*: 2 events verified, 1 projection looked at\./)
  })

  it('names the first event that is not as it was recorded', async () => {
    tamper(`UPDATE event SET data = '{"cents":50000}' WHERE position = 2`)
    const ran = await daybook(['doctor', ...base, '--json'])
    assert.equal(ran.code, 1)
    const [finding] = await findings()
    assert.equal(finding?.code, 'STORE_CORRUPT')
    assert.deepEqual(finding.facts, {
      position: 2,
      problem: 'its fields are not those that were hashed (leaf hash)',
    })
  })

  it('names a gap', async () => {
    tamper('DELETE FROM event WHERE position = 1')
    const [finding] = await findings()
    assert.match(String(finding?.message), /position 1 is not as it was recorded: it is missing/)
  })

  it('tells a projection that has stopped, and keeps checking', async () => {
    const failing = `${exampleFiles['account.ts']?.replace('({ ...balance, owner })', "{ throw new Error('no ' + owner + balance) }")}`
    writeFileSync(join(folder, 'failing.ts'), failing)
    const config = `${exampleFiles['daybook.config.ts']?.replace('./account.ts', './failing.ts')}`
    writeFileSync(join(folder, 'failing.config.ts'), config)
    const [finding] = await findings('--config', join(folder, 'failing.config.ts'))
    assert.equal(finding?.code, 'PROJECTION_FAILED')
    assert.match(String(finding.message), /balances@1 has stopped: .*position 1: no Ada/)
  })

  it('notes a store that may lose events, which is no problem where it was asked for', async () => {
    const config = `${exampleFiles['daybook.config.ts']?.replace('accounts.db`', "accounts.db`, { flush: 'never', unsafeDurability: true }")}`
    writeFileSync(join(folder, 'unsafe.config.ts'), config)
    const ran = await daybook(['doctor', '--config', join(folder, 'unsafe.config.ts')])
    assert.equal(ran.code, 0)
    assert.match(ran.stdout, /^note\tSTORE_UNSAFE\t/m)
  })

  it('finds a checkpoint beyond the end of the log', async () => {
    await daybook(['find', 'balances', ...base])
    const database = new DatabaseSync(join(folder, 'accounts.db'))
    database.exec('UPDATE checkpoint SET position = 99')
    database.close()
    const [finding] = await findings()
    assert.equal(finding?.code, 'CHECKPOINT_BEYOND_HEAD')
  })

  it('reports a store that cannot be opened as a finding', async () => {
    const missing = await daybook(['doctor', '--store', `sqlite:${join(newFolder(), 'none.db')}`])
    assert.equal(missing.code, 1)
    assert.match(missing.stdout, /^problem\tSTORE_CANNOT_OPEN\t.*does not exist\t/m)
    const garbage = join(folder, 'garbage.db')
    writeFileSync(garbage, 'no database, but long enough to look like a header of one: '.repeat(40))
    const foreign = await daybook(['doctor', '--store', `sqlite:${garbage}`], { columns: 100 })
    assert.equal(foreign.code, 1)
    assert.match(foreign.stdout, /problem STORE_FOREIGN/)
  })
})

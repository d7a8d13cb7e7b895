import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { exampleFiles } from '../../init-files.ts'
import { daybook, daybookJson, exampleFolder, newFolder } from '../../test-bed.ts'

describe('projections', () => {
  it('tells how far each has come, and for how long its oldest event has been waiting', async () => {
    const base = ['--config', join(exampleFolder(), 'daybook.config.ts')]
    await daybook(['run', 'account', '1', 'open', '{"owner":"Ada"}', ...base])
    await daybook(['run', 'account', '1', 'deposit', '{"cents":5}', ...base])
    const [behind] = await daybookJson(['projections', ...base])
    const { lagMs, ...rest } = behind ?? {}
    assert.deepEqual(rest, {
      name: 'balances',
      version: 1,
      mode: 'async',
      status: 'behind',
      position: 0,
      behind: 2,
      isChanged: false,
    })
    assert.ok(Number(lagMs) > 0 && Number(lagMs) < 60_000)
    await daybook(['find', 'balances', ...base])
    const { stdout } = await daybook(['projections', ...base])
    assert.equal(stdout, 'balances\t1\tasync\tcurrent\t2\t0\t\n')
  })

  it('shows one that was changed without raising its version', async () => {
    const folder = newFolder(exampleFiles)
    const base = ['--config', join(folder, 'daybook.config.ts')]
    await daybook(['run', 'account', '1', 'open', '{"owner":"Ada"}', ...base])
    await daybook(['find', 'balances', ...base])
    const changed = `${exampleFiles['account.ts']?.replaceAll('balance.movements + 1', 'balance.movements + 2')}`
    writeFileSync(join(folder, 'changed.ts'), changed)
    const config = `${exampleFiles['daybook.config.ts']?.replace('./account.ts', './changed.ts')}`
    writeFileSync(join(folder, 'changed.config.ts'), config)
    const [status] = await daybookJson(['projections', '--config', join(folder, 'changed.config.ts')])
    assert.equal(status?.status, 'changed')
    const doctor = await daybook(['doctor', '--config', join(folder, 'changed.config.ts')])
    assert.equal(doctor.code, 1)
    assert.match(doctor.stdout, /^problem\tPROJECTION_CHANGED\t/m)
  })

  it('says when there are none', async () => {
    const config = 'import { defineBook } from "daybook"; import { memory } from "daybook/memory"; '
    const folder = newFolder({ 'a.config.js': `${config} export default defineBook({ store: memory() })` })
    const ran = await daybook(['projections', '--config', join(folder, 'a.config.js')])
    assert.deepEqual(ran, { code: 0, stdout: '', stderr: 'The configuration has no projections.\n' })
  })
})

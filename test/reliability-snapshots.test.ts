/** The quick tier of T26; `npm run torture -- T26` runs it in full. */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { it } from 'node:test'
import { Random } from '../torture/random.ts'
import { Corrupter } from '../torture/snapshots/corruption.ts'
import { snapshots } from '../torture/t26-snapshots.ts'
import { quickOptions } from '../torture/torture-test.ts'

it('states from snapshots equal full replay, damaged snapshots are ignored, forged ones would be seen', async (test) => {
  const options = quickOptions(Date.now() % 2 ** 31)
  test.diagnostic(`seed ${options.seed}`)
  const { trials, failures, controls, facts } = await snapshots.run(options)
  assert.deepEqual(failures, [])
  assert.ok(trials >= 1_000)
  assert.ok(Number(facts.ignored) > 0, 'no damaged snapshot was met')
  for (const { sabotage, seen } of controls) assert.ok(seen > 0, `${sabotage} was not seen`)
})

it('the forger leaves a snapshot alone that was damaged before: no fold could go on from some of them', () => {
  const database = new DatabaseSync(':memory:')
  database.exec(
    'CREATE TABLE snapshot (stream, fold, fingerprint, version, position, event_id, state, checksum)',
  )
  const state = '{"value":1,"patg":[]}'
  database.exec(
    `INSERT INTO snapshot VALUES ('balance-1', 'balance', 'code', 1, 1, 'id', '${state}', 'of before')`,
  )
  assert.equal(new Corrupter(new Random('forger')).forgeAll(database), 0)
  assert.equal(database.prepare('SELECT state FROM snapshot').get()?.state, state)
  database.close()
})

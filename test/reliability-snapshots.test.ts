/** The quick tier of T26; `npm run torture -- T26` runs it in full. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { snapshots } from '../torture/t26-snapshots.ts'
import { quickOptions } from '../torture/torture-test.ts'

it('states from snapshots equal full replay, damaged snapshots are ignored, forged ones would be seen', async () => {
  const { trials, failures, controls, facts } = await snapshots.run(quickOptions(Date.now() % 2 ** 31))
  assert.deepEqual(failures, [])
  assert.ok(trials >= 1_000)
  assert.ok(Number(facts.ignored) > 0, 'no damaged snapshot was met')
  for (const { sabotage, seen } of controls) assert.ok(seen > 0, `${sabotage} was not seen`)
})

/** The quick tier of T14; `npm run torture -- T14` runs it in full. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { network } from '../torture/t14-network.ts'
import { quickOptions } from '../torture/torture-test.ts'

it('nothing is lost, doubled or left hanging by a bad network, and callers that repeat blindly are found out', async () => {
  const { trials, failures, controls } = await network.run(quickOptions(Date.now() % 2 ** 31, 'postgres'))
  assert.deepEqual(failures, [])
  assert.equal(trials, 12)
  for (const { sabotage, seen } of controls) assert.ok(seen > 0, `${sabotage} was not seen`)
})

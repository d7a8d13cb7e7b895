/** The quick tier of T9; `npm run torture -- T9` runs it in full. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { storeNames, storeTitles } from '../torture/stores/address.ts'
import { keptUnderKill } from '../torture/t09-kept-under-kill.ts'
import { quickOptions } from '../torture/torture-test.ts'

for (const store of storeNames)
  it(`what processes keep on ${storeTitles[store]} is whole though they are killed and frozen, and nothing stale is written`, async () => {
    const { trials, failures, facts } = await keptUnderKill.run(quickOptions(Date.now() % 2 ** 31, store))
    assert.deepEqual(failures, [])
    assert.equal(trials, 7)
    assert.equal(facts['stale writes tried on purpose'], 3)
    assert.ok(Number(facts['refused by their token']) >= 3)
  })

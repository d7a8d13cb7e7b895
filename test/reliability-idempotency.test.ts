/** The quick tier of T11; `npm run torture -- T11` runs it in full. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { storeNames, storeTitles } from '../torture/stores/address.ts'
import { idempotency } from '../torture/t11-idempotency.ts'
import { quickOptions } from '../torture/torture-test.ts'

for (const store of storeNames)
  describe(storeTitles[store], () => {
    it('64 parallel uses of a key have one effect and one answer, and callers without keys are found out', async () => {
      const { trials, failures, controls } = await idempotency.run(quickOptions(Date.now() % 2 ** 31, store))
      assert.deepEqual(failures, [])
      assert.equal(trials, 20)
      for (const { sabotage, seen } of controls) assert.ok(seen > 0, `${sabotage} was not seen`)
    })
  })

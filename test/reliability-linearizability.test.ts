/** The quick tier of T6; `npm run torture -- T6` runs it in full. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { storeNames, storeTitles } from '../torture/stores/address.ts'
import { linearizability } from '../torture/t06-linearizability.ts'
import { quickOptions } from '../torture/torture-test.ts'

for (const store of storeNames)
  describe(storeTitles[store], () => {
    it('a history of 32 clients is linearizable, and forged ones are rejected', async () => {
      const { trials, failures, controls } = await linearizability.run(
        quickOptions(Date.now() % 2 ** 31, store),
      )
      assert.deepEqual(failures, [])
      assert.equal(trials, 1)
      assert.ok(controls.length >= 8, `only ${controls.length} kinds of forgery could be made`)
      for (const { sabotage, seen } of controls) assert.ok(seen > 0, `${sabotage} was not seen`)
    })
  })

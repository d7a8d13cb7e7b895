/** The quick tier of T18; `npm run torture -- T18` runs it in full. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { storeNames, storeTitles } from '../torture/stores/address.ts'
import { payloads } from '../torture/t18-payloads.ts'
import { quickOptions } from '../torture/torture-test.ts'

for (const store of storeNames)
  describe(storeTitles[store], () => {
    it('5,000 payloads come back identical or are refused, and plain JSON is found to change them', async () => {
      const { trials, failures, controls } = await payloads.run(quickOptions(Date.now() % 2 ** 31, store))
      assert.deepEqual(failures, [])
      assert.equal(trials, 5_000)
      for (const { sabotage, seen } of controls) assert.ok(seen > 0, `${sabotage} was not seen`)
    })
  })

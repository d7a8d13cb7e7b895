/** The quick tier of T16; `npm run torture -- T16` runs it in full. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { storeNames, storeTitles } from '../torture/stores/address.ts'
import { stalledReaders } from '../torture/t16-stalled-readers.ts'
import { quickOptions } from '../torture/torture-test.ts'

for (const store of storeNames)
  it(`readers on ${storeTitles[store]} that stop pulling take bounded memory, and quick ones see everything`, async () => {
    const { trials, failures } = await stalledReaders.run(quickOptions(Date.now() % 2 ** 31, store))
    assert.deepEqual(failures, [])
    assert.equal(trials, 20)
  })

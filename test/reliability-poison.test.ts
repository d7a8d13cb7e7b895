/** The quick tier of T17; `npm run torture -- T17` runs it in full. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { storeNames, storeTitles } from '../torture/stores/address.ts'
import { poison } from '../torture/t17-poison.ts'
import { quickOptions } from '../torture/torture-test.ts'

for (const store of storeNames)
  it(`an event on ${storeTitles[store]} that throws, hangs, loops or ends its process is parked once after its tries, and others go on`, async () => {
    const { trials, failures } = await poison.run(quickOptions(Date.now() % 2 ** 31, store))
    assert.deepEqual(failures, [])
    assert.equal(trials, 4)
  })

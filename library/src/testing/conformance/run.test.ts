import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { memory } from '../../memory/index.ts'
import { runConformance } from './run.ts'
import { conformanceSuite } from './suite.ts'

const name = 'positions and versions begin at 1 and have no gaps'
const unsupported = 'what is no open transaction on this book is refused'
const factory = () => ({ store: memory() })

describe('runConformance', () => {
  it('lists what passed, failed and was skipped with a reason', async () => {
    const report = await runConformance(factory, {
      only: [name, unsupported, 'a book keeps its identity'],
      deviations: { [unsupported]: 'no transactions' },
    })
    assert.deepEqual(report.passed, [name, 'a book keeps its identity'])
    assert.deepEqual(report.skipped, [{ name: unsupported, reason: 'no transactions' }])
    assert.deepEqual(report.failed, [])
  })

  it('fails a deviation that passes, and one that is of no case', async () => {
    const deviations = { [name]: 'not any more', 'no such case': 'why' }
    const { failed } = await runConformance(factory, { only: [name], deviations })
    assert.deepEqual(
      failed.map((failure) => failure.name),
      [name, 'no such case'],
    )
    assert.match(failed[0]?.error.message ?? '', /take it out of the deviations/)
  })

  it('fails a case that does not end, and disposes of its store', async () => {
    let disposed = 0
    const stuck = () => {
      const store = memory()
      const open: typeof store.open = async (host) => {
        const opened = await store.open(host)
        const append = () => new Promise<never>(() => undefined)
        return { ...opened, log: Object.assign(Object.create(opened.log), { append }) }
      }
      return { store: { ...store, open }, dispose: () => void disposed++ }
    }
    const { failed } = await runConformance(stuck, { only: [name], timeoutMs: 20 })
    assert.match(failed[0]?.error.message ?? '', /not over after 20 ms/)
    assert.equal(disposed, 1)
  })

  it('has a name of its own for each case', () => {
    const names = conformanceSuite.flatMap((group) => group.cases.map((single) => single.name))
    assert.equal(new Set(names).size, names.length)
  })
})

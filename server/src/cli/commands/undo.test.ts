import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, it } from 'node:test'
import { daybook, exampleFolder, failureOf, jsonLines, type Ran } from '../test-bed.ts'

let config = ''
beforeEach(() => {
  const folder = exampleFolder()
  config = join(folder, 'daybook.config.ts')
  writeFileSync(
    config,
    `import { decider, defineBook, defineEvents } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { z } from 'zod'
const events = defineEvents({ Added: z.object({ amount: z.int() }), Closed: z.object({}) })
const counter = decider('counter', {
  events,
  initialState: { amount: 0 },
  evolve: { Added: (state, { amount }) => ({ amount: state.amount + amount }), Closed: (state) => state },
  commands: { add: (_state, amount: number) => events.Added({ amount }), close: () => events.Closed({}) },
  compensate: { Added: (_state, { amount }) => events.Added({ amount: -amount }) },
})
export default defineBook({ store: sqlite(import.meta.dirname + '/counter.db'), deciders: [counter] })
`,
  )
})

const run = (...words: string[]): Promise<Ran> => daybook([...words, '--config', config])
const why = ['--actor', 'operator-7', '--reason', 'typed twice', '--json']

describe('undo and redo', () => {
  it('append what takes the event back, and what reinstates it, saying who and why', async () => {
    await run('run', 'counter', '1', 'add', '5')
    const undone = await run('undo', 'counter', '1', '1', ...why)
    const [outcome] = jsonLines(undone.stdout)
    assert.deepEqual([undone.code, outcome?.state, outcome?.version], [0, { amount: 0 }, 2])
    const redone = await run('redo', 'counter', '1', '1', ...why)
    assert.deepEqual([redone.code, jsonLines(redone.stdout)[0]?.state], [0, { amount: 5 }])
    const history = await run('read', 'counter-1', '--json')
    assert.deepEqual(
      jsonLines(history.stdout).map(({ metadata }) => (metadata as { readonly actor?: string }).actor),
      [undefined, 'operator-7', 'operator-7'],
    )
  })

  it('end with 3 for what was taken back already, cannot be, or was not', async () => {
    await run('run', 'counter', '1', 'add', '5')
    await run('run', 'counter', '1', 'close')
    const reasonOf = async (action: string, version: string): Promise<unknown> => {
      const { code, stdout } = await run(action, 'counter', '1', version, ...why)
      assert.equal(code, 3)
      const [outcome] = jsonLines(stdout) as { readonly refused?: { readonly reason?: unknown } }[]
      return outcome?.refused?.reason
    }
    assert.equal(await reasonOf('redo', '1'), 'NotUndone')
    assert.equal(await reasonOf('undo', '2'), 'NotCompensable')
    assert.equal(await reasonOf('undo', '9'), 'NoSuchEvent')
    await run('undo', 'counter', '1', '1', ...why)
    assert.equal(await reasonOf('undo', '1'), 'AlreadyUndone')
  })

  it('need an actor, a reason and a version', async () => {
    const nobody = await run('undo', 'counter', '1', '1', '--reason', 'typed twice', '--json')
    assert.deepEqual([nobody.code, failureOf(nobody).code], [2, 'USAGE'])
    const nowhere = await run('undo', 'counter', '1', 'last', ...why)
    assert.deepEqual([nowhere.code, failureOf(nowhere).code], [2, 'USAGE'])
  })
})

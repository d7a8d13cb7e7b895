/** The guide to PostgreSQL, followed from its first block to its last on a fresh server and its replica. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Binaries, debianBinaries, npmBinaries } from '@daybook/postgres-server'
import { errorRegistry } from 'daybook'
import { readText } from '../docs/code-blocks.ts'
import { GuideRun, hasProgram } from './docs-postgresql/guide-run.ts'
import { Application, scenes } from './docs-postgresql/scenes.ts'
import { type Step, stepsOf } from './docs-postgresql/steps.ts'

const text = readText('docs/guides/operate-on-postgresql.md')
const steps = stepsOf(text)
const servers: readonly (readonly [number, Binaries | undefined])[] = [
  [15, debianBinaries(15)],
  [18, npmBinaries()],
]

/** Programs that are too old for one server may do for the other. */
function isRunElsewhere({ needs }: { readonly needs: string | undefined }): boolean {
  return servers.some(
    ([major, binaries]) => binaries !== undefined && needs !== undefined && hasProgram(needs, major),
  )
}

function isRunOn(step: Step, major: number): boolean {
  return step.kind !== 'shell' || step.needs === undefined || hasProgram(step.needs, major)
}

describe('operate-on-postgresql.md', () => {
  it('is read by this test', () => {
    assert.ok(steps.length >= 35, `${steps.length} steps`)
    const headings = new Set(steps.map(({ heading }) => heading))
    assert.deepEqual(
      Object.keys(scenes).filter((heading) => !headings.has(heading)),
      [],
      'scenes of headings that are gone',
    )
  })

  it('names only error codes that there are', () => {
    const named = [...text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, code]) => code ?? '')
    assert.ok(named.length > 20)
    assert.deepEqual(
      named.filter((code) => !Object.hasOwn(errorRegistry, code)),
      [],
    )
  })

  for (const [major, binaries] of servers) {
    const skip = binaries === undefined ? `PostgreSQL ${major} is not installed` : false
    describe(`on PostgreSQL ${major}`, { skip }, () => {
      if (binaries !== undefined) follow(binaries, major)
    })
  }
})

function follow(binaries: Binaries, major: number): void {
  const application = new Application()
  let run: GuideRun
  before(async () => {
    run = await GuideRun.start(binaries)
  })
  after(async () => {
    await application.close()
    await run[Symbol.asyncDispose]()
  })
  for (const step of steps) {
    const name = `${step.heading}: ${step.body.split('\n')[0]}`
    const isHere = isRunOn(step, major)
    if (!isHere && step.kind === 'shell' && isRunElsewhere(step)) continue
    it(name, {
      skip: !isHere && 'a program of PostgreSQL is missing, or too old for the server',
    }, async () => {
      const scene = scenes[step.heading]
      if (scene === undefined) await run.run(step)
      else await scene(run, application, () => run.run(step))
    })
  }
}

/** Rebuilds from the command line: filled beside, compared, swapped, undone; interrupted and resumed; paused; given up. */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { followedBook, until } from '../../followed-bed.ts'
import {
  daybook,
  daybookJson,
  failureOf,
  type Json,
  jsonLines,
  type RunOptions,
  startDaybook,
} from '../../test-bed.ts'

/** What `show` says of the copy that is filled beside. */
async function nextOf(base: readonly string[]): Promise<Json | undefined> {
  const [shown] = await daybookJson(['projections', 'show', 'balances', ...base])
  return shown?.next as Json | undefined
}

/** Whether a part of the copy that is filled beside is stored. */
const hasBegun = (base: readonly string[]) => async (): Promise<boolean> =>
  Number((await nextOf(base))?.position ?? 0) > 0

const servingOf = async (base: readonly string[]): Promise<unknown> => {
  const [shown] = await daybookJson(['projections', 'show', 'balances', ...base])
  return (shown?.serving as Json | undefined)?.subscription
}

describe('a rebuild', () => {
  const book = followedBook()
  const run = (line: string, options?: RunOptions) =>
    daybook(['projections', ...line.split(' '), ...book.base], options)
  const ownerOf1 = async (): Promise<unknown> => {
    const [found] = await daybookJson(['find', 'balances', '1', ...book.base])
    return (found?.document as Json | undefined)?.owner
  }

  before(async () => {
    await book.open('Ada', 'Bob', 'Cy')
    await daybook(['find', 'balances', ...book.first])
  })

  it('is estimated first, which changes nothing', async () => {
    const [estimate, ...more] = await daybookJson([
      'projections',
      'rebuild',
      'balances',
      '--estimate',
      ...book.base,
    ])
    const { secondsAbout, bytes, ...rest } = estimate ?? {}
    assert.deepEqual(rest, { kind: 'estimate', projection: 'balances', version: 2, events: 6 })
    assert.ok(Number(secondsAbout) >= 0 && Number(bytes) > 0)
    assert.deepEqual(more, [])
    assert.equal(await nextOf(book.base), undefined)
    assert.equal(await ownerOf1(), 'Ada')
    assert.equal(await nextOf(book.base), undefined)
  })

  it('fills beside, is compared, serves when told, and is taken back', async () => {
    const filled = await run('rebuild balances')
    assert.equal(filled.code, 0, filled.stderr)
    assert.match(filled.stdout, /^balances@2 takes .* s: 6 events to look at, .* of data\.\n/)
    assert.match(filled.stdout, /\nbalances@2 is filled up to position 6, and waits\.\n$/)
    assert.match(filled.stderr, /`daybook projections swap balances` lets it serve/)
    assert.equal(await ownerOf1(), 'Ada')
    const compared = await run('compare balances')
    assert.equal(compared.code, 1)
    assert.equal(compared.stdout, '1\towner\tAda\tADA\n2\towner\tBob\tBOB\n3\towner\tCy\tCY\n')
    assert.equal(compared.stderr, '3 differences.\n')
    const limited = await run('compare balances --with next --limit 1 --json')
    assert.deepEqual(jsonLines(limited.stdout), [{ key: '1', field: 'owner', serving: 'Ada', other: 'ADA' }])
    const swapped = await run('swap balances')
    assert.match(
      swapped.stdout,
      /^balances@2 serves from now on, at position 6; balances@1 is kept to go back to\.\n$/,
    )
    assert.equal(await ownerOf1(), 'ADA')
    assert.match((await run('compare balances')).stdout, /^1\towner\tADA\tAda\n/)
    const [undone] = jsonLines((await run('undo balances --json')).stdout)
    assert.deepEqual(undone?.serving, { version: 1, generation: 1 })
    assert.equal(await ownerOf1(), 'Ada')
  })

  it('shows the copies, a line each', async () => {
    const { stdout } = await run('show balances')
    assert.match(stdout, /^serving\tbalances@1 at position 6, 0 events behind, nobody runs it$/m)
    assert.match(stdout, /^next\tnone$/m)
    assert.match(stdout, /^previous\tbalances@2 at position 6, /m)
    assert.match(stdout, /^code\tversion 2, async$/m)
  })

  it('is of the version named, and serves at once where the projection says so', async () => {
    const [, result] = await daybookJson(['projections', 'rebuild', 'balances@1', ...book.first])
    const { seconds, ...rest } = result ?? {}
    assert.ok(Number(seconds) >= 0)
    const expected = { kind: 'result', projection: 'balances', version: 1, generation: 2, outcome: 'swapped' }
    assert.deepEqual(rest, { ...expected, position: 6, events: 6 })
    assert.equal(await servingOf(book.base), 'balances@1.2')
    assert.equal((await run('compare balances')).code, 0)
    assert.match(
      (await run('compare balances')).stderr,
      /balances@1\.2, which serves, and balances@1 have the same/,
    )
  })

  it('is given up when told', async () => {
    await run('rebuild balances --swap manual')
    const cancelled = await run('cancel balances')
    assert.equal(cancelled.stdout, 'balances@2 is given up; balances@1.2 serves on.\n')
    assert.equal(await nextOf(book.first), undefined)
  })

  it('runs nothing else of the configuration', async () => {
    assert.deepEqual(book.effects(), [])
    const followers = await daybookJson(['subscriptions', ...book.base])
    assert.deepEqual(
      followers.map(({ status }) => status),
      ['new', 'new', 'new'],
    )
  })

  const refused: readonly (readonly [string, string, number])[] = [
    ['rebuild nothing', 'NOT_REGISTERED', 2],
    ['rebuild live', 'REBUILD_REFUSED', 1],
    ['rebuild balances --swap never', 'USAGE', 2],
    ['rebuild balances --events-per-second 0', 'USAGE', 2],
    ['rebuild balances --events-per-second 100000001', 'ILLEGAL_ARGUMENT', 2],
    ['rebuild balances --estimate --swap auto', 'USAGE', 2],
    ['rebuild balances --in-place', 'USAGE', 2],
    ['rebuild', 'USAGE', 2],
    ['show nothing', 'NOT_REGISTERED', 2],
    ['compare nothing', 'NOT_REGISTERED', 2],
    ['compare balances --with other', 'USAGE', 2],
    ['compare balances --limit 0', 'USAGE', 2],
    ['swap nothing', 'NOT_REGISTERED', 2],
    ['undo nothing', 'NOT_REGISTERED', 2],
    ['pause nothing', 'NOT_REGISTERED', 2],
    ['resume nothing', 'NOT_REGISTERED', 2],
    ['cancel nothing', 'NOT_REGISTERED', 2],
    ['nothing', 'USAGE', 2],
  ]
  for (const [line, code, exitCode] of refused) {
    it(`is refused: daybook projections ${line}`, async () => {
      const ran = await run(`${line} --json`)
      assert.equal(failureOf(ran).code, code, ran.stderr)
      assert.equal(ran.code, exitCode)
    })
  }

  for (const line of [
    'compare balances --with next',
    'swap balances',
    'pause balances',
    'resume balances',
    'cancel balances',
  ]) {
    it(`is refused where nothing is filled: daybook projections ${line}`, async () => {
      const fresh = followedBook()
      await fresh.open('Ada')
      await daybook(['find', 'balances', ...fresh.first])
      const ran = await daybook(['projections', ...line.split(' '), ...fresh.base, '--json'])
      assert.equal(failureOf(ran).code, 'REBUILD_REFUSED', ran.stderr)
      assert.equal(ran.code, 1)
      assert.equal(await nextOf(fresh.first), undefined)
    })
  }
})

describe('a rebuild that is interrupted', () => {
  const owners = Array.from({ length: 1_000 }, (_, index) => `owner ${index}`)

  it('goes on where it stopped, and is taken over by whoever waits', async () => {
    const book = followedBook()
    await book.open(...owners)
    await daybook(['find', 'balances', '--count', ...book.first])
    const rebuild = ['projections', 'rebuild', 'balances', '--swap', 'auto', ...book.base]
    const child = startDaybook(book.folder, [...rebuild, '--events-per-second', '50'])
    await until(hasBegun(book.base))
    let [told, tell] = ['', (): void => undefined]
    const waits = new Promise<void>((resolve) => {
      tell = resolve
    })
    const onTold = (text: string): void => {
      told += text
      if (told.includes('another process')) tell()
    }
    const interruption = new AbortController()
    const waiting = daybook([...rebuild, '--events-per-second', '50'], {
      signal: interruption.signal,
      onTold,
    })
    await waits
    child.kill('SIGINT')
    const { code, stderr } = await child.ended
    assert.equal(code, 130)
    assert.match(
      stderr,
      /^error INTERRUPTED: interrupted: balances@2 is filled up to position [\d,]+ of 2,000\nRun the same command again/,
    )
    await until(async () => told.includes('is being filled by this process'))
    interruption.abort()
    const second = await waiting
    assert.equal(second.code, 130, second.stderr)
    const stopped = Number((await nextOf(book.base))?.position)
    assert.ok(stopped > 0 && stopped < 2_000, String(stopped))
    const [, result] = await daybookJson(rebuild)
    assert.deepEqual([result?.outcome, result?.position, result?.events], ['swapped', 2_000, 2_000 - stopped])
    const found = await daybookJson(['find', 'balances', ...book.base])
    assert.equal(found.length, 1_000)
    for (const { key, document } of found) {
      const cents = Number(key)
      assert.deepEqual(document, { owner: `OWNER ${cents - 1}`, cents, movements: 1 })
    }
  })

  it('waits while it is paused, and says so; a terminal shows how far it is', async () => {
    const book = followedBook()
    await book.open(...owners.slice(0, 100))
    await daybook(['find', 'balances', '--count', ...book.first])
    const rebuild = ['projections', 'rebuild', 'balances', '--swap', 'auto', ...book.base]
    const interruption = new AbortController()
    const begun = daybook([...rebuild, '--events-per-second', '10'], {
      signal: interruption.signal,
      columns: 120,
    })
    await until(hasBegun(book.base))
    const paused = await daybook(['projections', 'pause', 'balances', ...book.base])
    assert.match(
      paused.stdout,
      /^balances@2 is paused at position \d+; `daybook projections resume balances` lets it go on\.\n$/,
    )
    assert.equal((await nextOf(book.base))?.isPaused, true)
    interruption.abort()
    assert.equal((await begun).code, 130)
    let tell = (): void => undefined
    const isTold = new Promise<void>((resolve) => {
      tell = resolve
    })
    const again = daybook(rebuild, {
      onTold: (text) => text.includes('is paused; `daybook projections resume') && tell(),
    })
    await isTold
    const resumed = await daybook(['projections', 'resume', 'balances', ...book.base])
    assert.match(resumed.stdout, /^balances@2 goes on from position \d+/)
    const ended = await again
    assert.equal(ended.code, 0, ended.stderr)
    assert.match(ended.stdout, /\nbalances@2 serves: \d+ events folded in /)
  })
})

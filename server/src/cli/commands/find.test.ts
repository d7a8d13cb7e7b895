import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { conditionsFrom, orderFrom } from '../conditions.ts'
import { type Followed, followedBook } from '../followed-bed.ts'
import { exampleFiles } from '../init-files.ts'
import { daybook, daybookJson, exampleFolder, failureOf, newFolder } from '../test-bed.ts'

const folder = exampleFolder()
const base = ['--config', join(folder, 'daybook.config.ts')]
const accounts = 2_345

before(async () => {
  const lines = Array.from({ length: accounts }, (_, n) => [
    {
      stream: `account-${n}`,
      type: 'AccountOpened',
      data: { owner: n === 7 ? 'Ada, Countess' : `owner ${n}` },
    },
    { stream: `account-${n}`, type: 'MoneyDeposited', data: { cents: n + 1 } },
  ])
  const input = lines
    .flat()
    .map((line) => JSON.stringify(line))
    .join('\n')
  await daybook(['append', '--file', '-', ...base], { input })
})

const keys = async (...words: string[]): Promise<readonly unknown[]> =>
  (await daybookJson(['find', 'balances', ...words, ...base])).map(({ key }) => key)

describe('find', () => {
  it('is current though nobody else runs the projection', async () => {
    const [found] = await daybookJson(['find', 'balances', '42', ...base])
    assert.deepEqual(found, { key: '42', document: { owner: 'owner 42', cents: 43, movements: 1 } })
    await daybook(['run', 'account', '42', 'deposit', '{"cents":7}', ...base])
    const [again] = await daybookJson(['find', 'balances', '42', ...base])
    assert.deepEqual(again?.document, { owner: 'owner 42', cents: 50, movements: 2 })
  })

  it('prints every document without a bound, in the order of the keys', async () => {
    const all = await keys()
    assert.equal(all.length, accounts)
    assert.deepEqual(
      all,
      all.map(String).sort((one, other) => (one < other ? -1 : 1)),
    )
  })

  it('filters, orders, limits and counts', async () => {
    assert.deepEqual(await keys('--where', 'cents>2343', '--order', 'cents:desc'), ['2344', '2343'])
    assert.deepEqual(await keys('--where', 'cents>=2', '--where', 'cents < 4'), ['1', '2'])
    assert.deepEqual(await keys('--where', 'owner=in:owner 3,owner 5'), ['3', '5'])
    assert.deepEqual(await keys('--where', 'owner=in:["Ada, Countess"]'), ['7'])
    assert.deepEqual(await keys('--where', 'key<=1', '--where', 'cents!=1'), ['1'])
    assert.deepEqual(await keys('--where', 'owner^=Ada, '), ['7'])
    assert.deepEqual(await keys('--where', 'key^=234', '--where', 'cents<2342'), ['234', '2340'])
    assert.deepEqual(await keys('--limit', '2', '--order', 'owner:asc'), ['7', '0'])
    assert.equal((await keys('--where', 'key>0', '--limit', '1500')).length, 1_500)
    const { stdout } = await daybook(['find', 'balances', '--where', 'cents<=100', '--count', ...base])
    assert.equal(stdout, '100\n')
    assert.deepEqual(await daybookJson(['find', 'balances', '--count', ...base]), [{ count: accounts }])
  })

  it('prints key and document in a pipe, columns on a terminal', async () => {
    const lines = await daybook(['find', 'balances', '--where', 'key=in:1,7', ...base])
    assert.match(lines.stdout, /^1\t\{"owner":"owner 1","cents":2,"movements":1\}\n7\t/)
    const env = { NO_COLOR: '1' }
    const table = await daybook(['find', 'balances', '--where', 'key=in:1,7', ...base], { columns: 80, env })
    assert.equal(
      table.stdout,
      'key  owner          cents  movements\n1    owner 1            2          1\n7    Ada, Countess      8          1\n',
    )
    const one = await daybook(['find', 'balances', '7', ...base], { columns: 80, env })
    assert.equal(one.stdout, 'owner      Ada, Countess\ncents      8\nmovements  1\n')
  })

  it('fails with 1 where there is no document of a key, and prints nothing where none matches', async () => {
    const ran = await daybook(['find', 'balances', 'nobody', ...base, '--json'])
    assert.equal(ran.code, 1)
    assert.equal(failureOf(ran).code, 'NOT_FOUND')
    const none = await daybook(['find', 'balances', '--where', 'cents>99999', ...base])
    assert.deepEqual(none, { code: 0, stdout: '', stderr: 'balances has no such documents.\n' })
  })

  it('waits for a position no longer than it may', async () => {
    const ran = await daybook([
      'find',
      'balances',
      '--not-before',
      '999999',
      '--timeout',
      '0.1',
      ...base,
      '--json',
    ])
    assert.equal(ran.code, 1)
    assert.equal(failureOf(ran).code, 'READ_MODEL_TIMEOUT')
    assert.equal((await daybook(['find', 'balances', '1', '--not-before', '3', ...base])).code, 0)
  })

  it('says why a projection has stopped', async () => {
    const broken = newFolder({
      ...exampleFiles,
      'account.ts': `${exampleFiles['account.ts']?.replace('({ ...balance, owner })', "{ throw new Error('no ' + owner + balance) }")}`,
    })
    const config = ['--config', join(broken, 'daybook.config.ts')]
    await daybook(['run', 'account', '1', 'open', '{"owner":"Ada"}', ...config])
    const ran = await daybook(['find', 'balances', ...config, '--json'])
    assert.equal(ran.code, 1)
    assert.match(failureOf(ran).message, /it has stopped: .* threw on AccountOpened at position 1: no Ada/)
  })

  const refused: readonly (readonly [readonly string[], string])[] = [
    [['balance'], 'NOT_REGISTERED'],
    [['balances', '--where', 'movements>1'], 'USAGE'],
    [['balances', '--where', 'cents'], 'USAGE'],
    [['balances', '--where', 'cents>'], 'USAGE'],
    [['balances', '--where', 'cents>many'], 'USAGE'],
    [['balances', '--where', 'cents>1.5'], 'ILLEGAL_QUERY'],
    [['balances', '--where', 'cents>null'], 'ILLEGAL_QUERY'],
    [['balances', '--where', 'cents>1', '--where', 'cents>2'], 'USAGE'],
    [['balances', '--where', '__proto__=1'], 'USAGE'],
    [['balances', '--where', 'owner=in:[1]'], 'ILLEGAL_QUERY'],
    [['balances', '--where', 'owner=in:['], 'USAGE'],
    [['balances', '--order', 'cents:down'], 'USAGE'],
    [['balances', '--order', 'movements'], 'USAGE'],
    [['balances', '--limit', '0'], 'USAGE'],
    [['balances', '1', '--count'], 'USAGE'],
    [['balances', '--timeout', '601'], 'USAGE'],
    [['balances', '--where', 'cents^=1'], 'USAGE'],
    [['balances', '--as-of', 'yesterday'], 'USAGE'],
    [['balances', '--as-of', '-1'], 'USAGE'],
    [['balances', '--recorded'], 'USAGE'],
    [['balances', '--as-of', '3', '--recorded'], 'USAGE'],
    [['balances', '--as-of', '3', '--not-before', '3'], 'USAGE'],
  ]
  for (const [words, code] of refused) {
    it(`refuses with 2: daybook find ${words.join(' ')}`, async () => {
      const ran = await daybook(['find', ...words, ...base, '--json'])
      assert.equal(failureOf(ran).code, code, ran.stderr)
      assert.equal(ran.code, 2)
    })
  }
})

describe('find in the past', () => {
  it('answers as of a position or a time, for one document, many, or how many', async () => {
    const at = ['--as-of', '11', ...base]
    assert.deepEqual(await daybookJson(['find', 'balances', '4', ...at]), [
      { key: '4', document: { owner: 'owner 4', cents: 5, movements: 1 } },
    ])
    assert.deepEqual(await daybookJson(['find', 'balances', '5', ...at]), [
      { key: '5', document: { owner: 'owner 5', cents: 0, movements: 0 } },
    ])
    assert.equal((await daybook(['find', 'balances', '6', ...at])).code, 1)
    assert.equal((await daybook(['find', 'balances', '--count', ...at])).stdout, '6\n')
    assert.deepEqual(await keys('--as-of', '11', '--order', 'cents:desc', '--limit', '2'), ['4', '3'])
    assert.equal((await keys('--as-of', String(accounts * 2))).length, accounts)
    assert.deepEqual(await keys('--as-of', '1993-12-31'), [])
    assert.equal((await keys('--as-of', '2999-01-01', '--recorded', '--where', 'cents>2343')).length, 2)
  })

  it('counts business time, or with --recorded when it was recorded', async () => {
    const dated = ['--config', join(exampleFolder(), 'daybook.config.ts')]
    const open = ['run', 'account', '1', 'open', '{"owner":"Ada"}', '--occurred-at', '1993-01-01T00:00:00Z']
    await daybook([...open, ...dated])
    const at = ['find', 'balances', '1', '--as-of', '1993-12-31', ...dated]
    assert.equal((await daybook(at)).code, 0)
    assert.equal(failureOf(await daybook([...at, '--recorded', '--json'])).code, 'NOT_FOUND')
  })
})

describe('find while another version serves', () => {
  const owner = async (book: Followed, options: readonly string[]): Promise<unknown> => {
    const [found] = await daybookJson(['find', 'balances', '1', ...options])
    assert.deepEqual(book.effects(), [])
    return (found?.document as { readonly owner: unknown } | undefined)?.owner
  }

  it('brings up to date what serves, and does not let newer code serve', async () => {
    const book = followedBook()
    await book.open('Ada')
    assert.equal(await owner(book, book.first), 'Ada')
    await daybook(['run', 'account', '1', 'deposit', '{"cents":5}', ...book.first])
    const [found] = await daybookJson(['find', 'balances', '1', ...book.base])
    assert.deepEqual(found?.document, { owner: 'Ada', cents: 6, movements: 2 })
    const doctor = await daybook(['doctor', ...book.base])
    assert.equal(doctor.code, 0)
    assert.match(
      doctor.stdout,
      /^note\tPROJECTION_FILLING\tbalances@2 is 3 events behind; balances@1 serves meanwhile\t/m,
    )
    assert.equal(await owner(book, book.first), 'Ada')
  })

  it('says so where the code of what serves is not here', async () => {
    const book = followedBook()
    await book.open('Ada')
    await daybook(['find', 'balances', ...book.first])
    const newer = join(book.folder, 'newer.config.ts')
    const config = readFileSync(join(book.folder, 'daybook.config.ts'), 'utf8')
    writeFileSync(newer, config.replace('[balances, balances2, live]', '[balances2]'))
    const ran = await daybook(['find', 'balances', '1', '--config', newer])
    assert.match(ran.stdout, /"owner":"Ada"/)
    assert.match(
      ran.stderr,
      /^balances@1 serves, and its code is not here: .*`daybook projections rebuild balances` fills version 2\.\n$/,
    )
  })
})

describe('conditions', () => {
  const types = { cents: 'integer', rate: 'real', owner: 'text', isOpen: 'boolean' } as const
  const cases: readonly (readonly [readonly string[], unknown])[] = [
    [['cents>100'], { cents: { gt: 100 } }],
    [['cents >= -5', 'cents<=5'], { cents: { gte: -5, lte: 5 } }],
    [['rate!=0.5'], { rate: { ne: 0.5 } }],
    [['owner=a=b>c'], { owner: { eq: 'a=b>c' } }],
    [['owner^=null'], { owner: { prefix: 'null' } }],
    [['owner^=a=b', 'key ^= 4'], { owner: { prefix: 'a=b' }, key: { prefix: '4' } }],
    [['owner=null', 'cents!=null'], { owner: { eq: null }, cents: { ne: null } }],
    [['owner='], { owner: { eq: '' } }],
    [['isOpen=true'], { isOpen: { eq: true } }],
    [['cents=in:1,2'], { cents: { in: [1, 2] } }],
    [['key=42'], { key: { eq: '42' } }],
  ]
  for (const [texts, expected] of cases)
    it(texts.join(' and '), () => assert.deepEqual(conditionsFrom(texts, types), expected))

  it('orders', () => {
    assert.deepEqual(orderFrom(['cents:desc', 'key'], types), { cents: 'desc', key: 'asc' })
  })
})

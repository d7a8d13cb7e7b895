import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'
import { describe, it } from 'node:test'
import { isDaybookError } from '../core/errors.ts'
import { nodeHost } from '../host/node-host.ts'
import { migratePostgres, type PostgresOptions, postgres } from './index.ts'

const address = 'postgres://teller:swordfish@bank.example:5433/daybook'

describe('options of the store on PostgreSQL', () => {
  const illegal: readonly (readonly [string, Record<string, unknown>])[] = [
    ['schema', { schema: '' }],
    ['schema', { schema: 'Capital' }],
    ['schema', { schema: '1st' }],
    ['schema', { schema: 'pg_mine' }],
    ['schema', { schema: 'a"; DROP TABLE event' }],
    ['schema', { schema: 'a'.repeat(41) }],
    ['schema', { schema: 7 }],
    ['timeoutMs', { timeoutMs: 99 }],
    ['timeoutMs', { timeoutMs: 600_001 }],
    ['timeoutMs', { timeoutMs: 100.5 }],
    ['timeoutMs', { timeoutMs: '1000' }],
    ['readConnections', { readConnections: 0 }],
    ['readConnections', { readConnections: 65 }],
    ['flush', { flush: 'sometimes' }],
    ['listen', { listen: true }],
    ['listen', { listen: 'mysql://bank.example' }],
    ['driver', { driver: {} }],
    ['driver', { driver: 'pg' }],
    ['driver', { driver: { Client: 'Client' } }],
  ]
  for (const [argument, options] of illegal) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(
        () => postgres(address, options as PostgresOptions),
        (error) =>
          isDaybookError(error, 'ILLEGAL_ARGUMENT') &&
          error.facts.argument === argument &&
          error.message.includes(argument),
      )
    })
  }

  it('takes names at their bounds', () => {
    for (const schema of ['a', '_', 'a'.repeat(40), 'select', 'daybook_2']) {
      assert.equal(postgres(address, { schema }).name, `postgres:bank.example:5433/daybook/${schema}`)
    }
  })

  it("refuses flush: 'never' that is not asked for by its danger", () => {
    assert.throws(() => postgres(address, { flush: 'never' }), { code: 'STORE_UNSAFE' })
    assert.ok(postgres(address, { flush: 'never', unsafeDurability: true }))
  })
})

describe('the address of the store', () => {
  for (const connection of ['', 'bank.db', 'mysql://bank.example/daybook', 7, null, undefined]) {
    it(`refuses ${JSON.stringify(connection)}`, () => {
      assert.throws(() => postgres(connection as string), { code: 'ILLEGAL_ARGUMENT' })
    })
  }

  it('refuses one that is malformed, and repeats no password', async () => {
    for (const connection of [
      'postgres://teller:sword#fish@bank/daybook',
      'postgres://teller:swordfish@bank:x/',
    ]) {
      for (const attempt of [
        async () => void postgres(connection),
        () => migratePostgres(connection),
        async () => void postgres(address, { listen: connection }),
      ]) {
        const error: unknown = await attempt().catch((reason: unknown) => reason)
        assert.ok(
          error instanceof Error && 'code' in error && error.code === 'ILLEGAL_ARGUMENT',
          String(error),
        )
        assert.ok(!/fish/.test(JSON.stringify([error.message, error])))
      }
    }
  })

  it('is named without its user and its password', () => {
    assert.equal(postgres(address).name, 'postgres:bank.example:5433/daybook/daybook')
    const settings = { host: 'bank.example', database: 'daybook', user: 'teller', password: 'swordfish' }
    assert.equal(postgres(settings).name, 'postgres:bank.example/daybook/daybook')
    assert.equal(postgres({}).name, 'postgres:default/daybook')
  })
})

describe('the driver', () => {
  /** Opens with what `import('pg')` gives replaced. */
  async function openWith(source: string | undefined): Promise<unknown> {
    const hooks = registerHooks({
      resolve: (specifier, context, next) => {
        if (specifier !== 'pg') return next(specifier, context)
        if (source === undefined)
          throw Object.assign(new Error('not found'), { code: 'ERR_MODULE_NOT_FOUND' })
        return { url: `data:text/javascript,${source}`, shortCircuit: true }
      },
    })
    try {
      const opening = postgres(address).open(nodeHost())
      return await opening.catch((reason: unknown) => reason)
    } finally {
      hooks.deregister()
    }
  }

  it('is asked for by its name where it is missing', async () => {
    const error = await openWith(undefined)
    assert.ok(error instanceof Error && 'hint' in error && 'code' in error)
    assert.equal(error.code, 'DRIVER_MISSING')
    assert.match(error.message, /the package pg is not installed/)
    assert.match(String(error.hint), /npm install pg/)
  })

  it('is refused when it has no Client', async () => {
    const error = await openWith('export const Pool = 1')
    assert.ok(error instanceof Error && 'code' in error)
    assert.deepEqual([error.code, /pg has no Client/.test(error.message)], ['DRIVER_MISSING', true])
  })

  it('that takes no setting of the address is told with its own words, each time', async () => {
    const store = postgres(`${address}?sslrootcert=%2Fnot%2Fhere.pem`)
    for (let attempt = 0; attempt < 2; attempt++) {
      await assert.rejects(store.open(nodeHost()), { code: 'STORE_CANNOT_OPEN', message: /not.here\.pem/ })
    }
  })
})

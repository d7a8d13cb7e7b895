import assert from 'node:assert/strict'
import { it } from 'node:test'
import { publishedManifest } from './pack-manifest.ts'

it('exports that point at sources point at their declarations and JavaScript in dist', () => {
  const manifest = {
    name: 'daybook',
    scripts: { prepack: 'node a.ts' },
    exports: { './sqlite': './src/sqlite/index.ts', './package.json': './package.json' },
  }
  assert.deepEqual(publishedManifest(manifest), {
    name: 'daybook',
    exports: {
      './sqlite': { types: './dist/sqlite/index.d.ts', default: './dist/sqlite/index.js' },
      './package.json': './package.json',
    },
  })
})

it('a package without exports only loses what concerns the repository', () => {
  assert.deepEqual(publishedManifest({ bin: { daybook: 'bin/daybook.js' }, devDependencies: { zod: '4' } }), {
    bin: { daybook: 'bin/daybook.js' },
  })
})

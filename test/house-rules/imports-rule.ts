import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { forLibraryTests, libraryRooms, type Room, serverRooms } from './rooms.ts'
import { complaint, isTest, nameOf, type Rule, type Source, type SyntaxNode, walk } from './source.ts'

interface Import {
  readonly node: SyntaxNode
  readonly from: string
}

const importing = [
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
]

function importsOf(source: Source): Import[] {
  const imports: Import[] = []
  for (const [node] of walk(source.program)) {
    const from = importing.includes(node.type) ? nameOf(node.source) : undefined
    if (from !== undefined) imports.push({ node, from })
  }
  return imports
}

const isRelative = (from: string): boolean => from.startsWith('.')

function matches(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  )
}

interface Package {
  readonly name: string
  readonly exports?: Readonly<Record<string, unknown>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

function readPackage(folder: string): Package {
  return JSON.parse(readFileSync(new URL(`../../${folder}package.json`, import.meta.url), 'utf8')) as Package
}

const root = readPackage('')
const library = readPackage('library/')
const publicSubpaths = Object.keys(library.exports ?? {}).map((subpath) => `daybook${subpath.slice(1)}`)

/** `@daybook/server/x` is of the package `@daybook/server`. */
function packageOf(from: string): string {
  return from.split('/', from.startsWith('@') ? 2 : 1).join('/')
}

/** A tree of rooms: a file may import its own room and the rooms and modules that the table grants. */
function checkTree(
  source: Source,
  base: string,
  rooms: Readonly<Record<string, Room>>,
  isModuleAllowed: (from: string, room: Room) => boolean,
): string[] {
  const roomOf = (path: string): string => path.slice(base.length).split('/')[0] ?? ''
  const name = roomOf(source.path)
  const room = rooms[name]
  if (room === undefined)
    return [`${source.path}:1: unknown room "${name}"; add it to test/house-rules/rooms.ts`]
  const complaints: string[] = []
  for (const { node, from } of importsOf(source)) {
    if (!isRelative(from)) {
      if (!isModuleAllowed(from, room))
        complaints.push(complaint(source, node, `${name} may not import ${from}`))
      continue
    }
    const target = posix.join(posix.dirname(source.path), from)
    const isOutside = !target.startsWith(base)
    const other = roomOf(target)
    if (isOutside) complaints.push(complaint(source, node, `${from} is outside of ${base}`))
    else if (other !== name && !room.rooms.includes(other)) {
      complaints.push(complaint(source, node, `${name} may not import ${other}`))
    }
  }
  return complaints
}

function checkLibrary(source: Source): string[] {
  const rooms = isTest(source.path) ? withTestRooms(libraryRooms) : libraryRooms
  return checkTree(source, 'library/src/', rooms, (from, room) => matches(from, room.modules ?? []))
}

function withTestRooms(rooms: Readonly<Record<string, Room>>): Record<string, Room> {
  return Object.fromEntries(
    Object.entries(rooms).map(([name, room]) => [
      name,
      {
        rooms: [...room.rooms, ...forLibraryTests.rooms],
        modules: [...(room.modules ?? []), ...(forLibraryTests.modules ?? [])],
      },
    ]),
  )
}

/** Outside of the library only its public subpaths, what the package declares, and in tests what the root declares. */
function isDeclared(from: string, folder: string, path: string): boolean {
  if (from.startsWith('node:')) return true
  const own = readPackage(folder)
  const isOwn = packageOf(from) in { ...own.dependencies, ...own.devDependencies }
  if (packageOf(from) === library.name) return isOwn && publicSubpaths.includes(from)
  return isOwn || (isTest(path) && packageOf(from) in (root.devDependencies ?? {}))
}

function checkServer(source: Source): string[] {
  return checkTree(source, 'server/src/', serverRooms, (from) => isDeclared(from, 'server/', source.path))
}

function checkPackage(source: Source, folder: string): string[] {
  return importsOf(source).flatMap(({ node, from }) => {
    const isAllowed = isRelative(from)
      ? posix.join(posix.dirname(source.path), from).startsWith(folder)
      : isDeclared(from, folder, source.path)
    return isAllowed ? [] : [complaint(source, node, `${folder} may not import ${from}`)]
  })
}

export const importsRule: Rule = {
  name: 'a room imports only what the table of rooms grants',
  check(source) {
    if (source.path.startsWith('library/src/')) return checkLibrary(source)
    if (source.path.startsWith('server/src/')) return checkServer(source)
    const folder = /^(bench|examples\/[^/]+)\//.exec(source.path)?.[0]
    return folder === undefined ? [] : checkPackage(source, folder)
  },
  offending: [
    { path: 'library/src/core/a.ts', text: `import { randomUUID } from 'node:crypto'` },
    { path: 'library/src/core/a.ts', text: `import type { Host } from '../host/host.ts'` },
    { path: 'library/src/core/a.ts', text: `export type A = import('../book/book.ts').Book` },
    { path: 'library/src/core/a.ts', text: `export * from '../book/book.ts'` },
    { path: 'library/src/core/a.ts', text: `export const load = () => import('../book/book.ts')` },
    { path: 'library/src/sqlite/a.ts', text: `import { memory } from '../memory/index.ts'` },
    { path: 'library/src/sqlite/a.test.ts', text: `import { store } from '../postgres/index.ts'` },
    { path: 'library/src/memory/a.ts', text: `import { openBook } from '../book/open-book.ts'` },
    { path: 'library/src/index.ts', text: `export { sqlite } from './sqlite/index.ts'` },
    { path: 'library/src/attic/a.ts', text: 'export const a = 1' },
    { path: 'library/src/book/a.ts', text: `import { z } from 'zod'` },
    { path: 'library/src/host/a.ts', text: `import { a } from '../../../scripts/a.ts'` },
    { path: 'server/src/cli/a.ts', text: `import { plan } from 'daybook/src/core/append-plan.ts'` },
    { path: 'server/src/cli/a.ts', text: `import { plan } from '../../../library/src/core/append-plan.ts'` },
    { path: 'server/src/cli/a.ts', text: `import { z } from 'zod'` },
    { path: 'server/src/attic/a.ts', text: 'export const a = 1' },
    { path: 'examples/bank/a.ts', text: `import { plan } from '../../library/src/core/append-plan.ts'` },
    { path: 'bench/a.ts', text: `import { z } from 'zod'` },
  ],
  accepted: [
    { path: 'library/src/core/a.ts', text: `import { DaybookError } from './errors.ts'` },
    { path: 'library/src/core/ports/a.ts', text: `import { DaybookError } from '../errors.ts'` },
    { path: 'library/src/sqlite/a.ts', text: `import { DatabaseSync } from 'node:sqlite'` },
    { path: 'library/src/book/a.test.ts', text: `import { memory } from '../memory/index.ts'` },
    { path: 'library/src/book/a.test.ts', text: `import { z } from 'zod'` },
    {
      path: 'server/src/cli/a.ts',
      text: `import { openBook } from 'daybook'\nimport { sqlite } from 'daybook/sqlite'`,
    },
    { path: 'server/src/cli/a.ts', text: `import { Command } from 'commander'` },
    { path: 'examples/bank/a.ts', text: `import { sqlite } from 'daybook/sqlite'\nimport './b.ts'` },
    { path: 'scripts/a.ts', text: `import { z } from 'zod'` },
  ],
}

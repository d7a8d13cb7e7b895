import {
  asNode,
  asNodes,
  complaint,
  isTest,
  nameOf,
  type Rule,
  type Source,
  type SyntaxNode,
  walk,
} from './source.ts'

/** What the house does not say, and what it says instead. Written as words; `aggregate id` finds `aggregateIds`. */
const words: Readonly<Record<string, string>> = {
  'aggregate id': 'stream',
  'stream revision': 'version',
  revision: 'version',
  'sequence number': 'version or position',
  'global sequence': 'position',
  'global position': 'position',
  'high water': 'head',
  'dead letter': 'parked event',
  dlq: 'parked event',
  denormaliser: 'projection',
  denormalizer: 'projection',
  reducer: 'evolve',
  memento: 'snapshot',
  adapter: 'store',
  provider: 'store',
  backend: 'store',
  publisher: 'relay',
  sink: 'destination',
  anonymise: 'forget',
  anonymize: 'forget',
  shred: 'forget',
}

/** `openSQLiteStore` and `OPEN_SQLITE_STORE` as ` open sqlite store `. */
function spaced(identifier: string): string {
  const parts = identifier.replace(/([a-z0-9])([A-Z])/g, '$1 $2').split(/[^A-Za-z0-9]+/)
  return ` ${parts.join(' ').toLowerCase()} `
}

export function forbiddenWordIn(identifier: string): string | undefined {
  return Object.keys(words).find((word) => new RegExp(` ${word}(s|es)? `).test(spaced(identifier)))
}

const members = ['TSPropertySignature', 'TSMethodSignature', 'PropertyDefinition', 'MethodDefinition']

/** The names that a file exports, and the names of the members of what it exports. */
function exportedNames(source: Source): SyntaxNode[] {
  const names: SyntaxNode[] = []
  for (const statement of asNodes(source.program.body)) {
    if (statement.type !== 'ExportNamedDeclaration') continue
    for (const specifier of asNodes(statement.specifiers)) names.push(asNode(specifier.exported))
    for (const [node] of walk(statement)) {
      const isMember = members.includes(node.type) && node.computed !== true
      if (isMember) names.push(asNode(node.key))
    }
    names.push(...declaredBy(statement.declaration))
  }
  return names
}

function declaredBy(declaration: unknown): SyntaxNode[] {
  const [node] = asNodes([declaration])
  if (node === undefined) return []
  const declarators = node.type === 'VariableDeclaration' ? asNodes(node.declarations) : [node]
  return declarators.flatMap((declarator) => asNodes([declarator.id]))
}

export const wordsRule: Rule = {
  name: 'exported names use the words of the house',
  check(source) {
    const isOurs = /^(library|server)\/src\//.test(source.path) && !isTest(source.path)
    if (!isOurs) return []
    return exportedNames(source).flatMap((node) => {
      const name = nameOf(node) ?? ''
      const word = forbiddenWordIn(name)
      return word === undefined
        ? []
        : [complaint(source, node, `"${name}": not "${word}" but "${words[word]}"`)]
    })
  },
  offending: [
    { path: 'library/src/core/a.ts', text: 'export const aggregateId = 1' },
    { path: 'library/src/core/a.ts', text: 'export interface Head { readonly highWaterMark: number }' },
    { path: 'library/src/core/a.ts', text: 'export type A = { streamRevision: number }' },
    { path: 'library/src/core/a.ts', text: 'export class MemoryAdapter {}' },
    { path: 'library/src/core/a.ts', text: 'class A { }\nexport { A as StorageProviders }' },
    { path: 'library/src/core/a.ts', text: 'export function shredPerson(): void {}' },
    { path: 'server/src/http/a.ts', text: 'export interface Event { sequenceNumber: number }' },
  ],
  accepted: [
    { path: 'library/src/core/a.ts', text: 'export interface Head { readonly position: number }' },
    { path: 'library/src/core/a.ts', text: 'const reducer = 1\nexport const sinking = reducer' },
    { path: 'bench/a.ts', text: 'export const adapter = 1' },
  ],
}

const drawer = /^(utils?|helpers?|common|types|misc|shared)$/
const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/

export const fileNamesRule: Rule = {
  name: 'file names are kebab-case, and no file or folder is a drawer',
  check({ path }) {
    return path.split('/').flatMap((part) => {
      const stem = part.replace(/\.[a-z]+$/, '')
      if (drawer.test(stem)) return [`${path}:1: "${part}" is a drawer; name the file after what is in it`]
      return kebab.test(part) || part.startsWith('.') ? [] : [`${path}:1: "${part}" is not kebab-case`]
    })
  },
  offending: [
    { path: 'library/src/core/utils.ts', text: '' },
    { path: 'library/src/core/types.ts', text: '' },
    { path: 'library/src/helpers/a.ts', text: '' },
    { path: 'library/src/common/a.ts', text: '' },
    { path: 'library/src/core/appendPlan.ts', text: '' },
  ],
  accepted: [
    { path: 'library/src/core/append-plan.ts', text: '' },
    { path: 'library/src/core/decider.types.test.ts', text: '' },
    { path: 'library/src/core/event-types.ts', text: '' },
  ],
}

/** Rules about types that are told the truth, and modules that do nothing behind one's back. */
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

function isCastThroughUnknown(node: SyntaxNode): boolean {
  if (node.type !== 'TSAsExpression') return false
  const inner = asNode(node.expression)
  return inner.type === 'TSAsExpression' && asNode(inner.typeAnnotation).type === 'TSUnknownKeyword'
}

const silencers = /^[\s*/]*@ts-(ignore|nocheck|expect-error)\b/m

function silencerIn(comment: string, path: string): string | undefined {
  const found = silencers.exec(comment)?.[1]
  return found === 'expect-error' && path.endsWith('.types.test.ts') ? undefined : found
}

export const honestTypesRule: Rule = {
  name: 'no any, no cast through unknown, no silenced type error',
  check(source) {
    const complaints: string[] = []
    for (const [node] of walk(source.program)) {
      if (node.type === 'TSAnyKeyword') complaints.push(complaint(source, node, 'the type any'))
      if (isCastThroughUnknown(node)) complaints.push(complaint(source, node, 'a cast through unknown'))
    }
    for (const comment of source.comments) {
      const silencer = silencerIn(comment.value, source.path)
      if (silencer !== undefined) complaints.push(complaint(source, comment, `@ts-${silencer}`))
    }
    return complaints
  },
  offending: [
    { path: 'scripts/a.ts', text: 'export function f(a: any): void {}' },
    { path: 'scripts/a.ts', text: 'export const a: Record<string, any> = {}' },
    { path: 'scripts/a.ts', text: 'export const a = 1 as unknown as string' },
    { path: 'scripts/a.ts', text: '// @ts-ignore\nexport const a = 1' },
    { path: 'scripts/a.ts', text: '/* @ts-nocheck */\nexport const a = 1' },
    { path: 'scripts/a.test.ts', text: '// @ts-expect-error: wrong\nexport const a: string = 1' },
  ],
  accepted: [
    {
      path: 'scripts/a.types.test.ts',
      text: '// @ts-expect-error: a number is no string\nexport const a: string = 1',
    },
    {
      path: 'scripts/a.ts',
      text: '// As any reader knows, @ts-ignore is not for us.\nexport const any = 1 as unknown',
    },
  ],
}

const declarations = [
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'FunctionDeclaration',
  'ClassDeclaration',
  'VariableDeclaration',
  'TSInterfaceDeclaration',
  'TSTypeAliasDeclaration',
  'TSDeclareFunction',
]

function isOfLibrary(source: Source): boolean {
  return source.path.startsWith('library/src/') && !isTest(source.path)
}

export const quietRule: Rule = {
  name: 'nothing happens when the library is imported, and nothing in it logs',
  check(source) {
    if (!isOfLibrary(source)) return []
    const complaints = asNodes(source.program.body)
      .filter((statement) => !declarations.includes(statement.type) && !isOnlyOfThread(source, statement))
      .map((statement) => complaint(source, statement, 'a statement that runs at import'))
    for (const [node] of walk(source.program)) {
      if (node.type === 'AwaitExpression' && isAtTop(source, node)) {
        complaints.push(complaint(source, node, 'an await at import'))
      }
      if (node.type !== 'MemberExpression') continue
      const object = nameOf(node.object)
      const isStream = object === 'process' && /^std(out|err)$/.test(nameOf(node.property) ?? '')
      if (object === 'console' || isStream)
        complaints.push(complaint(source, node, 'the library does not log'))
    }
    return complaints
  },
  offending: [
    { path: 'library/src/book/a.ts', text: `export function f(): void { console.log('a') }` },
    { path: 'library/src/book/a.ts', text: `export function f(): void { process.stderr.write('a') }` },
    { path: 'library/src/book/a.ts', text: 'start()' },
    { path: 'library/src/book/a.ts', text: 'if (isOld) polyfill()' },
    { path: 'library/src/book/a.ts', text: 'if (parentPort === null) start()' },
    { path: 'library/src/book/a.ts', text: 'if (parentPort !== null) serve(parentPort)\nelse start()' },
    { path: 'library/src/book/a.ts', text: 'export const a = await load()' },
  ],
  accepted: [
    { path: 'library/src/book/a.test.ts', text: `console.log('a')` },
    { path: 'server/src/cli/a.ts', text: `console.log('a')` },
    {
      path: 'library/src/book/a.ts',
      text: 'export const a: number = 1\nexport async function f() { await g() }',
    },
    { path: 'library/src/book/a.ts', text: 'if (parentPort !== null) serve(parentPort)' },
  ],
}

/** How a thread begins; where the file is imported, nothing happens. */
function isOnlyOfThread(source: Source, statement: SyntaxNode): boolean {
  return /^if \(parentPort !== null\) \w+\(.*\)$/.test(source.text.slice(statement.start, statement.end))
}

function isAtTop(source: Source, wanted: SyntaxNode): boolean {
  for (const [node, ancestors] of walk(source.program)) {
    if (node === wanted) return !ancestors.some((ancestor) => /Function/.test(ancestor.type))
  }
  return false
}

/** What core would have to ask a machine for. Core gets time, ids and hashes from the host it is given. */
const machine = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'process',
  'Buffer',
  'fetch',
  'crypto',
  'performance',
  'globalThis',
]

function machineUse(node: SyntaxNode): string | undefined {
  if (node.type === 'NewExpression') {
    const isNow = nameOf(node.callee) === 'Date' && asNodes(node.arguments).length === 0
    return isNow ? 'new Date()' : undefined
  }
  if (node.type === 'CallExpression') {
    const name = nameOf(node.callee)
    return name !== undefined && machine.includes(name) ? name : undefined
  }
  if (node.type !== 'MemberExpression') return undefined
  const object = nameOf(node.object) ?? ''
  const whole = `${object}.${nameOf(node.property) ?? ''}`
  return ['Date.now', 'Math.random'].includes(whole) ? whole : machine.includes(object) ? object : undefined
}

/** Names that the file itself declares, as variables, parameters or imports. */
function declaredNames(source: Source): Set<string> {
  const names = new Set<string>()
  for (const [node] of walk(source.program)) {
    const bindings = [node.id, node.local, ...asNodes(node.params)]
    for (const binding of bindings) names.add(nameOf(binding) ?? '')
  }
  return names
}

export const pureCoreRule: Rule = {
  name: 'core is pure: no clock, no timer, no chance, no machine',
  check(source) {
    if (!source.path.startsWith('library/src/core/') || isTest(source.path)) return []
    const declared = declaredNames(source)
    const complaints: string[] = []
    for (const [node] of walk(source.program)) {
      const use = machineUse(node)
      if (use !== undefined && !declared.has(use))
        complaints.push(complaint(source, node, `core may not use ${use}`))
    }
    return complaints
  },
  offending: [
    { path: 'library/src/core/a.ts', text: 'export const f = (): number => Date.now()' },
    { path: 'library/src/core/a.ts', text: 'export const f = (): Date => new Date()' },
    { path: 'library/src/core/a.ts', text: 'export const f = (): number => Math.random()' },
    { path: 'library/src/core/a.ts', text: 'export function f(): void { setTimeout(f, 1) }' },
    { path: 'library/src/core/a.ts', text: `export const f = (): Uint8Array => Buffer.from('a')` },
    { path: 'library/src/core/a.ts', text: 'export const f = (): string => crypto.randomUUID()' },
  ],
  accepted: [
    { path: 'library/src/host/a.ts', text: 'export const f = (): number => Date.now()' },
    { path: 'library/src/core/a.ts', text: 'export const f = (ms: number): Date => new Date(ms)' },
    { path: 'library/src/core/a.ts', text: 'export function f(process: P): string { return process.name }' },
  ],
}

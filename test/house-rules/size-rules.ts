import {
  asNode,
  asNodes,
  complaint,
  lineAt,
  nameOf,
  type Rule,
  type Source,
  type SyntaxNode,
  walk,
} from './source.ts'

const mostFileLines = 400
const mostFunctionLines = 70
const mostTypeParameters = 3

/** Lines from the first to the last, both included. */
function lineCount(source: Source, node: SyntaxNode): number {
  return lineAt(source, node.end) - lineAt(source, node.start) + 1
}

const functions = ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']

/** `describe`, `describe.only`, `suite`: a heading over tests, whose length says nothing about any function. */
function isDescribe(call: SyntaxNode): boolean {
  if (call.type !== 'CallExpression') return false
  const callee = asNode(call.callee)
  const name = nameOf(callee.type === 'MemberExpression' ? callee.object : callee)
  return name === 'describe' || name === 'suite'
}

/** The lines of a function less those of the `describe` calls within it. */
function ownLineCount(source: Source, node: SyntaxNode): number {
  let lines = lineCount(source, node)
  for (const [inner, ancestors] of walk(node)) {
    if (isDescribe(inner) && !ancestors.some(isDescribe)) lines -= lineCount(source, inner)
  }
  return lines
}

export const fileLengthRule: Rule = {
  name: `no file has more than ${mostFileLines} lines`,
  check(source) {
    const lines = source.text.trimEnd().split('\n').length
    return lines > mostFileLines ? [`${source.path}:1: ${lines} lines, at most ${mostFileLines}`] : []
  },
  offending: [{ path: 'library/src/core/a.ts', text: '// line\n'.repeat(401) }],
  accepted: [{ path: 'library/src/core/a.ts', text: '// line\n'.repeat(400) }],
}

const longFunction = (lines: number): string => `function long() {\n${'  step()\n'.repeat(lines - 2)}}\n`

export const functionLengthRule: Rule = {
  name: `no function has more than ${mostFunctionLines} lines`,
  check(source) {
    const complaints: string[] = []
    for (const [node, ancestors] of walk(source.program)) {
      const parent = ancestors.at(-1)
      if (!functions.includes(node.type) || (parent !== undefined && isDescribe(parent))) continue
      const lines = ownLineCount(source, node)
      if (lines > mostFunctionLines) {
        complaints.push(complaint(source, node, `a function of ${lines} lines, at most ${mostFunctionLines}`))
      }
    }
    return complaints
  },
  offending: [
    { path: 'scripts/a.ts', text: longFunction(71) },
    { path: 'scripts/a.ts', text: `class A { ${longFunction(71).replace('function ', '')} }` },
    { path: 'scripts/a.test.ts', text: `it('a', ${longFunction(71)})` },
    { path: 'scripts/a.test.ts', text: `describe('a', () => {\n${longFunction(71)}})` },
  ],
  accepted: [
    { path: 'scripts/a.ts', text: longFunction(70) },
    { path: 'scripts/a.test.ts', text: `describe('a', () => {\n${longFunction(50).repeat(2)}})` },
    {
      path: 'library/src/testing/a.ts',
      text: `export function a() {\n  describe('a', () => {\n${longFunction(50).repeat(2)}})\n}`,
    },
  ],
}

export const typeParametersRule: Rule = {
  name: `at most ${mostTypeParameters} type parameters, and none on the ports`,
  check(source) {
    const isPort = source.path.startsWith('library/src/core/ports/')
    const most = isPort ? 0 : mostTypeParameters
    const complaints: string[] = []
    for (const [node] of walk(source.program)) {
      if (node.type !== 'TSTypeParameterDeclaration') continue
      const params = asNodes(node.params)
      // What the caller's own work answers is no business of the port, and passes through it as it is.
      const count = isPort
        ? params.filter((param) => nameOf(asNode(param.name)) !== 'Result').length
        : params.length
      if (count > most)
        complaints.push(complaint(source, node, `${count} type parameters, at most ${most} here`))
    }
    return complaints
  },
  offending: [
    { path: 'library/src/book/a.ts', text: 'export function f<A, B, C, D>(): void {}' },
    { path: 'library/src/core/ports/a.ts', text: 'export interface Store<E> { read(): E }' },
    { path: 'library/src/core/ports/a.ts', text: 'export interface Store { read<E>(): E }' },
  ],
  accepted: [
    { path: 'library/src/book/a.ts', text: 'export function f<A, B, C>(): void {}' },
    {
      path: 'library/src/core/ports/a.ts',
      text: 'export interface Store { read(): Promise<readonly string[]> }',
    },
    {
      path: 'library/src/core/ports/a.ts',
      text: 'export interface Store { run<Result>(work: () => Promise<Result>): Promise<Result> }',
    },
  ],
}

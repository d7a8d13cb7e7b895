/** Reads a source file into a syntax tree that the house rules can walk. */
import { parseSync } from 'oxc-parser'

export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

/** A text at a path of the repository, with forward slashes. */
export interface SourceText {
  readonly path: string
  readonly text: string
}

export interface Comment {
  readonly value: string
  readonly start: number
}

export interface Source extends SourceText {
  readonly program: SyntaxNode
  readonly comments: readonly Comment[]
}

export interface Rule {
  readonly name: string
  /** What is wrong with the file; empty when it keeps the rule. */
  check(source: Source): readonly string[]
  /** At least one complaint about each of these. */
  readonly offending: readonly SourceText[]
  /** No complaint about any of these. */
  readonly accepted: readonly SourceText[]
}

/** Throws when the text is no JavaScript or TypeScript. */
export function parse(file: SourceText): Source {
  const { program, comments, errors } = parseSync(file.path, file.text, { sourceType: 'module' })
  if (errors[0] !== undefined) throw new Error(`${file.path}: ${errors[0].message}`)
  return { ...file, program: asNode(program), comments }
}

export function lineAt(source: SourceText, offset: number): number {
  return source.text.slice(0, offset).split('\n').length
}

export function complaint(source: SourceText, at: { readonly start: number }, message: string): string {
  return `${source.path}:${lineAt(source, at.start)}: ${message}`
}

/** Every node below and including `node`, parents first, each with its ancestors, the nearest last. */
export function* walk(
  node: SyntaxNode,
  ancestors: readonly SyntaxNode[] = [],
): Generator<[node: SyntaxNode, ancestors: readonly SyntaxNode[]]> {
  yield [node, ancestors]
  const below = [...ancestors, node]
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) yield* walk(child, below)
    }
  }
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

/** A field that is always a node in the syntax, such as the callee of a call. */
export function asNode(value: unknown): SyntaxNode {
  if (!isNode(value)) throw new TypeError('expected a syntax node')
  return value
}

export function asNodes(value: unknown): SyntaxNode[] {
  return Array.isArray(value) ? value.filter(isNode) : []
}

/** The name of an identifier, or the text of a string literal. */
export function nameOf(value: unknown): string | undefined {
  if (!isNode(value)) return undefined
  const name = value.type === 'Literal' ? value.value : value.name
  return typeof name === 'string' ? name : undefined
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts')
}

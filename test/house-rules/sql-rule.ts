import { posix } from 'node:path'
import { stores } from './rooms.ts'
import { asNodes, complaint, isTest, type Rule, type SyntaxNode, walk } from './source.ts'

const sqlShapes: readonly RegExp[] = [
  /^\s*SELECT\s/,
  /^\s*(INSERT|REPLACE)\s+(OR\s+\w+\s+)?INTO\s/i,
  /^\s*UPDATE\s+(OR\s+\w+\s+)?[\w".]+\s+SET\s/i,
  /^\s*DELETE\s+FROM\s/i,
  /^\s*(CREATE|DROP|ALTER)\s+(OR\s+REPLACE\s+)?(TEMP\s+|TEMPORARY\s+|UNIQUE\s+|VIRTUAL\s+)?(TABLE|INDEX|TRIGGER|VIEW)\s/i,
  /^\s*PRAGMA\s+\w/i,
  /^\s*WITH\s+(RECURSIVE\s+)?\w+.*\sAS\s/,
  /^\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|VACUUM|ATTACH|EXPLAIN)\b(\s+[A-Z_]|\s*;|\s*$)/,
]

function textOf(node: SyntaxNode): string | undefined {
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : undefined
  if (node.type !== 'TemplateLiteral') return undefined
  const texts = asNodes(node.quasis).map((quasi) => {
    const value = quasi.value
    return typeof value === 'object' && value !== null && 'raw' in value ? String(value.raw) : ''
  })
  return texts.join(' x ')
}

function isSql(node: SyntaxNode): boolean {
  const text = textOf(node)
  return text !== undefined && sqlShapes.some((shape) => shape.test(text))
}

/**
 * Whether `path` is a store's file of statements: library/src/sqlite/statements.ts, or one for a part of them. The
 * conformance suite has one for what it runs as a user.
 */
function isStatementsFile(path: string): boolean {
  if (path === 'library/src/testing/conformance/statements.ts') return true
  return stores.some((store) => new RegExp(`^library/src/${store}/([a-z-]+-)?statements\\.ts$`).test(path))
}

function isAdded(ancestors: readonly SyntaxNode[]): boolean {
  return ancestors.some((node) => node.type === 'BinaryExpression' && node.operator === '+')
}

export const sqlRule: Rule = {
  name: 'SQL stands in a store’s statements.ts, whole',
  check(source) {
    const isOurs = /^(library|server)\/src\//.test(source.path) && !isTest(source.path)
    if (!isOurs) return []
    const complaints: string[] = []
    for (const [node, ancestors] of walk(source.program)) {
      if (!isSql(node)) continue
      if (!isStatementsFile(source.path))
        complaints.push(complaint(source, node, 'SQL outside of a statements.ts'))
      else if (isAdded(ancestors)) complaints.push(complaint(source, node, 'SQL made by adding strings'))
    }
    return complaints
  },
  offending: [
    { path: 'library/src/sqlite/log.ts', text: 'export const a = `SELECT 1`' },
    { path: 'library/src/sqlite/log.ts', text: `database.exec('BEGIN IMMEDIATE')` },
    { path: 'library/src/sqlite/log.ts', text: `database.exec('COMMIT')` },
    {
      path: 'library/src/sqlite/log.ts',
      text: 'database.exec(`\n  insert into event (position) values (?)`)',
    },
    { path: 'library/src/book/statements.ts', text: `export const a = 'DELETE FROM event'` },
    { path: 'library/src/testing/statements.ts', text: `export const a = 'DELETE FROM event'` },
    { path: 'library/src/sqlite/inner/statements.ts', text: `export const a = 'PRAGMA user_version'` },
    { path: 'server/src/http/a.ts', text: `export const a = 'CREATE TABLE t (a)'` },
    { path: 'library/src/sqlite/statements.ts', text: `export const a = 'SELECT a' + ' FROM t'` },
  ],
  accepted: [
    {
      path: 'library/src/sqlite/statements.ts',
      text: `const columns = 'a, b'\nexport const a = \`SELECT \${columns} FROM t\``,
    },
    { path: 'library/src/sqlite/log.test.ts', text: `database.exec('DELETE FROM event')` },
    {
      path: 'library/src/sqlite/log.ts',
      text: `// SELECT is in statements.ts\nexport const hint = 'Select a store, update it.'`,
    },
  ],
}

/** .sql files stand in the rooms of stores. */
export function misplacedSqlFiles(paths: readonly string[]): string[] {
  const isInStore = (path: string): boolean =>
    stores.some((store) => path.startsWith(`library/src/${store}/`))
  return paths.filter(
    (path) => posix.extname(path) === '.sql' && !isInStore(path) && !path.includes('/test/'),
  )
}

/**
 * Keeps the code in the docs true. A directive stands on the line before a block:
 *
 * `from docs/examples/account.ts#events`: the block is that region of the file; without `#events`, the whole file.
 * `run`: the block's commands are run, in a copy of docs/examples; `run, exits with 3` when they shall fail.
 * `printed`: the block is what the commands run last have printed.
 * `postgresql: …`: the block is run by test/docs-postgresql.test.ts, on a server of its own.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root: string = fileURLToPath(new URL('..', import.meta.url))

/** One fenced block of a Markdown file. */
export interface CodeBlock {
  /** What stands in the comment on the line before, if anything. */
  readonly directive: string | undefined
  readonly language: string
  /** Lines between the fences, each with its line feed. */
  readonly body: string
  /** Where it stands in the text, counted in UTF-16 code units. */
  readonly offset: number
}

const blocks = /(?:^<!-- (?<directive>[^\n]*?) -->\n)?^```(?<language>[a-z]*)\n(?<body>[\s\S]*?)^```$/gm
const fromFile = /^from (?<file>[\w./-]+)(?:#(?<region>[\w-]+))?$/
const runs = /^run(?:, exits with (?<code>\d+))?$/

/** Every Markdown file of the docs, and the README; paths from the root, with forward slashes. */
export function markdownFiles(): readonly string[] {
  const paths = globSync('docs/**/*.md', { cwd: root }).map((path) => path.split(sep).join('/'))
  return ['README.md', ...paths.sort()]
}

/** Every example that can be run by itself; names within docs/examples. */
export function exampleFiles(): readonly string[] {
  return globSync('*.ts', { cwd: join(root, 'docs/examples') }).sort()
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

export function codeBlocks(text: string): readonly CodeBlock[] {
  return [...text.matchAll(blocks)].map(({ groups, index }) => ({
    directive: groups?.directive,
    language: groups?.language ?? '',
    body: groups?.body ?? '',
    offset: index,
  }))
}

/** The text of a region, without the indentation that all its lines share and without notes to the linters. */
export function regionOf(path: string, name: string): string {
  const lines = readText(path).split('\n')
  const start = lines.findIndex((line) => line.trim() === `// #region ${name}`)
  if (start < 0) throw new Error(`${path} has no region ${name}`)
  const length = lines.slice(start).findIndex((line) => line.trim() === '// #endregion')
  if (length < 0) throw new Error(`${path}: the region ${name} has no end`)
  const shown = lines
    .slice(start + 1, start + length)
    .filter((line) => !/^\s*\/\/ (biome|oxlint)-/.test(line))
  const indents = shown.filter((line) => line !== '').map((line) => line.length - line.trimStart().length)
  const indent = Math.min(...indents)
  return shown.map((line) => `${line.slice(indent)}\n`).join('')
}

/** A text with every block as its directive says. Runs the commands; throws when one ends as it should not. */
export function refreshed(text: string): string {
  using stage = new Stage()
  let printed = ''
  return text.replaceAll(blocks, (whole, directive: string | undefined, language: string, body: string) => {
    if (directive === undefined || directive.startsWith('postgresql: ')) return whole
    const withBody = (fresh: string): string => `<!-- ${directive} -->\n\`\`\`${language}\n${fresh}\`\`\``
    const from = fromFile.exec(directive)?.groups
    if (from !== undefined) {
      const { file = '', region } = from
      return withBody(region === undefined ? readText(file) : regionOf(file, region))
    }
    if (directive === 'printed') return withBody(printed)
    const expected = runs.exec(directive)
    if (expected === null) throw new Error(`unknown directive: ${directive}`)
    printed = stage.run(body, Number(expected.groups?.code ?? 0))
    return whole
  })
}

/** A copy of docs/examples in which commands are run as a reader would run them. */
export class Stage implements Disposable {
  readonly folder: string

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'daybook-docs-'))
    cpSync(join(root, 'docs/examples'), this.folder, { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(this.folder, 'node_modules'), 'junction')
  }

  /** Runs shell commands and returns what they print; throws unless they end with the code. */
  run(commands: string, code = 0): string {
    const own = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_(?!COMPILE_CACHE))/i.test(name))
    const programs = [dirname(process.execPath), join(root, 'node_modules/.bin'), process.env.PATH ?? '']
    const env = { ...Object.fromEntries(own), PATH: programs.join(':'), NO_COLOR: '1' }
    const script = `set -e\n${commands.replaceAll(/^npx /gm, '')}`
    const result = spawnSync('sh', ['-c', script], {
      cwd: this.folder,
      env,
      encoding: 'utf8',
      timeout: 60_000,
    })
    if (result.status === code) return result.stdout
    throw new Error(
      `exit code ${result.status} instead of ${code}:\n${commands}${result.stdout}${result.stderr}`,
    )
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/**
 * Installs what package-lock.json names when node_modules is missing or belongs to another lockfile.
 *
 * Runs before `npm start`, `npm test` and the other scripts. It is plain JavaScript because it runs on the machine's own
 * Node, any from version 20 on; the scripts after it run on the Node that it installs.
 * `--record` only notes that the current lockfile is installed; npm runs that after each install.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const recordFile = join(root, 'node_modules', '.daybook-lockfile-sha256')
const packagedNode = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')

const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')

repairManifests()
if (process.argv.includes('--record')) {
  record()
} else {
  if (!isInstalled()) install()
  requireNode()
}

function isInstalled() {
  return existsSync(recordFile) && readFileSync(recordFile, 'utf8') === wanted
}

function record() {
  if (existsSync(join(root, 'node_modules'))) writeFileSync(recordFile, wanted)
}

function install() {
  const why = existsSync(join(root, 'node_modules'))
    ? 'node_modules is not what package-lock.json names'
    : 'first run'
  console.log(`daybook: installing dependencies with npm ci (${why}; takes a minute at most)`)
  // npm's own Node, because the packaged one is about to be deleted and laid anew.
  const npm = process.env.npm_execpath
  const node = process.env.npm_node_execpath ?? process.execPath
  const options = ['ci', '--no-audit', '--no-fund', '--loglevel=error']
  /** @type {import('node:child_process').SpawnSyncOptions} */
  const spawnOptions = { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] }
  const result = npm
    ? spawnSync(node, [npm, ...options], spawnOptions)
    : spawnSync('npm', options, { ...spawnOptions, shell: process.platform === 'win32' })
  if (result.status !== 0) {
    console.error(
      'daybook: npm ci failed, see above. Check the network and the npm registry setting, and run it again.',
    )
    process.exit(1)
  }
  record()
}

function requireNode() {
  if (existsSync(packagedNode)) return
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 24 || (major === 24 && minor >= 15)) return
  console.error(
    `daybook: Node 24.15 or later is needed, this is ${process.versions.node}, and npm has no packaged Node 24 for ` +
      `${process.platform}-${process.arch}. Install Node 24 from https://nodejs.org and run it again.`,
  )
  process.exit(1)
}

/** A pack that was killed half-way leaves the manifest that it wrote for the tarball; this puts ours back. */
function repairManifests() {
  for (const folder of ['library', 'server']) {
    const kept = join(root, folder, '.package.json.kept')
    if (existsSync(kept)) renameSync(kept, join(root, folder, 'package.json'))
  }
}

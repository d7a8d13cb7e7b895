/** Folders of a test, gone when it is over. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const inMemory = '/dev/shm'

/**
 * Runs work with a folder of its own and removes it. `memory` asks for a file system in memory, where there is one:
 * for tests that build thousands of files and bring their own model of a disk.
 */
export async function withScratch<Result>(
  where: 'disk' | 'memory',
  work: (folder: string) => Promise<Result>,
): Promise<Result> {
  const parent = where === 'memory' && existsSync(inMemory) ? inMemory : tmpdir()
  const folder = mkdtempSync(join(parent, 'daybook-torture-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

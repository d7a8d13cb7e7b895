/** The ways in which system calls are made to fail, as strace or the kernel's own limits can do it. */

export interface Fault {
  readonly name: string
  /** The call whose k-th use on the book's files fails. */
  readonly call: 'fsync' | 'pwrite64' | 'pread64' | 'ftruncate' | 'unlink'
  /** What strace does to it, after `inject=…:`. */
  readonly does: string
  /** How many uses in a row. */
  readonly uses: number
}

export const faults: readonly Fault[] = [
  { name: 'fsync fails: EIO', call: 'fsync', does: 'error=EIO', uses: 1 },
  { name: 'fsync fails 4 times', call: 'fsync', does: 'error=EIO', uses: 4 },
  { name: 'fsync takes 20 ms', call: 'fsync', does: 'delay_enter=20000', uses: 3 },
  { name: 'write fails: EIO', call: 'pwrite64', does: 'error=EIO', uses: 1 },
  { name: 'disk full: ENOSPC', call: 'pwrite64', does: 'error=ENOSPC', uses: 1 },
  { name: 'disk full for 12 writes', call: 'pwrite64', does: 'error=ENOSPC', uses: 12 },
  { name: 'write writes nothing', call: 'pwrite64', does: 'retval=0', uses: 1 },
  { name: 'read fails: EIO', call: 'pread64', does: 'error=EIO', uses: 1 },
  { name: 'truncate fails: EIO', call: 'ftruncate', does: 'error=EIO', uses: 1 },
  { name: 'unlink fails: EIO', call: 'unlink', does: 'error=EIO', uses: 1 },
]

const suffixes = ['', '-wal', '-shm', '-journal']

/** The command that runs a program with the k-th use of the call failing, on the files of this book only. */
export function injecting(path: string, { call, does, uses }: Fault, k: number, trace: string): string[] {
  const files = suffixes.flatMap((suffix) => ['-P', path + suffix])
  const when = uses === 1 ? String(k) : `${k}..${k + uses - 1}`
  const inject = `inject=${call}:${does}:when=${when}`
  return [
    'strace',
    '-f',
    '--seccomp-bpf',
    '-o',
    trace,
    '-s',
    '0',
    ...files,
    '-e',
    `trace=${call}`,
    '-e',
    inject,
  ]
}

/**
 * The command that runs a program whose files cannot grow beyond so many bytes: the write that crosses the limit is
 * short, those after it fail with EFBIG. That is a true short write; strace could only claim that bytes were written
 * which were not, as no disk does.
 */
export function limiting(bytes: number): string[] {
  return ['prlimit', `--fsize=${bytes}:unlimited`]
}

/** Lifts the limit of a process that runs. */
export function lifting(process: number): string[] {
  return ['prlimit', '--pid', String(process), '--fsize=unlimited:unlimited']
}

import type { Readable } from 'node:stream'

/** A stream that text is written to: a terminal, a pipe or a file. */
export interface TextStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string, done: (error?: Error | null) => void): unknown
}

/** What the shell gives a command. Injected, so that commands can be run in a test as they are. */
export interface Shell {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: TextStream
  readonly stderr: TextStream
  readonly env: { readonly [name: string]: string | undefined }
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/** Writes a text; resolves when it was taken, rejects when the reader has gone (EPIPE). */
export function written(stream: TextStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (error) reject(error)
      else resolve()
    })
  })
}

/** True for what writing throws when the reader, `head` say, has gone. */
export function isReaderGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}

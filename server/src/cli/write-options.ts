import type { Command } from 'commander'
import type { Json, MetadataOptions } from 'daybook'
import { usage } from './failures.ts'
import { parsedJson } from './values.ts'

/** Options of everything that writes: who, why, when, and a key that makes a repeat harmless. */
export interface WriteOptions {
  readonly actor?: string
  readonly reason?: string
  readonly occurredAt?: string
  readonly metadata?: string
  readonly idempotencyKey?: string
}

/** Adds those options to a command. */
export function withWriteOptions(command: Command): Command {
  return command
    .option('--actor <who>', 'who does it')
    .option('--reason <why>', 'why, in words')
    .option('--occurred-at <time>', 'business time, ISO 8601, if not now')
    .option('--metadata <json>', 'more metadata, a JSON object')
    .option('--idempotency-key <key>', 'the same key with the same content has one effect')
}

/** The options as an append or a command takes them. */
export function writeOptionsFrom(
  options: WriteOptions,
): MetadataOptions & { readonly idempotencyKey?: string | undefined } {
  const { metadata, actor, reason, occurredAt, idempotencyKey } = options
  return { actor, reason, occurredAt, idempotencyKey, metadata: metadataFrom(metadata) }
}

function metadataFrom(text: string | undefined): MetadataOptions['metadata'] {
  if (text === undefined) return undefined
  const value = parsedJson(text, '--metadata')
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as { readonly [key: string]: Json }
  throw usage('--metadata must be a JSON object', `Such as --metadata '{"ticket":"A-17"}'.`)
}

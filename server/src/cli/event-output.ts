import type { RecordedEvent } from 'daybook'
import type { Output } from './output.ts'
import type { Column } from './tables.ts'
import { jsonText, visible } from './text.ts'

/** Events on a terminal: what fits. */
const tableColumns: readonly Column<RecordedEvent>[] = [
  { title: 'Position', text: ({ position }) => String(position), isNumber: true },
  { title: 'Recorded', text: ({ recordedAt }) => recordedAt, leastWidth: 24 },
  { title: 'Stream', text: ({ stream }) => visible(stream) },
  { title: 'Version', text: ({ version }) => String(version), isNumber: true },
  { title: 'Type', text: ({ type }) => visible(type) },
  { title: 'Data', text: ({ data }) => jsonText(data) },
]

/** Events in a pipe: everything but the id and the schema version. */
const lineColumns: readonly Column<RecordedEvent>[] = [
  ...tableColumns,
  { title: 'Metadata', text: ({ metadata }) => jsonText(metadata) },
  { title: 'Tags', text: ({ tags }) => jsonText(tags) },
]

/** Writes events as they come; returns how many. */
export function writeEvents(
  output: Output,
  batches: AsyncIterable<readonly RecordedEvent[]> | Iterable<readonly RecordedEvent[]>,
): Promise<number> {
  return output.list(batches, output.form === 'table' ? tableColumns : lineColumns, (event) => event)
}

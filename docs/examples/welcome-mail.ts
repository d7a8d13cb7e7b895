// #region reaction
import { openBook, reaction } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, accountEvents } from './account.ts'

const welcome = reaction('welcome', {
  from: accountEvents,
  types: ['AccountOpened'],
  run: async (event, { idempotencyKey, signal }) => {
    await sendMail({ to: event.data.owner, subject: 'Welcome', idempotencyKey, signal })
  },
})
// #endregion

interface Mail {
  readonly to: string
  readonly subject: string
  readonly idempotencyKey: string
  readonly signal: AbortSignal
}

const sent = Promise.withResolvers<Mail>()

async function sendMail(mail: Mail): Promise<void> {
  sent.resolve(mail)
}

// #region use
await using book = await openBook({
  store: sqlite('mails.db'),
  deciders: [account],
  reactions: [welcome],
  onDiagnostic: ({ kind, message }) => console.warn(kind, message),
})

const done = await book.execute(account.open('42', { owner: 'Ada' }))
// #endregion

const mail = await sent.promise
const [opened] = done.events
console.log('mail to', mail.to, 'with the key of the event:', mail.idempotencyKey === opened?.id)

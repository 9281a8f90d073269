import { Command } from 'commander'
import { type ItemName, postAgain } from '../clearing/incoming/post-again.ts'
import { MizanError } from '../errors.ts'
import { formatPiasters } from '../money.ts'
import { requireAccessTables } from '../store/access-users.ts'
import { noteAudit } from '../store/audit-store.ts'
import type { RegisteredItem } from '../store/clearing/network-again.ts'
import { receiveContext } from '../switch-network-clearing.ts'
import { nameOfTwo, systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { wholeNumber } from './number-option.ts'
import { logInSecondPerson } from './second-person.ts'

/** `mizan clearing post`: posts an item of the card network that was left to people, by two of them. */
export function clearingPostCommand(io: CommandIo = processIo): Command {
  const command = new Command('post')
    .description(
      'post an item of the card network that was left to people: it is judged again, and its amount or a missing authorization is no hindrance; a second person logs in',
    )
    .argument('<file:number>', 'the item, as mizan clearing items lists it')
    .requiredOption('--reason <text>', 'why; it stays in the audit', keptText)
  return withCommonOptions(command).action((item: string, options: CommonOptions & { readonly reason: string }) =>
    atDatabase(io, options, 'mizan clearing post', async ({ client, config }) => {
      await requireAccessTables(client)
      const name = itemNamed(item)
      const second = await logInSecondPerson(io, client, {
        prompt: 'second person, who agrees',
        roles: ['settlement'],
        what: 'to post what was left to people',
      })
      const detail = { file: name.fileId, item: name.number, reason: options.reason, second }
      const event = { action: 'clearing post', detail, actor: systemActor(io), source: 'local', requestId: '' } as const
      const posted = await postAgain(name, {
        ...receiveContext(config, {
          client,
          nowMs: Date.now(),
          actor: nameOfTwo(systemActor(io), second),
          panIndexOf: () => '',
        }),
        note: () => noteAudit(client, { ...event, outcome: 'done' }),
      })
      say(io, options, posted)
    }),
  )
}

/** Reads `file:number`. @throws MizanError BAD_INPUT */
export function itemNamed(text: string): ItemName {
  const [file = '', number = '', ...more] = text.split(':')
  if (file === '' || number === '' || more.length > 0) {
    throw new MizanError('BAD_INPUT', `${text}: an item is named by its file and its number, such as 7:12`)
  }
  return { fileId: wholeNumber(file, 'the file of the item'), number: wholeNumber(number, 'the number of the item') }
}

function say(io: CommandIo, { json }: CommonOptions, item: RegisteredItem): void {
  const { fileId, number, state, reason, detail, postedId, presented } = item
  if (json) io.out(`${JSON.stringify({ fileId, number, state, reason, detail, postedId })}\n`)
  else {
    const by = postedId === undefined ? '' : ` by journal row ${postedId}`
    const why = reason === undefined ? '' : `: ${reason} (${detail ?? ''})`
    io.out(`item ${fileId}:${number} of ${formatPiasters(presented.amountPiasters)} EGP is ${state}${by}${why}\n`)
  }
  if (state === 'exception') process.exitCode = 1
}

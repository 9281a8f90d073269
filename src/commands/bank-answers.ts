import { Command, Option } from 'commander'
import { MizanError } from '../errors.ts'
import { formatPiasters } from '../money.ts'
import { requireAccessTables } from '../store/access-users.ts'
import {
  type AnswerPlace,
  type AnswerState,
  answerStates,
  closeAnswer,
  type ListedAnswer,
  listAnswers,
} from '../store/clearing/bank-answer-desk.ts'
import { changeNoted, systemActor } from './access-desk.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { wholeNumber } from './number-option.ts'
import { sayList } from './say-list.ts'

const LIMIT_MAX = 1_000
const NUMBER_MAX = 2_147_483_647

/** `mizan bank answers`: what banks said became of payments. */
export function bankAnswersCommand(io: CommandIo): Command {
  const command = new Command('answers')
    .description(
      'list what banks said of payments that somebody has to look at: unknown payments, and what does not go with how one stands',
    )
    .addOption(new Option('--state <state>', 'any = all that came').choices(answerStates).default('open'))
    .option('--end-to-end <id>', 'only of this payment')
    .option('--limit <count>', 'how many', '50')
  type Options = CommonOptions & { state: AnswerState; endToEnd?: string; limit: string }
  return withCommonOptions(command).action((options: Options) =>
    atDatabase(io, options, 'mizan bank answers', async ({ client }) => {
      const limit = wholeNumber(options.limit, '--limit', LIMIT_MAX)
      const found = await listAnswers(client, { state: options.state, endToEndId: options.endToEnd, limit })
      const none = options.state === 'open' ? 'no answer is open' : 'there are no such answers'
      sayList(io, options, found, { none, lineOf: answerLine })
    }),
  )
}

/** `mizan bank close-answer`: somebody has looked at an open answer, and says what came of it. */
export function closeAnswerCommand(io: CommandIo): Command {
  const command = new Command('close-answer')
    .description('close an open answer of a bank: somebody has looked; it moves no money and changes no payment')
    .argument('<answer>', 'FILE:NUMBER, as mizan bank answers shows it')
    .requiredOption('--reason <text>', 'what came of it; it stays with the answer', keptText)
  return withCommonOptions(command).action((text: string, options: CommonOptions & { reason: string }) =>
    atDatabase(io, options, 'mizan bank close-answer', async ({ client }) => {
      await requireAccessTables(client)
      const place = placeOf(text)
      const { reason } = options
      const closing = { reason, actor: systemActor(io), nowMs: Date.now() }
      const event = { action: 'bank-answer-close', detail: { ...place, reason } }
      const closed = await changeNoted(io, client, event, () => closeAnswer(client, place, closing))
      io.out(options.json ? `${JSON.stringify(closed)}\n` : `${answerLine(closed)}\n`)
    }),
  )
}

function placeOf(text: string): AnswerPlace {
  const [bankFile, number, ...rest] = text.split(':')
  if (bankFile === undefined || number === undefined || rest.length > 0) {
    throw new MizanError('BAD_INPUT', 'an answer is FILE:NUMBER, such as 12:3')
  }
  return {
    bankFile: wholeNumber(bankFile, 'the file of an answer'),
    number: wholeNumber(number, 'the number of an answer', NUMBER_MAX),
  }
}

function answerLine(one: ListedAnswer): string {
  const what = one.answer === 'return' ? `returns ${formatPiasters(one.amountPiasters ?? 0)} EGP` : (one.status ?? '')
  const why = [one.reasonCode, one.reason].filter((part) => part !== undefined).join(' ')
  const of = one.endToEndId ?? one.messageId ?? ''
  const closed = one.closedAt === undefined ? '' : `; closed by ${one.closedBy}: ${one.closeReason}`
  const place = `${one.bankFile}:${one.number}`.padEnd(12)
  return `${place} ${one.receivedAt.toISOString()}  ${of.padEnd(35)} ${what}${why === '' ? '' : ` (${why})`}: ${one.outcome}${closed}  ${one.file}`
}

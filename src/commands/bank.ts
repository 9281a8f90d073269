import { Command, Option } from 'commander'
import { FileNotRead } from '../clearing/bank/file-reading.ts'
import { bookTaken, type ReceivedBankFile, receiveBankFile } from '../clearing/bank/receive.ts'
import { receiveBankFolder } from '../clearing/bank/receive-folder.ts'
import { RefusedFile } from '../clearing/iso20022/refusal.ts'
import { MizanError } from '../errors.ts'
import { formatPiasters } from '../money.ts'
import {
  type EntryState,
  entryStates,
  type ListedBankFile,
  type ListedEntry,
  type ListedStatement,
  listBankFiles,
  listEntries,
  listStatements,
  readStatement,
} from '../store/clearing/bank-desk.ts'
import { bankContext } from '../switch-bank.ts'
import { systemActor } from './access-desk.ts'
import { bankAnswersCommand, closeAnswerCommand } from './bank-answers.ts'
import { bankRulesCommand } from './bank-rules.ts'
import { bankSimulateCommand } from './bank-simulate.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { wholeNumber } from './number-option.ts'
import { sayList } from './say-list.ts'

const LIMIT_MAX = 1_000

/** `mizan bank`: what settlement banks send, and what became of it. */
export function bankCommand(io: CommandIo = processIo): Command {
  return new Command('bank')
    .description('statements and answers of settlement banks; see docs/bank.md')
    .addCommand(receiveCommand(io))
    .addCommand(filesCommand(io))
    .addCommand(bankAnswersCommand(io))
    .addCommand(closeAnswerCommand(io))
    .addCommand(statementsCommand(io))
    .addCommand(showCommand(io))
    .addCommand(entriesCommand(io))
    .addCommand(bankRulesCommand(io))
    .addCommand(bankSimulateCommand(io))
}

function receiveCommand(io: CommandIo): Command {
  const command = new Command('receive')
    .description(
      'receive files of settlement banks, or all that wait in clearing/in; a running switch posts; exit status 1 if any is refused or not read',
    )
    .argument(
      '[files...]',
      'camt.052/053/054, pain.002, pacs.002 or pacs.004; absent = those that wait in the clearing folder',
    )
  return withCommonOptions(command).action((files: string[], options: CommonOptions) =>
    atDatabase(io, options, 'mizan bank receive', async ({ config, client }) => {
      const context = bankContext(config, { client, actor: systemActor(io), nowMs: () => Date.now() })
      const refuse = (file: string, reason: string) => {
        process.exitCode = 1
        io.out(options.json ? `${JSON.stringify({ name: file, refused: reason })}\n` : `${file} refused: ${reason}\n`)
      }
      const notRead = (file: string, reason: string) => {
        process.exitCode = 1
        io.out(options.json ? `${JSON.stringify({ name: file, unread: reason })}\n` : `${file} not read: ${reason}\n`)
      }
      if (files.length === 0) {
        await bookTaken(context)
        const { received, refused, unread } = await receiveBankFolder(context)
        for (const one of received) say(io, options, one)
        for (const { file, reason } of refused) refuse(file, reason)
        for (const { file, reason } of unread) notRead(file, reason)
        if (received.length + refused.length + unread.length === 0 && !options.json) io.out('no file of a bank waits\n')
        return
      }
      for (const file of files) {
        try {
          say(io, options, await receiveBankFile(file, context))
        } catch (error) {
          if (error instanceof FileNotRead) notRead(file, error.message)
          else if (error instanceof RefusedFile) refuse(file, error.message)
          else throw error
        }
      }
    }),
  )
}

function say(io: CommandIo, { json }: CommonOptions, one: ReceivedBankFile): void {
  if (json) {
    io.out(`${JSON.stringify(one, (_, value) => (typeof value === 'bigint' ? String(value) : value))}\n`)
    return
  }
  if (one.outcome === 'repeated') {
    const { name = '', receivedAt, receivedBy = '' } = one.before ?? {}
    io.out(
      `${one.name} came before, as ${name}, at ${receivedAt?.toISOString()} by ${receivedBy}; nothing has changed\n`,
    )
    return
  }
  io.out(`${one.name}: ${one.schema} ${one.messageId}, kept as ${one.registered}\n`)
  for (const { kind, bank, statementId, date, entries, matched, known, suspense } of one.reports) {
    const what = kind === 'statement' ? `: ${matched} matched, ${known} known, ${suspense} in suspense` : ''
    io.out(`  ${kind} ${statementId} of ${bank.code} for ${date}: ${entries} entries${what}\n`)
  }
  if (one.answers !== undefined) {
    const { answers, applied, failed, unknown, unexpected } = one.answers
    io.out(
      `  ${answers} answer(s): ${applied} applied, of which ${failed} failed; ${unknown} unknown, ${unexpected} unexpected\n`,
    )
  }
  for (const { statement, closingPiasters, ledgerPiasters } of one.booked) {
    const same =
      closingPiasters === ledgerPiasters ? 'as the ledger has it' : `the ledger has ${formatPiasters(ledgerPiasters)}`
    io.out(`  statement ${statement} is booked; it closes with ${formatPiasters(closingPiasters)} EGP, ${same}\n`)
  }
  for (const { kind, times, line, detail } of one.forgiven)
    io.out(`  forgiven: ${kind}, ${times} time(s), first in line ${line}: ${detail}\n`)
}

function filesCommand(io: CommandIo): Command {
  const command = new Command('files')
    .description(
      'list files of settlement banks, the newest first: what was read, and what was refused, with the reason',
    )
    .addOption(new Option('--state <state>', 'only in this state').choices(['read', 'refused']))
    .option('--limit <count>', 'how many', '50')
  type Options = CommonOptions & { state?: ListedBankFile['state']; limit: string }
  return withCommonOptions(command).action((options: Options) =>
    atDatabase(io, options, 'mizan bank files', async ({ client }) => {
      const limit = wholeNumber(options.limit, '--limit', LIMIT_MAX)
      const found = await listBankFiles(client, { state: options.state, limit })
      sayList(io, options, found, { none: 'there are no such files', lineOf: fileLine })
    }),
  )
}

function fileLine(one: ListedBankFile): string {
  const again = one.repeats === 0 ? '' : `, came ${one.repeats} more time(s)`
  const what = one.state === 'refused' ? `refused: ${one.reason}` : `${one.schema}, kept as ${one.registered}`
  return `${String(one.id).padStart(8)}  ${one.receivedAt.toISOString()}  ${one.name}  ${what}${again}`
}

function statementsCommand(io: CommandIo): Command {
  const command = new Command('statements')
    .description('list statements and notifications of our accounts, the newest first')
    .option('--bank <number>', 'only those of this settlement bank')
    .addOption(new Option('--report <kind>', 'only these').choices(['statement', 'notification', 'intraday']))
    .option('--limit <count>', 'how many', '50')
  type Options = CommonOptions & { bank?: string; report?: string; limit: string }
  return withCommonOptions(command).action((options: Options) =>
    atDatabase(io, options, 'mizan bank statements', async ({ client }) => {
      const bank = options.bank === undefined ? undefined : wholeNumber(options.bank, '--bank')
      const limit = wholeNumber(options.limit, '--limit', LIMIT_MAX)
      const found = await listStatements(client, { bank, report: options.report, limit })
      sayList(io, options, found, { none: 'there are no statements', lineOf: statementLine })
    }),
  )
}

function statementLine(one: ListedStatement): string {
  const balance = one.closingPiasters === undefined ? '' : `${formatPiasters(one.closingPiasters)} EGP`
  const open = one.suspense === 0 ? '' : `, ${one.suspense} in suspense`
  const number = String(one.sequence ?? '').padStart(5)
  return `${String(one.id).padStart(8)}  ${one.date}  bank ${one.bank}  ${one.report.padEnd(12)} ${number}  ${one.statementId.padEnd(35)} ${balance.padStart(22)}  ${one.entries} entries${open}  ${one.state}`
}

function showCommand(io: CommandIo): Command {
  const command = new Command('show')
    .description('show a statement and its entries')
    .argument('<statement>', 'its number')
  return withCommonOptions(command).action((statement: string, options: CommonOptions) =>
    atDatabase(io, options, 'mizan bank show', async ({ client }) => {
      const found = await readStatement(client, wholeNumber(statement, 'a statement'))
      const entries = await listEntries(client, { statement: found.id, limit: LIMIT_MAX })
      if (options.json) {
        io.out(`${JSON.stringify({ ...found, list: entries })}\n`)
        return
      }
      io.out(`${statementLine(found)}\n`)
      if (found.openingPiasters !== undefined) io.out(`opening ${formatPiasters(found.openingPiasters)} EGP\n`)
      for (const one of entries) io.out(`${entryLine(one)}\n`)
      if (entries.length === LIMIT_MAX)
        io.out(`... the first ${LIMIT_MAX}; mizan bank entries --statement ${found.id} --after ${LIMIT_MAX} goes on\n`)
    }),
  )
}

function entriesCommand(io: CommandIo): Command {
  const command = new Command('entries')
    .description('list what banks booked, and what each entry is')
    .option('--statement <number>', 'only those of this statement')
    .addOption(new Option('--state <state>', 'only in this state').choices(entryStates))
    .option('--end-to-end <id>', 'only with this end-to-end id')
    .option('--after <number>', 'with --statement: those behind this number')
    .option('--limit <count>', 'how many', '50')
  type Options = CommonOptions & {
    statement?: string
    state?: EntryState
    endToEnd?: string
    after?: string
    limit: string
  }
  return withCommonOptions(command).action((options: Options) =>
    atDatabase(io, options, 'mizan bank entries', async ({ client }) => {
      const { state, endToEnd: endToEndId } = options
      const statement = options.statement === undefined ? undefined : wholeNumber(options.statement, '--statement')
      const limit = wholeNumber(options.limit, '--limit', LIMIT_MAX)
      if (options.after !== undefined && statement === undefined) {
        throw new MizanError('BAD_INPUT', '--after goes with --statement')
      }
      const after =
        statement === undefined ? undefined : ([statement, wholeNumber(options.after ?? '0', '--after')] as const)
      const found = await listEntries(client, { statement, state, endToEndId, after, limit })
      sayList(io, options, found, { none: 'there are no such entries', lineOf: entryLine })
    }),
  )
}

function entryLine(one: ListedEntry): string {
  // Of an entry in suspense it is all of it.
  const isSplit = one.suspensePiasters !== 0 && one.state !== 'suspense'
  const held = isSplit ? `${formatPiasters(one.suspensePiasters)} EGP in suspense` : undefined
  const what = [one.kind, one.rule, one.note, held].filter((part) => part !== undefined).join(', ')
  const place = `${one.statement}:${one.number}`.padEnd(12)
  const reference = one.endToEndId ?? one.reference ?? ''
  return `${place} ${one.bookingDate}  ${formatPiasters(one.amountPiasters).padStart(18)} EGP  ${reference.padEnd(35)} ${one.state}${what === '' ? '' : ` (${what})`}${one.text === undefined ? '' : `  ${one.text.slice(0, 60)}`}`
}

import { type CivilDate, civilDate } from '../../calendar.ts'
import { describeError } from '../../errors.ts'
import {
  addBankFile,
  addRefusedBankFile,
  type BankFileFacts,
  bankCode,
  bankNumber,
  completeBankFile,
  findBankFile,
  type KnownBankFile,
  lockBankFiles,
  nextIncomingKey,
  noteRepeat,
  unlockBankFiles,
} from '../../store/clearing/bank-files.ts'
import { readEntryRules } from '../../store/clearing/bank-rules.ts'
import { type FileType, fileName, registerFile } from '../../store/clearing/files.ts'
import { type Client, refusalOf } from '../../store/connection.ts'
import { type Forgivable, type Forgiven, type MessageEvent, tolerantProfile } from '../iso20022/bank-events.ts'
import { readBankFile } from '../iso20022/bank-file-reader.ts'
import { RefusedFile } from '../iso20022/refusal.ts'
import { AnswerTaker, type TakenAnswers } from './answer-taker.ts'
import { type BookContext, type BookedStatement, bookStatements } from './book.ts'
import { FileReading, factsOf, keepTaken, requireSame } from './file-reading.ts'
import { ReportTaker, type TakenReport } from './report-taker.ts'
import type { Refuse } from './statement-order.ts'

/** With what files of banks are received. */
export interface BankReceiveContext extends Omit<BookContext, 'client'> {
  readonly client: Client
  /** Clearing folder; a file that was taken is kept in its `in/done`. */
  readonly folder: string
  readonly actor: string
  /**
   * Code of the partner that sent it, when it is known. A settlement bank tells of its own accounts and of payments at
   * them alone; one that is none, such as a clearing house, of all. @default one that is none
   */
  readonly sender?: string
  /** What is forgiven of a bank's files; the code is undefined when it is not known which bank sent it. */
  readonly forgives: (bankCode: string | undefined) => ReadonlySet<Forgivable>
  readonly nowMs: () => number
  /** Whether a refusal is kept; a file that may only have come too early is tried again first. @default all are */
  readonly keepsRefusal?: (refusal: RefusedFile) => boolean
}

/** What became of a file that was taken. */
export interface ReceivedBankFile {
  readonly outcome: 'taken' | 'repeated'
  readonly name: string
  readonly sha256: string
  /** Of a repeated file: when it was taken, and by whom. */
  readonly before: KnownBankFile | undefined
  /** Name in the register of clearing files. */
  readonly registered: string | undefined
  readonly schema: string | undefined
  readonly messageId: string | undefined
  readonly reports: readonly TakenReport[]
  readonly answers: TakenAnswers | undefined
  readonly forgiven: readonly Forgiven[]
  readonly booked: readonly BookedStatement[]
}

/** Kinds of files by the message, as far as a bank sends it to us. */
const fileTypes: Readonly<Record<string, FileType>> = {
  'camt.052': 'STM',
  'camt.053': 'STM',
  'camt.054': 'STM',
  'pain.002': 'STS',
  'pacs.002': 'STS',
  'pacs.004': 'RET',
}
const UNKNOWN_BANK = 'UNKNOWN'

/**
 * Receives a file of a bank: takes it whole or not at all, posts what it books, and ends its statements. A file that
 * came before is told as such and changes nothing.
 * @throws RefusedFile with the reason, which is kept too: it is damaged, not of our account, repeated, out of order, or
 * does not add up
 * @throws MizanError WRITER_SILENT when no switch posts: the file is taken then, and booked the next time; CONFLICT
 * when it is being written to; STORE_UNAVAILABLE
 */
export async function receiveBankFile(file: string, context: BankReceiveContext): Promise<ReceivedBankFile> {
  const { client } = context
  const facts = await factsOf(file, context.actor)
  await lockBankFiles(client)
  try {
    const before = await findBankFile(client, facts.sha256)
    if (before !== undefined) {
      await noteRepeat(client, before.id)
      const booked = await bookStatements(context)
      return { ...nothing(facts), outcome: 'repeated', before, booked }
    }
    const taken = await take(file, facts, context)
    const booked = await bookStatements(context)
    return { ...taken, booked }
  } finally {
    await unlockBankFiles(client).catch(() => undefined)
  }
}

/** Books what was taken and not booked yet, such as after no switch was running. */
export async function bookTaken(context: BookContext): Promise<BookedStatement[]> {
  await lockBankFiles(context.client)
  try {
    return await bookStatements(context)
  } finally {
    await unlockBankFiles(context.client).catch(() => undefined)
  }
}

function nothing({ name, sha256 }: BankFileFacts) {
  return {
    name,
    sha256: sha256.toString('hex'),
    before: undefined,
    registered: undefined,
    schema: undefined,
    messageId: undefined,
    reports: [],
    answers: undefined,
    forgiven: [],
  }
}

/** What a file is known to be when it is refused. */
interface SoFar {
  message: MessageEvent | undefined
  /** Banks of which it tells, in that order. */
  readonly banks: Set<number>
}

async function take(file: string, facts: BankFileFacts, context: BankReceiveContext) {
  const { client } = context
  const soFar: SoFar = { message: undefined, banks: new Set() }
  await client.query('begin')
  try {
    const taken = await takeContent(file, facts, context, soFar)
    await keepTaken(file, taken.registered, facts, context.folder)
    await client.query('commit')
    return { ...nothing(facts), ...taken, outcome: 'taken' as const }
  } catch (thrown) {
    await client.query('rollback').catch(() => undefined)
    const error = asRefusal(thrown, facts.name)
    // Half a file is refused for its form: not when it is only still being written.
    if (error instanceof RefusedFile) await requireSame(file, facts)
    if (error instanceof RefusedFile && context.keepsRefusal?.(error) !== false) {
      await addRefusedBankFile(client, facts, {
        cause: error.refusal,
        reason: error.message.replace(/^the input is not valid: /, ''),
        schema: soFar.message?.schema,
        messageId: soFar.message?.messageId,
        bank: [...soFar.banks][0],
      })
    }
    throw error
  }
}

/**
 * A value that a column cannot take is the file's fault: it would be so with every attempt, and nothing behind it would
 * be read.
 */
function asRefusal(error: unknown, file: string): unknown {
  const { code = '' } = refusalOf(error) ?? {}
  if (!VALUES_FAULT.test(code)) return error
  return new RefusedFile(file, 'other', `a value of it cannot be kept: ${describeError(error)}`)
}

/** SQLSTATE classes of data exceptions and of constraints, less the lack of a referenced row. */
const VALUES_FAULT = /^(?:22|23(?!503))/

async function takeContent(file: string, facts: BankFileFacts, context: BankReceiveContext, soFar: SoFar) {
  const { client, nowMs } = context
  const reports: TakenReport[] = []
  let bankFile = 0
  let report: ReportTaker | undefined
  let answers: AnswerTaker | undefined
  let forgiven: readonly Forgiven[] = []
  let today = civilDate(nowMs())
  const rules = (bank: number) => readEntryRules(client, bank)
  const onBank = await watchingBanks(context, soFar)
  const read = new FileReading(file)
  for await (const event of readBankFile(read.chunks(), { file: facts.name, profile: tolerantProfile })) {
    context.signal?.throwIfAborted()
    if (event.type === 'message') {
      soFar.message = event
      const type = fileTypes[event.name]
      if (type === undefined) throw refusedMessage(facts.name, event)
      bankFile = await addBankFile(client, facts, event)
      if (event.createdMs !== undefined) today = civilDate(event.createdMs)
      const source = `${event.name} ${event.messageId}`
      if (type !== 'STM') answers = new AnswerTaker({ client, file: facts.name, bankFile, source, onBank })
    } else if (event.type === 'report') {
      const by = { client, file: facts.name, bankFile, rules, fallbackDate: today }
      report = await ReportTaker.begin(event, { ...by, onBank: (bank, refuse) => onBank(bank.number, refuse) })
    } else if (event.type === 'entry') await report?.entry(event)
    else if (event.type === 'report-end' && report !== undefined) reports.push(await report.end(event))
    else if (event.type === 'answer' || event.type === 'return') await answers?.take(event)
    else if (event.type === 'end') forgiven = event.forgiven
  }
  read.requireSame(facts)
  const told = await answers?.end()
  await requireForgiven(facts.name, forgiven, soFar, context)
  const { schema, messageId } = soFar.message ?? {}
  const { actor } = context
  const registered = await register(client, facts, { soFar, bankFile, reports, told, today, actor, forgiven })
  return { registered, schema, messageId, reports, answers: told, forgiven }
}

/** Notes of which banks a file tells, and refuses it when its sender has no say in one of them. */
async function watchingBanks({ client, sender }: BankReceiveContext, soFar: SoFar) {
  const own = sender === undefined ? undefined : await bankNumber(client, sender)
  return (bank: number, refuse: Refuse): void => {
    soFar.banks.add(bank)
    if (own !== undefined && own !== bank) refuse('account', `${sender} tells of what is at bank ${bank}, not there`)
  }
}

/** The banks are known only once the file is read: what was passed over may not be forgiven of one of them. */
async function requireForgiven(
  file: string,
  forgiven: readonly Forgiven[],
  { banks }: SoFar,
  { client, forgives }: BankReceiveContext,
): Promise<void> {
  const [first] = forgiven
  if (first === undefined) return
  for (const bank of banks.size === 0 ? [undefined] : banks) {
    const allowed = forgives((await bankCode(client, bank)) ?? undefined)
    const strict = forgiven.find(({ kind }) => !allowed.has(kind))
    if (strict === undefined) continue
    const { line, column, path: where, detail, kind } = strict
    throw new RefusedFile(file, 'format', `${detail} (${kind})`, { line, column, path: where })
  }
}

function refusedMessage(file: string, { name }: MessageEvent): RefusedFile {
  return new RefusedFile(
    file,
    'format',
    `a ${name} is what is sent to a bank; statements and answers are what a bank sends`,
  )
}

interface Registration {
  readonly soFar: SoFar
  readonly bankFile: number
  readonly reports: readonly TakenReport[]
  readonly told: TakenAnswers | undefined
  readonly today: CivilDate
  readonly actor: string
  readonly forgiven: readonly Forgiven[]
}

/**
 * Puts the file into the register of clearing files, under the next number of its bank and date.
 * @returns its name there
 */
async function register(client: Client, facts: BankFileFacts, registration: Registration): Promise<string> {
  const { soFar, bankFile, reports, told, today, actor, forgiven } = registration
  const type = fileTypes[soFar.message?.name ?? ''] ?? 'STM'
  const bank = reports[0]?.bank
  const institution = bank?.code ?? (await bankCode(client, told?.bank)) ?? UNKNOWN_BANK
  const businessDate = reports[0]?.date ?? today
  const key = await nextIncomingKey(client, { direction: 'in', type, institution, businessDate })
  const name = fileName(key, '.xml')
  const items = reports.reduce((sum, { entries, notBooked }) => sum + entries + notBooked, told?.answers ?? 0)
  const grossPiasters = reports.reduce((sum, one) => sum + one.grossPiasters, 0n)
  const totals = { source: facts.name, messageId: soFar.message?.messageId, schema: soFar.message?.schema }
  const content = { bytes: facts.bytes, sha256: facts.sha256, records: reports.length, items, grossPiasters, totals }
  const registered = await registerFile(
    client,
    { ...key, name, path: `in/done/${name}`, state: 'processed', content },
    actor,
  )
  await completeBankFile(client, bankFile, { fileId: registered.id, bank: bank?.number ?? told?.bank, forgiven })
  return name
}

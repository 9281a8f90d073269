import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import path from 'node:path'
import { type CivilDate, civilDate } from '../../calendar.ts'
import { describeError, MizanError } from '../../errors.ts'
import {
  addBankFile,
  addRefusedBankFile,
  type BankFileFacts,
  bankCode,
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
import type { Client } from '../../store/connection.ts'
import { writeAtomically } from '../atomic-file.ts'
import { type Forgivable, type Forgiven, type MessageEvent, tolerantProfile } from '../iso20022/bank-events.ts'
import { readBankFile } from '../iso20022/bank-file-reader.ts'
import { RefusedFile } from '../iso20022/refusal.ts'
import { AnswerTaker, type TakenAnswers } from './answer-taker.ts'
import { type BookContext, type BookedStatement, bookStatements } from './book.ts'
import { ReportTaker, type TakenReport } from './report-taker.ts'

/** With what files of banks are received. */
export interface BankReceiveContext extends Omit<BookContext, 'client'> {
  readonly client: Client
  /** Clearing folder; a file that was taken is kept in its `in/done`. */
  readonly folder: string
  readonly actor: string
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
const kinds = { 'camt.052': 'intraday', 'camt.053': 'statement', 'camt.054': 'notification' } as const
const UNKNOWN_BANK = 'UNKNOWN'
const NAME_MAX = 255

/**
 * Receives a file of a bank: takes it whole or not at all, posts what it books, and ends its statements. A file that came before
 * is told as such and changes nothing.
 * @throws RefusedFile with the reason, which is kept too: it is damaged, not of our account, repeated, out of order, or does not add up
 * @throws MizanError WRITER_SILENT when no switch posts: the file is taken then, and booked the next time; STORE_UNAVAILABLE
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

async function factsOf(file: string, receivedBy: string): Promise<BankFileFacts> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of chunksOf(file)) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return {
    name: path.basename(file).slice(0, NAME_MAX),
    bytes,
    sha256: hash.digest(),
    receivedBy: receivedBy.slice(0, 64),
  }
}

async function* chunksOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 65_536 })) yield chunk as Uint8Array
  } catch (cause) {
    throw new MizanError('BAD_INPUT', `${file} cannot be read: ${describeError(cause)}`, { cause })
  }
}

/** What a file is known to be when it is refused. */
interface SoFar {
  message: MessageEvent | undefined
  bank: number | undefined
}

async function take(file: string, facts: BankFileFacts, context: BankReceiveContext) {
  const { client } = context
  const soFar: SoFar = { message: undefined, bank: undefined }
  await client.query('begin')
  try {
    const taken = await takeContent(file, facts, context, soFar)
    await keep(file, taken.registered, context.folder)
    await client.query('commit')
    return { ...nothing(facts), ...taken, outcome: 'taken' as const }
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    if (error instanceof RefusedFile && context.keepsRefusal?.(error) !== false) {
      await addRefusedBankFile(client, facts, {
        cause: error.refusal,
        reason: error.message.replace(/^the input is not valid: /, ''),
        schema: soFar.message?.schema,
        messageId: soFar.message?.messageId,
        bank: soFar.bank,
      })
    }
    throw error
  }
}

async function takeContent(file: string, facts: BankFileFacts, context: BankReceiveContext, soFar: SoFar) {
  const { client, nowMs } = context
  const reports: TakenReport[] = []
  let bankFile = 0
  let report: ReportTaker | undefined
  let answers: AnswerTaker | undefined
  let forgiven: readonly Forgiven[] = []
  let today = civilDate(nowMs())
  const rules = (bank: number) => readEntryRules(client, bank)
  const onBank = (bank: number) => {
    soFar.bank = bank
  }
  for await (const event of readBankFile(chunksOf(file), { file: facts.name, profile: tolerantProfile })) {
    context.signal?.throwIfAborted()
    if (event.type === 'message') {
      soFar.message = event
      if (fileTypes[event.name] === undefined) throw refusedMessage(facts.name, event)
      bankFile = await addBankFile(client, facts, event)
      if (event.createdMs !== undefined) today = civilDate(event.createdMs)
      if (!(event.name in kinds)) answers = new AnswerTaker(client, bankFile, `${event.name} ${event.messageId}`)
    } else if (event.type === 'report') {
      const kind = kinds[soFar.message?.name as keyof typeof kinds]
      report = await ReportTaker.begin(event, {
        client,
        file: facts.name,
        bankFile,
        kind,
        rules,
        fallbackDate: today,
        onBank,
      })
    } else if (event.type === 'entry') await report?.entry(event)
    else if (event.type === 'report-end' && report !== undefined) reports.push(await report.end(event))
    else if (event.type === 'answer' || event.type === 'return') await answers?.take(event)
    else if (event.type === 'end') forgiven = event.forgiven
  }
  const told = await answers?.end()
  soFar.bank ??= told?.bank
  requireForgiven(facts.name, forgiven, context.forgives((await bankCode(client, soFar.bank)) ?? undefined))
  const { schema, messageId } = soFar.message ?? {}
  const registered = await register(client, facts, {
    soFar,
    bankFile,
    reports,
    told,
    today,
    actor: context.actor,
    forgiven,
  })
  return { registered, schema, messageId, reports, answers: told, forgiven }
}

/** The bank is known only once its file is read: what was passed over may not be forgiven of it. */
function requireForgiven(file: string, forgiven: readonly Forgiven[], allowed: ReadonlySet<Forgivable>): void {
  const first = forgiven.find(({ kind }) => !allowed.has(kind))
  if (first === undefined) return
  const { line, column, path: where, detail, kind } = first
  throw new RefusedFile(file, 'format', `${detail} (${kind})`, { line, column, path: where })
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

/** Puts the file into the register of clearing files, under the next number of its bank and date. @returns its name there */
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

/** Keeps a copy of what was taken, under its name in the register. */
async function keep(file: string, name: string, folder: string): Promise<void> {
  await writeAtomically(path.join(folder, 'in', 'done', name), async (sink) => {
    for await (const chunk of chunksOf(file)) await sink.write(chunk)
  })
}

import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { CivilDate } from '../calendar.ts'
import { writeAtomically } from '../clearing/atomic-file.ts'
import { type PaymentEvent, strictProfile } from '../clearing/iso20022/bank-events.ts'
import { readBankFile } from '../clearing/iso20022/bank-file-reader.ts'
import { accountOf } from '../clearing/iso20022/parties.ts'
import { writePaymentReturns } from '../clearing/iso20022/payment-return.ts'
import { piastersOf } from '../clearing/iso20022/read-context.ts'
import { type StatementLine, writeNotifications, writeStatements } from '../clearing/iso20022/statement-writer.ts'
import {
  type PaymentStatusItem,
  writeCustomerStatus,
  writeInstitutionStatus,
} from '../clearing/iso20022/status-report.ts'
import { MizanError } from '../errors.ts'
import { bookingsOf, otherBookings, POUND, returnedOf } from './bank-bookings.ts'
import { type BankFault, paymentFaults } from './bank-faults.ts'
import {
  type BankOrder,
  type BankState,
  bankStateFile,
  ORDERS_MAX,
  readBankState,
  writeBankState,
} from './bank-state.ts'
import { Random } from './random.ts'

/** Which bank is simulated, and how well it works. */
export interface SimulatedBankOptions {
  /** As in `settlement_bank`. */
  readonly code: string
  readonly bic: string
  /** Of ours there. */
  readonly account: string
  /** Folder in which it keeps what it knows. */
  readonly stateFolder: string
  /** Folder into which it puts its answers. */
  readonly outFolder: string
  readonly faults?: readonly BankFault[]
  /** Which payments the faults hit. @default 1 */
  readonly seed?: number
  readonly nowMs: () => number
}

/** A file that the bank answered. */
export interface BankAnswerFiles {
  readonly messageId: string
  readonly payments: number
  readonly files: readonly string[]
}

/**
 * A settlement bank for tests and demonstrations. It takes pain.001 and pacs.009 files, answers them with pain.002 and
 * pacs.002, and at a day's end books what is due: a notification (camt.054), a statement (camt.053), and a pacs.004 of
 * what comes back. It keeps balances of its own, and lends without limit.
 */
export class SimulatedBank {
  readonly #options: SimulatedBankOptions
  readonly #file: string
  readonly #faults: ReadonlySet<BankFault>

  constructor(options: SimulatedBankOptions) {
    this.#options = options
    this.#file = bankStateFile(options.stateFolder, options.account)
    this.#faults = new Set(options.faults)
  }

  /**
   * Takes a file of payments.
   * @returns undefined when none of its payments is of the account, or the message was taken before
   * @throws MizanError BAD_INPUT when it is no file of payments
   */
  async take(file: string): Promise<BankAnswerFiles | undefined> {
    const { account } = this.#options
    await mkdir(this.#options.stateFolder, { recursive: true })
    const state = await readBankState(this.#file)
    const payments: PaymentEvent[] = []
    let message = { name: '', schema: '', messageId: '' }
    for await (const event of readBankFile(createReadStream(file), {
      file: path.basename(file),
      profile: strictProfile,
    })) {
      if (event.type === 'message') message = event
      if (event.type !== 'payment' || ![event.debtorAccount, event.creditorAccount].includes(account)) continue
      if (payments.length + state.orders.length >= ORDERS_MAX) throw new MizanError('BAD_INPUT', 'too many payments')
      payments.push(event)
    }
    if (message.name !== 'pain.001' && message.name !== 'pacs.009') {
      throw new MizanError('BAD_INPUT', `${file} is a ${message.name}; a bank takes pain.001 and pacs.009`)
    }
    if (payments.length === 0 || state.messages.includes(message.messageId)) return undefined
    const orders = payments.map((payment) => this.#orderOf(payment, message, state))
    const rejected = this.#faults.has('rejected-payment') ? this.#hit(orders, 'rejected-payment') : undefined
    state.messages.push(message.messageId)
    state.orders.push(...orders.filter((order) => order !== rejected))
    const answered = await this.#answer(message, orders, rejected)
    writeBankState(this.#file, state)
    return { messageId: message.messageId, payments: orders.length, files: [answered] }
  }

  /** Puts money on the account, or takes it, without an order of ours: a ministry that pays, an operator that funds. */
  async transfer(
    order: Pick<BankOrder, 'amountPiasters' | 'credit' | 'executionDate' | 'endToEndId' | 'name'>,
  ): Promise<void> {
    await mkdir(this.#options.stateFolder, { recursive: true })
    const state = await readBankState(this.#file)
    state.orders.push({ ...order, messageId: 'OTHER', reference: this.#reference(state) })
    writeBankState(this.#file, state)
  }

  /** Books what is due on a date and sends notification, returns and statement. @returns the files */
  async endDay(date: CivilDate): Promise<string[]> {
    await mkdir(this.#options.stateFolder, { recursive: true })
    const state = await readBankState(this.#file)
    if (this.#faults.has('no-statement')) return []
    const due = state.orders.filter(({ executionDate }) => executionDate <= date)
    const hits = new Map<BankOrder, BankFault>()
    for (const fault of paymentFaults) {
      if (!this.#faults.has(fault) || fault === 'rejected-payment') continue
      const hit = this.#hit(
        due.filter((order) => !hits.has(order) && order.messageId !== 'OTHER'),
        fault,
      )
      if (hit !== undefined) hits.set(hit, fault)
    }
    const references = () => this.#reference(state)
    const lines = due.flatMap((order) => bookingsOf(order, date, hits.get(order), references))
    lines.push(...otherBookings(date, this.#faults, references))
    const files = [await this.#notify(date, lines)]
    const back = due.flatMap((order) => {
      const piasters = returnedOf(order, hits.get(order))
      return piasters === 0 ? [] : [{ order, piasters }]
    })
    for (const [at, { order, piasters }] of back.entries()) {
      files.push(await this.#giveBack(`${date}${at === 0 ? '' : `.${at + 1}`}`, date, order, piasters))
    }
    files.push(...(await this.#state(date, lines, state)))
    state.orders = state.orders.filter((order) => !due.includes(order))
    writeBankState(this.#file, state)
    return files
  }

  #orderOf(
    payment: PaymentEvent,
    { messageId, schema }: { readonly messageId: string; readonly schema: string },
    state: BankState,
  ): BankOrder {
    const today = 19_000_101 as CivilDate
    return {
      messageId,
      messageName: schema,
      endToEndId: payment.endToEndId,
      amountPiasters: Number(piastersOf(payment.amount.value)),
      credit: payment.creditorAccount === this.#options.account,
      executionDate: payment.executionDate ?? today,
      reference: this.#reference(state),
      name: payment.creditorName ?? '',
    }
  }

  #reference(state: BankState): string {
    state.counter++
    return `${this.#options.code}${String(state.counter).padStart(10, '0')}`
  }

  /** The payment that a fault hits, by the seed. */
  #hit(orders: readonly BankOrder[], fault: BankFault): BankOrder | undefined {
    if (orders.length === 0) return undefined
    const offset = Array.from(fault, (letter) => letter.charCodeAt(0)).reduce((sum, code) => sum + code, 0)
    return new Random((this.#options.seed ?? 1) * 1_000 + offset).pick(orders)
  }

  #answer(
    message: { name: string; schema: string; messageId: string },
    orders: readonly BankOrder[],
    rejected: BankOrder | undefined,
  ) {
    const isCustomer = message.name === 'pain.001'
    const items = orders.map((order): PaymentStatusItem => {
      const { endToEndId, reference } = order
      if (order === rejected) return { endToEndId, status: 'RJCT', reason: 'AC04', text: 'account closed' }
      return { endToEndId, status: 'ACSP', accountServicerReference: reference }
    })
    const report = {
      messageId: `${this.#options.code}-STS-${message.messageId}`.slice(0, 35),
      createdMs: this.#options.nowMs(),
      originalMessageId: message.messageId,
      originalMessageName: message.schema,
      originalPaymentInformationId: message.messageId,
      groupStatus: rejected === undefined ? ('ACSP' as const) : ('PART' as const),
      items,
    }
    const kind = isCustomer ? 'pain.002' : 'pacs.002'
    return this.#put(
      `${kind}.${message.messageId}`,
      isCustomer ? writeCustomerStatus(report) : writeInstitutionStatus(report),
    )
  }

  #notify(date: CivilDate, lines: readonly StatementLine[]): Promise<string> {
    const { code, account, nowMs } = this.#options
    const id = `${code}-NTF-${date}`
    const reports = [{ id, createdMs: nowMs(), account: accountOf(account), lines }]
    return this.#put(`camt.054.${date}`, writeNotifications({ messageId: id, createdMs: nowMs(), reports }))
  }

  #giveBack(name: string, date: CivilDate, order: BankOrder, piasters: number): Promise<string> {
    const { code, bic, nowMs } = this.#options
    const agent = { bic }
    return this.#put(
      `pacs.004.${name}`,
      writePaymentReturns({
        messageId: `${code}-RTR-${name}`,
        createdMs: nowMs(),
        settlementDate: date,
        originalMessageId: order.messageId,
        originalMessageName: order.messageName ?? 'pain.001.001.09',
        instructingAgent: agent,
        instructedAgent: agent,
        totals: { transactions: 1, amountPiasters: BigInt(piasters) },
        payments: [
          {
            returnId: `R${order.reference}`,
            endToEndId: order.endToEndId,
            originalPiasters: order.amountPiasters,
            returnedPiasters: piasters,
            reason: 'AC01',
            text: 'account number wrong',
          },
        ],
      }),
    )
  }

  async #state(date: CivilDate, lines: readonly StatementLine[], state: BankState): Promise<string[]> {
    const { code, account, bic, nowMs } = this.#options
    const wrongOpening = this.#faults.has('wrong-opening') ? POUND : 0
    const wrongClosing = this.#faults.has('wrong-closing') ? POUND : 0
    const opening = state.balancePiasters + wrongOpening
    const net = lines.reduce((sum, line) => sum + (line.credit ? line.amountPiasters : -line.amountPiasters), 0n)
    state.balancePiasters += Number(net)
    state.sequence += this.#faults.has('sequence-gap') ? 2 : 1
    const report = {
      id: `${code}-STM-${date}`,
      sequence: state.sequence,
      createdMs: nowMs(),
      account: accountOf(account),
      servicer: { bic },
      opening: { amountPiasters: BigInt(opening), date },
      closing: { amountPiasters: BigInt(opening) + net + BigInt(wrongClosing), date },
      lines,
    }
    const statement = (messageId: string) => writeStatements({ messageId, createdMs: nowMs(), reports: [report] })
    const messageId = `${code}-STM-${date}`
    const files = [await this.#put(`camt.053.${date}`, statement(messageId))]
    if (this.#faults.has('duplicate-statement'))
      files.push(await this.#put(`camt.053.${date}.2`, statement(`${messageId}-2`)))
    if (this.#faults.has('duplicate-file')) files.push(await this.#put(`camt.053.${date}.again`, statement(messageId)))
    return files
  }

  async #put(name: string, chunks: AsyncIterable<string>): Promise<string> {
    const file = path.join(this.#options.outFolder, `${this.#options.code}.${name}.xml`)
    await writeAtomically(file, async (sink) => {
      for await (const chunk of chunks) await sink.text(chunk)
    })
    return file
  }
}

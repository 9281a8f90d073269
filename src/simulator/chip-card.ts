import { randomBytes } from 'node:crypto'
import { assert, MizanError } from '../errors.ts'
import { type BerTlv, berValue, parseBerTlv } from '../iso8583/ber-tlv.ts'
import type { ReadStatusUpdate } from '../security/emv/arpc.ts'
import type { CardIdentity } from '../security/emv/arqc.ts'
import { equalSecret } from '../security/primitives/secrets.ts'
import type { ChipIssuer } from './chip-issuer.ts'
import { ChipRecord, type ChipVersion } from './chip-record.ts'

/** What the terminal tells the card of a transaction. */
export interface ChipTransaction {
  /** The whole amount, cash part included. */
  readonly amountPiasters: number
  /** Cash part. @default 0 */
  readonly cashbackPiasters?: number
  /** First two digits of DE3. */
  readonly type: string
  /** Civil date as yyyymmdd. */
  readonly date: number
  /** Whether a PIN goes to the issuer with it. */
  readonly onlinePin: boolean
  /** Terminal's unpredictable number, 32 bits. @default random */
  readonly unpredictable?: number
}

/** What a card made of an issuer's answer. */
export interface IssuerAnswer {
  /** Whether tag 91 was the issuer's; `absent` where there was none. */
  readonly authentication: 'right' | 'wrong' | 'absent'
  /** What tag 91 tells the card to do; undefined unless right. */
  readonly approved: boolean | undefined
  /** By method 2 (CVN 18 and hex 22). */
  readonly statusUpdate: ReadStatusUpdate | undefined
  /** Script commands in the order in which they came, and whether the card carried them out. */
  readonly script: readonly { readonly instruction: number; readonly done: boolean }[]
}

/** What a card keeps. */
export interface ChipState {
  /** Counter of the last transaction. @default 0 */
  readonly atc?: number
}

const CHIP_PIN_TRIES = 3
const ATC_MAX = 0xffff
const MAC_BYTES = 8
const HEADER_BYTES = 5
const instructions = { pinUnblock: 0x24, applicationBlock: 0x1e, applicationUnblock: 0x18 }
/** Response codes by which method 1 tells a card that it was approved. */
const approvals = new Set(['00', '10', '11'])

/**
 * A simulated chip: counts its transactions, makes their cryptograms, checks the issuer's answers, and carries out the
 * issuer's scripts. EMV Books 2 and 3; VIS 1.6.
 */
export class ChipCard {
  readonly identity: CardIdentity
  readonly version: ChipVersion
  readonly #issuer: ChipIssuer
  readonly #pin: string
  readonly #record: ChipRecord
  #atc: number
  #triesLeft = CHIP_PIN_TRIES
  #blocked = false
  #authenticationFailed = false
  #scriptCommands = 0
  #waiting = false

  constructor(issuer: ChipIssuer, card: CardIdentity & { pin: string }, version: ChipVersion, state: ChipState = {}) {
    this.#issuer = issuer
    this.identity = { pan: card.pan, psn: card.psn }
    this.version = version
    this.#pin = card.pin
    this.#record = new ChipRecord(version)
    this.#atc = state.atc ?? 0
  }

  /** Counter of the last transaction. */
  get atc(): number {
    return this.#atc
  }

  /** Offline PIN tries that are left. */
  get pinTriesLeft(): number {
    return this.#triesLeft
  }

  /** Whether a script has blocked the application. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** Offline PIN entry: the card itself compares, and counts. */
  checkPin(pin: string): boolean {
    if (this.#triesLeft === 0) return false
    const right = pin === this.#pin
    this.#triesLeft = right ? CHIP_PIN_TRIES : this.#triesLeft - 1
    return right
  }

  /**
   * A transaction that goes online. A blocked application declines by itself, and says so in its cryptogram.
   * @returns DE55 as BER-TLV, with the card's cryptogram
   * @throws MizanError BAD_INPUT when the card has counted to its end
   */
  authorize(transaction: ChipTransaction): Buffer {
    if (this.#atc === ATC_MAX) throw new MizanError('BAD_INPUT', 'the chip has no transaction counter left')
    const record = this.#record
    this.#atc += 1
    record.setAmounts(transaction.amountPiasters, transaction.cashbackPiasters ?? 0)
    record.setKind(transaction.date % 1_000_000, Number(transaction.type))
    record.setTransaction(this.#atc, transaction.unpredictable ?? randomBytes(4).readUInt32BE())
    record.setOnlinePin(transaction.onlinePin)
    record.setFindings({
      declined: this.#blocked,
      tryLimitExceeded: this.#triesLeft === 0,
      authenticationFailed: this.#authenticationFailed,
      scriptCommands: this.#scriptCommands,
    })
    this.#issuer.cryptograms.generate(this.identity, record.value, record.cryptogram)
    this.#scriptCommands = 0
    this.#waiting = true
    return Buffer.from(record.bytes)
  }

  /**
   * Takes the answer to the last transaction: checks who it is from, and runs the scripts.
   * @param chipData DE55 of the answer as BER-TLV; undefined when it had none
   */
  receive(chipData: Buffer | undefined): IssuerAnswer {
    assert(this.#waiting, 'an answer follows a transaction')
    this.#waiting = false
    const { list } = parseBerTlv(chipData ?? Buffer.alloc(0))
    const before = this.#script(list, '71')
    const authentication = this.#authenticate(berValue(list, '91'))
    return { ...authentication, script: [...before, ...this.#script(list, '72')] }
  }

  #authenticate(value: Buffer | undefined): Omit<IssuerAnswer, 'script'> {
    const nothing = { approved: undefined, statusUpdate: undefined }
    if (value === undefined) return { authentication: 'absent', ...nothing }
    const { cryptograms } = this.#issuer
    // Other cards have used the work space since: the same data give the same session key again.
    cryptograms.generate(this.identity, this.#record.value, this.#record.cryptogram)
    const read = readOrUndefined(() => cryptograms.readAnswer(value))
    cryptograms.forget()
    this.#authenticationFailed = read === undefined
    if (read === undefined) return { authentication: 'wrong', ...nothing }
    const { responseCode, statusUpdate } = read
    this.#obey(statusUpdate)
    const approved = statusUpdate?.approve ?? approvals.has(responseCode ?? '')
    return { authentication: 'right', approved, statusUpdate }
  }

  #obey(update: ReadStatusUpdate | undefined): void {
    if (update?.pinTries !== undefined) this.#triesLeft = update.pinTries
    if (update?.blockApplication === true || update?.blockCard === true) this.#blocked = true
  }

  #script(list: readonly BerTlv[], template: '71' | '72'): IssuerAnswer['script'] {
    const transaction = {
      counter: this.#record.value(0x9f36) as Uint8Array,
      cryptogram: this.#record.cryptogram,
    }
    const results: { instruction: number; done: boolean }[] = []
    for (const { value } of list.filter(({ tag }) => tag === template)) {
      const expected = this.#issuer.expectedScript(this.identity, this.version, transaction)
      const commands = parseBerTlv(value).list.filter(({ tag }) => tag === '86')
      for (const { value: command } of commands) {
        const done = this.#run(command, expected)
        results.push({ instruction: command[1] ?? 0, done })
        if (done) this.#scriptCommands = Math.min(15, this.#scriptCommands + 1)
        // A card stops at the first command that fails (EMV Book 4, 6.3.9).
        else break
      }
    }
    return results
  }

  /** Carries a command out if its MAC is right. */
  #run(command: Buffer, expected: ReturnType<ChipIssuer['expectedScript']>): boolean {
    if (command.length < HEADER_BYTES + MAC_BYTES) return false
    const [cla = 0, ins = 0, p1 = 0, p2 = 0] = command
    const data = command.subarray(HEADER_BYTES, command.length - MAC_BYTES)
    if (!equalSecret(command, expected.command({ cla, ins, p1, p2 }, data))) return false
    if (ins === instructions.pinUnblock && p2 === 0) this.#triesLeft = CHIP_PIN_TRIES
    else if (ins === instructions.applicationBlock) this.#blocked = true
    else if (ins === instructions.applicationUnblock) this.#blocked = false
    else return false
    return true
  }
}

/** An answer that cannot even be read is not the issuer's. */
function readOrUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof MizanError && error.code === 'BAD_INPUT') return undefined
    throw error
  }
}

import type { HostAnswer } from '../authorization/host.ts'
import { type Result, responseCodes } from '../authorization/result.ts'
import { MizanError } from '../errors.ts'
import { parseAmounts } from '../iso8583/composites.ts'
import type { Message } from '../iso8583/message.ts'
import { EGP } from '../money.ts'
import type { Timing } from '../timing.ts'
import type { AccountHost, HostCall } from '../writer/account-host.ts'
import { HostCircuit } from './host-circuit.ts'
import type { NetworkLink } from './network-link.ts'

/** What the adapter tells whoever counts and logs. */
export interface AccountHostObserver {
  answered?(answer: HostAnswer, tookMs: number): void
  circuit?(state: 'open' | 'closed'): void
}

export interface AccountHostOptions {
  readonly openAfter: number
  readonly closeAfter: number
  readonly probeMs: number
  readonly timing: Timing
  readonly observer: AccountHostObserver
}

const APPROVED = ['00', '10']
/** The host says that it did not process the request (ISO 8583:1987): cutover, issuer unavailable, no route, fault. */
const NOT_PROCESSED = ['90', '91', '92', '96']
/** Nobody knows what became of it: a late answer, or a duplicate of something. */
const UNCLEAR = ['68', '94']
const POSTAL_TYPE = '20'
const AVAILABLE = '02'

/** Results that a refusal of the host may stand for; any other says that the account may not. */
const hostResults: readonly Result[] = [
  'insufficient',
  'amount-limit',
  'count-limit',
  'unknown-card',
  'restricted-card',
  'suspected-fraud',
  'invalid-transaction',
  'bad-amount',
]
const codes = responseCodes('iso87-ascii')
const resultOf = new Map(hostResults.map((result) => [codes[result], result]))

/** The Post's account host at the other end of an outbound link. */
export class HostLink implements AccountHost {
  readonly #options: AccountHostOptions
  readonly #circuit: HostCircuit
  #link: NetworkLink | undefined

  constructor(options: AccountHostOptions) {
    const { openAfter, closeAfter, probeMs, timing, observer } = options
    this.#options = options
    this.#circuit = new HostCircuit({
      openAfter,
      closeAfter,
      probeMs,
      timing,
      probe: () => this.#probe(),
      onChange: (state) => observer.circuit?.(state),
    })
    // Nobody has heard of it yet.
    this.#circuit.open()
  }

  /** Gives it the link, which may come up later. */
  attach(link: NetworkLink): void {
    this.#link = link
  }

  get state(): 'link' | 'circuit' | 'up' {
    return this.refusal() ?? 'up'
  }

  refusal(): 'link' | 'circuit' | undefined {
    if (this.#link?.state !== 'up') {
      this.#circuit.open()
      return 'link'
    }
    return this.#circuit.isOpen ? 'circuit' : undefined
  }

  ask({ request, fields }: HostCall, timeoutMs: number, settle: (answer: HostAnswer) => void): void {
    const { timing, observer } = this.#options
    const beganMs = timing.monotonicMs()
    const end = (answer: HostAnswer) => {
      if (answer.kind === 'unanswered' || answer.kind === 'unreachable') this.#circuit.failed()
      else this.#circuit.succeeded()
      observer.answered?.(answer, timing.monotonicMs() - beganMs)
      settle(answer)
    }
    const link = this.#link
    if (link === undefined) {
      timing.endOfTurn(() => end({ kind: 'unreachable', why: 'link' }))
      return
    }
    link.ask({ mti: '0200', fields }, timeoutMs).then(
      (answer) => end(answerOf(answer, request.piasters)),
      (error: unknown) => end(failureOf(error)),
    )
  }

  async #probe(): Promise<void> {
    const link = this.#link
    if (link?.state !== 'up') throw new MizanError('LINK_CLOSED', 'the link to the account host is not up')
    await link.probe()
  }

  /** Ends the probing; the link is its owner's. */
  close(): void {
    this.#circuit.close()
  }
}

/**
 * What came of a request that got no answer. One that was refused for want of room, or could not be put into bytes,
 * never went out; of every other the host may have booked it.
 */
function failureOf(error: unknown): HostAnswer {
  const neverSent = ['LINK_BUSY', 'LINK_DUPLICATE_KEY', 'CODEC_ENCODE_FAILED', 'CRYPTO_REFUSED']
  if (error instanceof MizanError && neverSent.includes(error.code)) return { kind: 'unreachable', why: 'busy' }
  return { kind: 'unanswered' }
}

function answerOf(answer: Message, asked: number): HostAnswer {
  const code = answer.text(39)?.trim() ?? ''
  const balancePiasters = balanceIn(answer)
  if (APPROVED.includes(code)) {
    const piasters = Math.min(asked, Number(answer.text(4) ?? asked))
    return { kind: 'approved', piasters, reference: answer.text(38)?.trim() ?? '', balancePiasters }
  }
  if (code === '' || UNCLEAR.includes(code)) return { kind: 'unanswered' }
  if (NOT_PROCESSED.includes(code)) return { kind: 'unreachable', why: 'refused' }
  return { kind: 'declined', code, result: resultOf.get(code) ?? 'not-for-this-card', balancePiasters }
}

function balanceIn(answer: Message): number | undefined {
  const { amounts } = parseAmounts(answer.text(54) ?? '')
  const group = amounts.find(
    ({ accountType, amountType, currency }) =>
      accountType === POSTAL_TYPE && amountType === AVAILABLE && currency === EGP,
  )
  if (group === undefined) return undefined
  // An account that is overdrawn there has nothing to spend.
  return group.sign === 'D' ? 0 : group.amount
}

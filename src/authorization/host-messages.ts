import { civilTime } from '../calendar.ts'
import { formatOriginalData } from '../iso8583/composites.ts'
import { moneyAccount } from '../ledger/accounts.ts'
import { EGP } from '../money.ts'
import type { Forward } from './forward.ts'
import type { AccountHostPolicy, HostRequest, HostStamps } from './host.ts'
import type { AuthorizationRequest } from './request.ts'
import { transactionTypes } from './routing.ts'

/** Fields of a message by data element, in no dialect. */
export type HostFields = Readonly<Record<number, string>>

/** What the message says of where the transaction took place. */
type Place = Pick<AuthorizationRequest, 'acquirer' | 'terminal' | 'acceptor' | 'mcc'>

/** STANs of live requests: those of the queue of forwarded messages are above (forward.ts). */
const LIVE_STANS = 499_999
const RRN_SPAN = 1_000_000_000_000

/** Adjustments of ISO 8583:1987: what is taken or given beside a transaction of a card. */
const DEBIT_ADJUSTMENT = '02'
const CREDIT_ADJUSTMENT = '22'
const POSTAL = '20'
const NONE = '00'

/**
 * How a request of this id is known at the account host. Ids are unique in the installation, so are these for months.
 */
export function hostStamps(requestId: number, nowMs: number): HostStamps {
  return {
    requestId,
    stan: String((requestId % LIVE_STANS) + 1).padStart(6, '0'),
    transmission: transmissionOf(nowMs),
    rrn: rrnOf(requestId),
  }
}

/** DE37 of messages about an authorization or command. */
function rrnOf(id: number): string {
  return String(id % RRN_SPAN).padStart(12, '0')
}

/** DE7: MMDDhhmmss in UTC. */
function transmissionOf(atMs: number): string {
  return new Date(atMs).toISOString().replaceAll(/[-T:]/g, '').slice(4, 14)
}

/** DE102: the number of the account, which is its household's at both sides. */
function accountIdentification(householdId: number): string {
  return String(moneyAccount('postalAccount', householdId))
}

/** A live request (0200) for an ask: debit by the transaction's own type, or an inquiry. */
export function hostRequestFields(
  request: AuthorizationRequest,
  { kind, piasters, stamps }: HostRequest,
  householdId: number,
  nowMs: number,
  institution: string,
): HostFields {
  const type = kind === 'inquiry' ? transactionTypes.inquiryOther : request.transactionType
  return {
    ...common(householdId, piasters, `${type}${POSTAL}${NONE}`, nowMs),
    ...placeFields(request, institution),
    2: request.pan,
    7: stamps.transmission,
    11: stamps.stan,
    37: stamps.rrn,
  }
}

/** An advice (0220) of what an account paid, or was paid, without the host having been asked. */
export function hostAdvice(
  policy: AccountHostPolicy,
  what: {
    readonly direction: 'debit' | 'credit'
    readonly piasters: number
    readonly householdId: number
    readonly cardId: number | undefined
    /** Of the authorization or command that it belongs to. */
    readonly id: number
    readonly nowMs: number
    /** Absent for what no message caused. */
    readonly request?: AuthorizationRequest
    /** Why: approved without the host, DE44. */
    readonly standIn?: string
  },
): Forward {
  const { direction, piasters, householdId, cardId, id, nowMs, request, standIn } = what
  const type = direction === 'debit' ? debitTypeOf(request) : creditTypeOf(request)
  const accounts = direction === 'debit' ? `${POSTAL}${NONE}` : `${NONE}${POSTAL}`
  return {
    destination: policy.destination,
    kind: 'advice',
    mti: '0220',
    cardId,
    fields: {
      ...common(householdId, piasters, `${type}${accounts}`, nowMs),
      ...(request === undefined ? { 32: policy.institution } : placeFields(request, policy.institution)),
      37: rrnOf(id),
      39: '00',
      ...(standIn === undefined ? {} : { 44: standIn }),
    },
  }
}

/**
 * A debit is what its transaction is; what is taken again, such as a deposit that did not take place, is an adjustment.
 */
function debitTypeOf(request: AuthorizationRequest | undefined): string {
  if (request === undefined || request.messageClass.startsWith('reversal')) return DEBIT_ADJUSTMENT
  return request.transactionType
}

/** A deposit and a refund say what they are; whatever else comes back is an adjustment. */
function creditTypeOf(request: AuthorizationRequest | undefined): string {
  if (request === undefined || request.messageClass.startsWith('reversal')) return CREDIT_ADJUSTMENT
  const { transactionType: type } = request
  return type === transactionTypes.refund || type === transactionTypes.deposit ? type : CREDIT_ADJUSTMENT
}

/** A reversal (0420) of a request that the host booked, or may have. */
export function hostReversal(
  policy: AccountHostPolicy,
  what: {
    readonly stamps: HostStamps
    readonly piasters: number
    readonly transactionType: string
    readonly place: Place
    readonly householdId: number
    readonly cardId: number | undefined
    readonly nowMs: number
  },
): Forward {
  const { stamps, piasters, transactionType, householdId, cardId, nowMs, place } = what
  const acquirer = place.acquirer === '' ? policy.institution : place.acquirer
  const original = { mti: '0200', stan: stamps.stan, transmission: stamps.transmission, acquirer, forwarder: '' }
  return {
    destination: policy.destination,
    kind: 'reversal',
    mti: '0420',
    cardId,
    fields: {
      ...common(householdId, piasters, `${transactionType}${POSTAL}${NONE}`, nowMs),
      ...placeFields(place, policy.institution),
      37: stamps.rrn,
      90: formatOriginalData(original),
    },
  }
}

function common(householdId: number, piasters: number, processing: string, nowMs: number): Record<number, string> {
  const local = civilTime(nowMs)
  return {
    3: processing,
    4: String(piasters).padStart(12, '0'),
    12: local.time,
    13: String(local.date).slice(4),
    49: EGP,
    102: accountIdentification(householdId),
  }
}

function placeFields({ acquirer, terminal, acceptor, mcc }: Place, institution: string): Record<number, string> {
  const fields: Record<number, string> = { 32: acquirer === '' ? institution : acquirer }
  if (mcc !== '') fields[18] = mcc
  if (terminal !== '') fields[41] = terminal
  if (acceptor !== '') fields[42] = acceptor
  return fields
}

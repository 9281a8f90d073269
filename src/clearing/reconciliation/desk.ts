import { type CivilDate, parseDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import { type AccountNumber, kindOf, moneyAccount, moneyKinds } from '../../ledger/accounts.ts'
import { isPostingAllowed } from '../../ledger/posting-rules.ts'
import type { Role } from '../../store/access-users.ts'
import { requestPostings } from '../../store/clearing/postings.ts'
import { type Author, closeException, lockOpen, noteSuspended } from '../../store/clearing/reconciliation-change.ts'
import { type ReconciliationException, readEvents } from '../../store/clearing/reconciliation-desk.ts'
import type { Client } from '../../store/connection.ts'
import { type AgeBucket, ageBucketOf, ageOf, type BankingDays } from './ageing.ts'
import { type BreakName, type BreakType, breakTypes, isBreakName } from './breaks.ts'
import { type CorrectingPosting, type Difference, proposeCorrection, proposeWriteOff } from './correction.ts'

/** How much of a break somebody with a role may agree to write off. */
export interface WriteOffLimit {
  readonly role: Role
  /** Absent = every break without a limit of its own. */
  readonly break?: BreakName
  readonly piasters: number
}

/** What is posted to close or correct an exception, and whether it waits for the writer. */
export interface Corrected {
  readonly exception: ReconciliationException
  readonly reference: string
  readonly commands: number
  readonly postings: readonly CorrectingPosting[]
}

/** The kind of break of an exception. */
export function breakOf(exception: Pick<ReconciliationException, 'break'>): BreakType & { readonly name: BreakName } {
  const name = exception.break
  if (!isBreakName(name)) throw new MizanError('NOT_FOUND', `${name} is no break of this version`)
  return { name, ...breakTypes[name] }
}

/** How old an exception is, and whether it is late. */
export interface Age {
  readonly days: number
  readonly bucket: AgeBucket
  readonly lateness: 'in-time' | 'late' | 'overdue'
}

/** Age of an exception on a date; closed ones are as old as they were when they were opened. */
export function ageOfException(exception: ReconciliationException, today: CivilDate, banking: BankingDays): Age {
  const type = breakOf(exception)
  const days = ageOf(parseDate(exception.openedOn), today, type, banking)
  const lateness = days > type.closeDays ? 'overdue' : days > type.warnDays ? 'late' : 'in-time'
  return { days, bucket: ageBucketOf(days), lateness }
}

/** The difference of an exception, where it stands now. */
export function differenceOf(exception: ReconciliationException): Difference {
  const { name, number } = breakOf(exception)
  const { account, suspended, differencePiasters } = exception
  const held = suspended ? moneyAccount('suspense', number) : (account as AccountNumber | undefined)
  return { break: name, account: held, differencePiasters }
}

/** The posting that is proposed for an exception; empty when none is. */
export function proposalOf(exception: ReconciliationException): CorrectingPosting[] {
  return proposeCorrection(differenceOf(exception))
}

/** Whether money stands wrongly in the ledger for it: then it is not closed by words alone. */
export function hasMoney(exception: ReconciliationException): boolean {
  const { account, differencePiasters } = differenceOf(exception)
  return differencePiasters !== 0 && account !== undefined && proposeWriteOff(differenceOf(exception)).length > 0
}

/**
 * Closes an exception that holds no money, with words.
 * @throws MizanError CONFLICT when money stands for it, or it is closed already; NOT_FOUND; BAD_INPUT
 */
export async function resolveByWords(
  client: Client,
  id: number,
  resolution: string,
  author: Author,
): Promise<ReconciliationException> {
  const exception = await lockOpen(client, id)
  if (hasMoney(exception)) {
    const { account, differencePiasters } = differenceOf(exception)
    throw new MizanError(
      'CONFLICT',
      `${differencePiasters} piasters stand on account ${account} for it: resolve it with a posting, or write it off`,
    )
  }
  return closeException(client, id, { state: 'resolved', resolution }, author)
}

/**
 * Checks that a correction can be asked for. @throws MizanError CONFLICT, NOT_FOUND, BAD_INPUT
 * @param target account that what is in suspense goes to; absent = the difference goes into suspense
 */
export function correctionOf(exception: ReconciliationException, target: number | undefined): CorrectingPosting[] {
  const { account, differencePiasters } = differenceOf(exception)
  const isHeld = account !== undefined && kindOf(account) === moneyKinds.suspense
  if (target === undefined) {
    const proposal = proposalOf(exception)
    if (proposal.length > 0) return proposal
    const words = isHeld ? 'it is in suspense already: say which account it goes to' : 'no posting is proposed for it'
    throw new MizanError('CONFLICT', words)
  }
  if (!isHeld || account === undefined || differencePiasters === 0) {
    throw new MizanError('CONFLICT', 'nothing of it is in suspense: post the proposed correction first')
  }
  const to = target as AccountNumber
  const amountPiasters = Math.abs(differencePiasters)
  const posting: CorrectingPosting =
    differencePiasters > 0
      ? { kind: 'fromSuspense', debit: account, credit: to, amountPiasters }
      : { kind: 'toSuspense', debit: to, credit: account, amountPiasters }
  if (!isPostingAllowed(posting.kind, posting.debit, posting.credit)) {
    throw new MizanError(
      'BAD_INPUT',
      'suspense goes to accounts of acquirers (7002, 7003), the card scheme (7004), transit (7007) or a bank (8007)',
    )
  }
  return [posting]
}

/**
 * Posts what corrects an exception, in the transaction of the second person's approval: into the suspense of its break, and it
 * stays open, or out of it to an account, and it is resolved.
 * @throws MizanError as {@link correctionOf}
 */
export async function correct(
  client: Client,
  id: number,
  wanted: { readonly target: number | undefined; readonly resolution: string },
  author: Author,
): Promise<Corrected> {
  const postings = correctionOf(await lockOpen(client, id), wanted.target)
  const { reference, commands } = await post(client, id, postings, author)
  const { resolution } = wanted
  const exception =
    wanted.target === undefined
      ? await noteSuspended(client, id, { resolution, reference, postings }, author)
      : await closeException(client, id, { state: 'resolved', resolution, reference, postings }, author)
  return { exception, reference, commands, postings }
}

/**
 * Writes the difference of an exception off, in the transaction of the second person's approval.
 * @throws MizanError CONFLICT when there is nothing to write off; FORBIDDEN beyond the limit of the second person
 */
export async function writeOff(
  client: Client,
  id: number,
  wanted: {
    readonly resolution: string
    readonly roles: readonly Role[]
    readonly limits: readonly WriteOffLimit[]
  },
  author: Author,
): Promise<Corrected> {
  const open = await lockOpen(client, id)
  const postings = requireWriteOff(open)
  const limit = writeOffLimitOf(breakOf(open).name, wanted.roles, wanted.limits)
  const amount = Math.abs(open.differencePiasters)
  if (amount > limit) {
    throw new MizanError(
      'FORBIDDEN',
      `${amount} piasters are beyond the limit of ${limit} for ${wanted.roles.join(', ') || 'no role'}`,
    )
  }
  const { reference, commands } = await post(client, id, postings, author)
  const { resolution } = wanted
  const exception = await closeException(client, id, { state: 'written-off', resolution, reference, postings }, author)
  return { exception, reference, commands, postings }
}

/** The postings of a write-off. @throws MizanError CONFLICT when there is nothing to write off */
export function requireWriteOff(exception: ReconciliationException): CorrectingPosting[] {
  const postings = proposeWriteOff(differenceOf(exception))
  if (postings.length > 0) return postings
  throw new MizanError('CONFLICT', `exception ${exception.id} holds no money that could be written off`)
}

/** Up to how much somebody with these roles may agree to write off of a break, in piasters; 0 = nothing. */
export function writeOffLimitOf(name: BreakName, roles: readonly Role[], limits: readonly WriteOffLimit[]): number {
  const ofRole = (role: Role) => {
    const own = limits.filter((limit) => limit.role === role)
    return (own.find((limit) => limit.break === name) ?? own.find((limit) => limit.break === undefined))?.piasters ?? 0
  }
  return Math.max(0, ...roles.map(ofRole))
}

async function post(
  client: Client,
  id: number,
  postings: readonly CorrectingPosting[],
  { actor }: Author,
): Promise<{ reference: string; commands: number }> {
  // The exception is locked, so that its history has one length: each correction has a reference of its own.
  const reference = `exception:${id}:${(await readEvents(client, id)).length}`
  const commands = await requestPostings(client, { reference, requestedBy: actor.slice(0, 64), postings })
  return { reference, commands }
}

import { type CivilDate, civilDate, parseDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { AccountNumber } from '../../ledger/accounts.ts'
import { isPostingAllowed } from '../../ledger/posting-rules.ts'
import type { Role } from '../../store/access-users.ts'
import { requestPostings } from '../../store/clearing/postings.ts'
import {
  type Author,
  closeException,
  lockOpen,
  noteSuspended,
  writtenOffOn,
} from '../../store/clearing/reconciliation-change.ts'
import { type ReconciliationException, readEvents } from '../../store/clearing/reconciliation-desk.ts'
import type { Client } from '../../store/connection.ts'
import { type AgeBucket, ageBucketOf, ageOf, type BankingDays } from './ageing.ts'
import { type BreakName, type BreakType, breakTypes, isBreakName } from './breaks.ts'
import {
  type CorrectingPosting,
  type Difference,
  heldPiasters,
  isMovable,
  proposeCorrection,
  proposeWriteOff,
  suspenseOf,
} from './correction.ts'
import { requireTargetOwner } from './target.ts'
import { type WriteOffLimit, writeOffLimitOf } from './write-off-limits.ts'

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

/** Age of an exception on a date; one that is closed stays as old as it was then. */
export function ageOfException(exception: ReconciliationException, today: CivilDate, banking: BankingDays): Age {
  const type = breakOf(exception)
  const { openedOn, closedAtMs } = exception
  const days = ageOf(parseDate(openedOn), closedAtMs === undefined ? today : civilDate(closedAtMs), type, banking)
  const lateness = days > type.closeDays ? 'overdue' : days > type.warnDays ? 'late' : 'in-time'
  return { days, bucket: ageBucketOf(days), lateness }
}

/** The money of an exception, where it stands now. */
export function differenceOf(exception: ReconciliationException): Difference {
  const { account, differencePiasters, settledPiasters, suspendedPiasters } = exception
  return {
    break: breakOf(exception).name,
    account: account as AccountNumber | undefined,
    openPiasters: differencePiasters - settledPiasters,
    suspendedPiasters,
  }
}

/** The posting that is proposed for an exception; empty when none is. */
export function proposalOf(exception: ReconciliationException): CorrectingPosting[] {
  return proposeCorrection(differenceOf(exception))
}

/** Whether money stands wrongly in the ledger for it: then it is not closed by words alone. */
export function hasMoney(exception: ReconciliationException): boolean {
  const difference = differenceOf(exception)
  return isMovable(difference) && (difference.openPiasters !== 0 || difference.suspendedPiasters !== 0)
}

/** Breaks that say that the ledger is wrong: words do not mend them, and a run closes them when they are mended. */
const mendedOnly: readonly BreakName[] = ['control-account-open', 'issuance-not-conserved']

/**
 * Closes an exception that holds no money, with words.
 * @throws MizanError CONFLICT when money stands for it, it has to be mended, or it is closed already; NOT_FOUND;
 * BAD_INPUT
 */
export async function resolveByWords(
  client: Client,
  id: number,
  resolution: string,
  author: Author,
): Promise<ReconciliationException> {
  const exception = await lockOpen(client, id)
  const { account, openPiasters, suspendedPiasters } = differenceOf(exception)
  if (hasMoney(exception)) {
    throw new MizanError(
      'CONFLICT',
      `${openPiasters || suspendedPiasters} piasters stand on account ${account} for it: resolve it with a posting, or write it off`,
    )
  }
  if (mendedOnly.includes(breakOf(exception).name)) {
    throw new MizanError('CONFLICT', 'words do not mend the ledger: a run closes it when the difference is gone')
  }
  return closeException(client, id, { state: 'resolved', resolution, settledPiasters: 0 }, author)
}

/** What two people agree to: the exception as the one who asks has seen it, and why it is done. */
export interface Agreed {
  /** Its difference as it was seen; another one by now is not what they agreed to. */
  readonly seenPiasters: number
  readonly resolution: string
}

/**
 * Checks that a correction can be asked for. @throws MizanError CONFLICT, NOT_FOUND, BAD_INPUT
 * @param target account that what is in suspense goes to; absent = the difference goes into suspense
 */
export function correctionOf(exception: ReconciliationException, target: number | undefined): CorrectingPosting[] {
  const difference = differenceOf(exception)
  const proposal = proposeCorrection(difference)
  const held = heldPiasters(difference)
  if (target === undefined) {
    if (proposal.length > 0) return proposal
    const words =
      held === 0 ? 'no posting is proposed for it' : 'it is in suspense already: say which account it goes to'
    throw new MizanError('CONFLICT', words)
  }
  if (held === 0) throw new MizanError('CONFLICT', 'nothing of it is in suspense: post the proposed correction first')
  if (proposal.length > 0) {
    throw new MizanError(
      'CONFLICT',
      'it is another difference than what is in suspense: post the proposed correction first',
    )
  }
  const [to, from] = [target as AccountNumber, suspenseOf(difference)]
  const amountPiasters = Math.abs(held)
  const posting: CorrectingPosting =
    held > 0
      ? { kind: 'fromSuspense', debit: from, credit: to, amountPiasters }
      : { kind: 'toSuspense', debit: to, credit: from, amountPiasters }
  if (!isPostingAllowed(posting.kind, posting.debit, posting.credit)) {
    throw new MizanError(
      'BAD_INPUT',
      'suspense goes to accounts of acquirers (7002, 7003), the card scheme (7004), transit (7007) or a bank (8007)',
    )
  }
  return [posting]
}

/**
 * Posts what corrects an exception, in the transaction of the second person's approval: into the suspense of its break, or back
 * to the account it came from, and it stays open; or out of suspense to another account, and it is resolved.
 * @throws MizanError as {@link correctionOf} and {@link requireTargetOwner}; CONFLICT when it has changed since it was seen
 */
export async function correct(
  client: Client,
  id: number,
  wanted: Agreed & { readonly target: number | undefined },
  author: Author,
): Promise<Corrected> {
  const open = await lockOpen(client, id)
  const { seenPiasters, resolution, target } = wanted
  requireSeen(open, seenPiasters)
  const postings = correctionOf(open, target)
  await requireTargetOwner(client, target)
  const { reference, commands } = await post(client, id, postings, author)
  const difference = differenceOf(open)
  const done = { resolution, reference, postings }
  if (target !== undefined && target !== difference.account) {
    const closing = { ...done, state: 'resolved', settledPiasters: heldPiasters(difference) } as const
    return { exception: await closeException(client, id, closing, author), reference, commands, postings }
  }
  const moved = { ...done, suspendedPiasters: target === undefined ? difference.openPiasters : 0 }
  return { exception: await noteSuspended(client, id, moved, author), reference, commands, postings }
}

/**
 * Writes the difference of an exception off, in the transaction of the second person's approval.
 * @throws MizanError CONFLICT when there is nothing to write off, or it has changed since it was seen; FORBIDDEN beyond
 * the limit of the second person, for one exception or for a day
 */
export async function writeOff(
  client: Client,
  id: number,
  wanted: Agreed & { readonly roles: readonly Role[]; readonly limits: readonly WriteOffLimit[] },
  author: Author,
): Promise<Corrected> {
  const open = await lockOpen(client, id)
  const { seenPiasters, resolution, roles, limits } = wanted
  requireSeen(open, seenPiasters)
  const postings = requireWriteOff(open)
  const { openPiasters } = differenceOf(open)
  const { name } = breakOf(open)
  await requireWithin(client, { name, piasters: Math.abs(openPiasters), roles, limits, nowMs: author.nowMs })
  const { reference, commands } = await post(client, id, postings, author)
  const closing = { state: 'written-off', resolution, reference, postings, settledPiasters: openPiasters } as const
  const exception = await closeException(client, id, closing, author)
  return { exception, reference, commands, postings }
}

/** @throws MizanError CONFLICT when the difference of an exception is another one than two people have seen */
export function requireSeen({ id, differencePiasters }: ReconciliationException, seenPiasters: number): void {
  if (differencePiasters === seenPiasters) return
  throw new MizanError(
    'CONFLICT',
    `exception ${id} has a difference of ${differencePiasters} piasters, not of ${seenPiasters}: look at it again`,
  )
}

/** The postings of a write-off. @throws MizanError CONFLICT when there is nothing to write off */
export function requireWriteOff(exception: ReconciliationException): CorrectingPosting[] {
  const postings = proposeWriteOff(differenceOf(exception))
  if (postings.length > 0) return postings
  throw new MizanError('CONFLICT', `exception ${exception.id} holds no money that could be written off`)
}

async function requireWithin(
  client: Client,
  wanted: {
    readonly name: BreakName
    readonly piasters: number
    readonly roles: readonly Role[]
    readonly limits: readonly WriteOffLimit[]
    readonly nowMs: number
  },
): Promise<void> {
  const { name, piasters, roles, limits, nowMs } = wanted
  const limit = writeOffLimitOf(name, roles, limits)
  const who = roles.join(', ') || 'no role'
  if (piasters > limit.piasters) {
    throw new MizanError('FORBIDDEN', `${piasters} piasters are beyond the limit of ${limit.piasters} for ${who}`)
  }
  const before = await writtenOffOn(client, civilDate(nowMs), limit.break)
  if (before + BigInt(piasters) <= BigInt(limit.dayPiasters)) return
  const what = limit.break ?? 'all breaks'
  throw new MizanError(
    'FORBIDDEN',
    `${before} piasters of ${what} were written off today; ${piasters} more are beyond the day’s ${limit.dayPiasters} for ${who}`,
  )
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

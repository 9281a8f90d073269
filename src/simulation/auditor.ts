import type { AuthorizationRow, Batch, CommandRow, TransferRow } from '../store/batch.ts'
import { rightTo, tails, walletOf } from './accounts.ts'
import { checkGroup, checkSame, checkTold, type Decided } from './answer-checks.ts'
import { Books } from './books.ts'
import { checkClosing } from './books-closing.ts'
import { cairoBusinessDate, cairoDate, daysAfter } from './cairo.ts'
import type { Coverage } from './coverage.ts'
import { chainHash } from './ledger.ts'
import type { LedgerTables } from './ledger-tables.ts'
import { Oracle } from './oracle.ts'
import { Violation } from './record.ts'
import { type Answer, isApproved, isUndecided, keyText, type Sent } from './sent.ts'
import type { Swarm } from './swarm.ts'
import type { WorldHousehold } from './world.ts'

/**
 * Holds what the switch does against what it promised: every batch when it becomes durable, every answer when it comes
 * in, and everything once more at the end. It reads the journal's rows and the bytes of answers, and nothing else.
 */
export class Auditor {
  readonly books: Books
  readonly #oracle: Oracle
  readonly #swarm: Swarm
  readonly #coverage: Coverage
  readonly #members = new Map<number, number>()
  readonly #households: readonly WorldHousehold[]
  readonly #sent = new Map<string, Sent[]>()
  readonly #decided = new Map<string, Decided>()
  /** Draws that terminals stored, by the first message of each that was made. */
  readonly #stored = new Map<Sent, Decided>()
  readonly #lanes = new Map<number, { seq: number; hash: Buffer; nextId: number; epoch: number }>()
  /** First business day that is open, by lane. */
  readonly #openDates = new Map<number, number>()
  /** Answered 91 at their only coming: they must never be in the journal. */
  readonly #unprocessed = new Map<string, Sent>()
  #approvals = 0

  constructor(
    swarm: Swarm,
    households: readonly WorldHousehold[],
    closed: ReadonlyMap<number, number>,
    coverage: Coverage,
  ) {
    this.#swarm = swarm
    this.#coverage = coverage
    this.#households = households
    for (const { id, members } of households) this.#members.set(id, members)
    this.books = new Books(new Map(households.map(({ id, postalPiasters }) => [id, postalPiasters])), closed)
    this.#oracle = new Oracle(this.books, swarm.clockEveryMs > 0, swarm.matchingDays)
  }

  /** Approved answers that came back. */
  get approvals(): number {
    return this.#approvals
  }

  /** A message is about to be sent. */
  onSent(sent: Sent): void {
    const same = this.#sent.get(sent.key)
    if (same === undefined) this.#sent.set(sent.key, [sent])
    else same.push(sent)
  }

  /** A batch is durable, and nobody knows yet. */
  onBatch(batch: Batch, hash: Buffer): void {
    this.#checkHead(batch, hash)
    const groups = new Map<number, TransferRow[]>()
    for (const row of batch.transfers) groups.set(row.groupId, [...(groups.get(row.groupId) ?? []), row])
    const items = [
      ...batch.authorizations.map((row) => ({ id: row.id, row, command: undefined })),
      ...batch.commands.map((command) => ({ id: command.id, row: undefined, command })),
    ].sort((a, b) => a.id - b.id)
    const owned = new Set<number>()
    this.#oracle.learnCards({ ...batch, commands: [] })
    for (const { id, row, command } of items) {
      owned.add(id)
      const transfers = groups.get(id) ?? []
      if (row !== undefined) this.#bookAuthorization(batch, row, transfers)
      else if (command !== undefined) {
        this.books.bookCommand(batch, command, transfers)
        this.#oracle.learnCards({ ...batch, cardStatuses: [], commands: [command] })
        if (command.kind === 'month-closed') {
          checkClosing(this.books, command, transfers, this.#members.get(command.householdId ?? 0) ?? 0)
        }
        this.#coverage.count('command', command.kind)
      }
    }
    for (const id of groups.keys()) {
      if (!owned.has(id)) throw new Violation('every posting belongs to a request', `group ${id} has no row`)
    }
    this.books.checkBalances(batch)
  }

  #checkHead(batch: Batch, hash: Buffer): void {
    const { lane, seq, epoch, firstId, nextId, atMs, entitlementDate, businessDate } = batch
    const last = this.#lanes.get(lane) ?? { seq: 0, hash: Buffer.alloc(32), nextId: firstId, epoch: 0 }
    const where = `batch ${seq} of lane ${lane}`
    if (seq !== last.seq + 1 || firstId !== last.nextId) throw new Violation('batches have no gap', where)
    if (epoch < last.epoch) throw new Violation('epochs never fall', where)
    if (!chainHash(last.hash, batch).equals(hash)) throw new Violation('the chain of hashes holds', where)
    if (entitlementDate !== cairoDate(atMs)) {
      throw new Violation('dates are those of Cairo', `${where}: ${entitlementDate} at ${atMs}`)
    }
    const open = this.#openDates.get(lane) ?? 0
    if (businessDate !== Math.max(open, cairoBusinessDate(atMs, this.#swarm.cutoverMinutes))) {
      throw new Violation('dates are those of Cairo', `${where}: business date ${businessDate} at ${atMs}`)
    }
    this.#lanes.set(lane, { seq, hash, nextId, epoch })
    for (const command of batch.commands) this.#noteClosed(batch, command)
  }

  /** What comes after the closing of a day is of a later one, whatever the clock says. */
  #noteClosed({ lane, businessDate, atMs }: Batch, { kind, detail }: CommandRow): void {
    if (kind !== 'close-day') return
    const { date, outcome } = JSON.parse(detail) as { date: number; outcome: string }
    const isDone = outcome.startsWith('done')
    if (isDone && date > businessDate) {
      throw new Violation('a day is closed when it has begun', `${date} in lane ${lane} on ${businessDate}`)
    }
    // By the clock it begins on the evening before at the earliest, however many days were closed early.
    if (!isDone && date <= businessDate && date <= daysAfter(cairoDate(atMs), 1)) {
      throw new Violation(
        'a day that has begun can be closed',
        `${date} in lane ${lane} on ${businessDate}: ${outcome}`,
      )
    }
    if (isDone) this.#openDates.set(lane, Math.max(this.#openDates.get(lane) ?? 0, daysAfter(date, 1)))
  }

  #bookAuthorization(batch: Batch, row: AuthorizationRow, transfers: readonly TransferRow[]): void {
    const key = keyText(row.acquirer, row.terminal, row.stan, row.transmission, row.mti)
    const candidates = this.#sent.get(key) ?? []
    const sent = candidates.find((one) => one.amountPiasters === row.amount && one.instances > 0)
    const where = `${row.mti} ${key}, ${row.amount} piasters`
    if (sent === undefined) throw new Violation('every posting belongs to a request', `nobody sent ${where}`)
    const before = this.#decided.get(key)
    // What is older is no more known as a repeat.
    const isKnown =
      before !== undefined && daysAfter(before.businessDate, this.#swarm.matchingDays) >= batch.businessDate
    if (isKnown) {
      throw new Violation('a message is processed once', `${where} is ${before.row.id} and ${row.id}`)
    }
    if (this.#unprocessed.get(key) === sent && sent.instances === 1) {
      throw new Violation('what is answered 91 leaves nothing behind', where)
    }
    const expected = this.#oracle.expect(sent, batch)
    const approved = row.result === 'approved' || row.result === 'partially-approved'
    const said = `#${sent.number} ${sent.kind} (${row.amount}) is ${row.result} for ${row.approvedAmount} ${row.trace}`
    if (expected.must === 'approve' && (!approved || row.approvedAmount !== expected.piasters)) {
      throw new Violation('what may be had is given', `${said}: ${expected.why}, ${expected.piasters} was expected`)
    }
    if (expected.must === 'decline' && approved) {
      throw new Violation('what may not be had is refused', `${said}: ${expected.why}`)
    }
    if (sent.kind === 'subsidy-cash' && row.result === 'invalid-transaction') {
      throw new Violation('subsidies are refused as what they are', said)
    }
    checkGroup(this.books, batch, { sent, row, transfers })
    this.books.book(batch, row, transfers)
    const answer = JSON.parse(row.answer) as Record<string, string>
    const decided = { row, sent, businessDate: batch.businessDate, answer }
    this.#decided.set(key, decided)
    if (approved && sent.kind === 'bread-offline') this.#checkStored(decided, said)
    this.#oracle.booked(sent, row, batch)
    this.#checkQuota(sent, transfers)
    if (approved) checkTold(this.books, sent, answer[54])
    this.#coverage.count(sent.kind, row.result)
  }

  /** What a terminal stored is given once; with clocks that jump nobody knows what may have come before it. */
  #checkStored(decided: Decided, said: string): void {
    const { sent } = decided
    const first = sent.again ?? sent
    const before = this.#stored.get(first)
    if (before !== undefined && this.#swarm.clockEveryMs === 0) {
      throw new Violation('a stored draw is taken once', `${said}, and was as #${before.sent.number}`)
    }
    this.#stored.set(first, decided)
  }

  /** No household draws more than its right of a day or a month. */
  #checkQuota({ household }: Sent, transfers: readonly TransferRow[]): void {
    if (household === undefined) return
    for (const { kind, debit, period } of transfers) {
      if (kind !== 2 || debit === walletOf(tails.points, household.id)) continue
      const tail = Math.floor(debit / 100_000_000_000) % 1_000
      const drawn = this.books.drawn(debit, period)
      const advanced = this.books.cells.get(`${debit}:${period}`)?.advanced ?? 0
      const right = rightTo(tail, household.members, period) + advanced
      if (drawn > right) {
        throw new Violation(
          'nobody draws more than the quota',
          `${drawn} of ${right} by household ${household.id} in ${period}`,
        )
      }
    }
  }

  /** An answer came back to a terminal. */
  onAnswer(sent: Sent, answer: Answer): void {
    const { code } = answer
    this.#coverage.count('answer', code)
    const where = `#${sent.number} ${sent.kind} (${sent.mti} ${sent.key})`
    const own = this.#decided.get(sent.key)
    if (isUndecided(code)) {
      if (sent.instances > 1 || code === '63' || this.#isOneOfSeveral(sent)) return
      if (own !== undefined)
        throw new Violation('what is answered 91 leaves nothing behind', `${where} is in the journal`)
      this.#unprocessed.set(sent.key, sent)
      return
    }
    if (code === '94') {
      const isOther = own !== undefined && own.row.amount !== sent.amountPiasters
      if (!isOther && own?.row.result !== 'duplicate-other-content')
        throw new Violation('94 is for another content', where)
      return
    }
    if (code === '30') throw new Violation('what is well formed is read', where)
    const decided = own ?? this.#stored.get(sent.again ?? sent)
    if (decided === undefined)
      throw new Violation('nothing is answered that is not durable', `${where} is answered ${code}`)
    checkSame(sent, answer, decided, where)
    if (!isApproved(code)) return
    this.#approvals++
  }

  #isOneOfSeveral({ key }: Sent): boolean {
    return (this.#sent.get(key)?.length ?? 0) > 1
  }

  /** Once more, at the end: everything was answered, and every book closes. */
  checkEnd(tables: LedgerTables, nowMs: number): void {
    this.books.checkWallets()
    this.books.checkZero(this.#households.reduce((sum, { postalPiasters }) => sum + postalPiasters, 0))
    for (const { key, posted, held } of this.books.householdBalances()) {
      const owner = Number(key.split(':')[0]) % 100_000_000_000
      const row = tables.households.get(owner)?.balances.get(key)
      if ((row?.posted ?? 0) === posted && (row?.held ?? 0) === held) continue
      throw new Violation(
        'a balance is the sum of its postings',
        `${key}: ${row?.posted} in the database, ${posted} in the journal`,
      )
    }
    for (const { id, endings, expiresAtMs } of this.books.holds.values()) {
      if (endings === 0 && expiresAtMs <= nowMs) throw new Violation('holds end in time', `hold ${id} is past its time`)
    }
  }
}

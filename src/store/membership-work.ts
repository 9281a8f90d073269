import { setTimeout as sleep } from 'node:timers/promises'
import type { MembershipEvent } from '../card/membership.ts'
import { MizanError } from '../errors.ts'
import type { Rejection } from '../files/reject-report.ts'
import { int8Array, textArray } from './binary-arrays.ts'
import { MembershipForecast } from './membership-forecast.ts'
import type { MembershipLine } from './membership-line.ts'
import { commandOfEvent, type Plan, planLines } from './membership-plan.ts'
import type { PeopleDesk } from './people-desk.ts'
import { registerPerson } from './people-entry.ts'
import { checkPerson } from './people-register.ts'

/** A part of a file, in order: lines that can be read, and how many there are of those that cannot. */
export interface MembershipChunk {
  readonly lines: readonly MembershipLine[]
  readonly faulty: number
}

/** How the lines of a file are dealt with. */
export interface MembershipOptions {
  /** Gets each line that is not carried out, with each reason. The words never hold what stands in it. */
  readonly onReject?: (rejection: Rejection) => void
  /** Called after each chunk with the lines so far, of how many. */
  readonly onProgress?: (done: number, total: number) => void
  /** Lines that are looked up and asked for together. @default 500 */
  readonly chunkLines?: number
  /** Hash of the file that was agreed to: another one is refused. */
  readonly agreedSha256?: string
  /** How long the switch may be silent before the work gives up for now. @default 60000 */
  readonly silenceMs?: number
}

/** What came of the lines so far. */
export interface MembershipCounts {
  /** Lines that were carried out, or would be. */
  readonly done: number
  /** Lines that another file had brought before: they change nothing. */
  readonly repeated: number
  readonly rejected: number
  /** Of those done. */
  readonly events: Readonly<Record<MembershipEvent, number>>
  /** Of those done, by governorate and event. */
  readonly governorates: Readonly<Record<string, Readonly<Record<string, number>>>>
}

const POLL_MS = 25
const SILENCE_MS = 60_000
const PLACES_MAX = 10_000

/** Lines in rounds: each round has a household and a person once, so that a line finds what the one before it did. */
function roundsOf(lines: readonly MembershipLine[]): MembershipLine[][] {
  const rounds: MembershipLine[][] = []
  const next = new Map<string, number>()
  for (const line of lines) {
    const keys = [`${line.householdId}`, ...(line.nationalId === undefined ? [] : [`person ${line.nationalId}`])]
    const round = Math.max(...keys.map((key) => next.get(key) ?? 0))
    for (const key of keys) next.set(key, round + 1)
    rounds[round] = [...(rounds[round] ?? []), line]
  }
  return rounds
}

/** No event yet. */
export function noEvents(): Record<MembershipEvent, number> {
  return { added: 0, removed: 0, 'head-changed': 0, suspended: 0, reinstated: 0 }
}

/** The lines of one file on their way. */
export class MembershipWork {
  readonly #desk: PeopleDesk
  readonly #sha256: string
  readonly #total: number
  readonly #options: MembershipOptions
  readonly #forecast = new MembershipForecast()
  #done = 0
  #repeated = 0
  #rejected = 0
  readonly #events = noEvents()
  readonly #governorates: Record<string, Record<string, number>> = {}

  constructor(desk: PeopleDesk, sha256: string, total: number, options: MembershipOptions) {
    this.#desk = desk
    this.#sha256 = sha256
    this.#total = total
    this.#options = options
  }

  get counts(): MembershipCounts {
    return {
      done: this.#done,
      repeated: this.#repeated,
      rejected: this.#rejected,
      events: this.#events,
      governorates: this.#governorates,
    }
  }

  /** Says what the lines would change, each after those before it. */
  async check({ lines, faulty }: MembershipChunk): Promise<void> {
    this.#rejected += faulty
    for (const round of roundsOf(lines)) {
      const plans = await planLines(this.#desk, round, () => 'check', this.#forecast)
      for (const [at, line] of round.entries()) this.#takePlan(line, plans[at])
    }
    this.#progress()
  }

  /** Has the lines carried out, and waits for it. @throws MizanError LINK_TIMEOUT when no switch does */
  async apply({ lines, faulty }: MembershipChunk, actorName: string): Promise<void> {
    this.#rejected += faulty
    for (const round of roundsOf(lines)) await this.#applyRound(round, actorName)
    this.#progress()
  }

  async #applyRound(lines: readonly MembershipLine[], actorName: string): Promise<void> {
    const desk = this.#desk
    // Of a call that was interrupted: what was asked for then is not planned again.
    const asked = await this.#outcomes(lines.map((line) => this.#keyOf(line)))
    const fresh = lines.filter((line) => !asked.has(this.#keyOf(line)))
    const plans = await planLines(desk, fresh, (line) => this.#sourceOf(line))
    const wanted = new Map<MembershipLine, Readonly<Record<string, unknown>>>()
    for (const [at, line] of fresh.entries()) {
      const plan = plans[at]
      if (plan?.kind === 'change') wanted.set(line, plan.detail)
      else if (plan?.kind === 'add-new') {
        const person = await this.#register(line, actorName)
        if (typeof person === 'number') wanted.set(line, { ...plan.detail, person })
        else this.#reject(line, { field: 'name', reason: person })
      } else this.#takePlan(line, plan)
    }
    await this.#request(wanted, actorName)
    await this.#await(lines.filter((line) => asked.has(this.#keyOf(line)) || wanted.has(line)))
  }

  async #register(line: MembershipLine, actorName: string): Promise<number | string> {
    const checked = checkPerson(this.#desk, { nationalId: line.nationalId ?? '', name: line.name ?? '' })
    if (Array.isArray(checked)) return checked.join('; ')
    return registerPerson(this.#desk, checked, { name: actorName })
  }

  /** All commands of a round at once; those that the inbox has already stay as they are. */
  async #request(
    wanted: ReadonlyMap<MembershipLine, Readonly<Record<string, unknown>>>,
    actorName: string,
  ): Promise<void> {
    if (wanted.size === 0) return
    const lines = [...wanted.keys()]
    await this.#desk.client.query(
      `insert into command_inbox (lane, kind, household_id, detail, requested_by, idempotency_key)
       select (u.household_id % i.lane_count)::smallint, u.kind, u.household_id, u.detail::jsonb, $5, u.key
       from installation i
       cross join unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) with ordinality u(kind, household_id, detail, key, ordinal)
       order by (u.household_id % i.lane_count), u.ordinal
       on conflict (idempotency_key) do nothing`,
      [
        textArray(lines.map(({ event }) => commandOfEvent[event])),
        int8Array(lines.map(({ householdId }) => householdId)),
        textArray([...wanted.values()].map((detail) => JSON.stringify(detail))),
        textArray(lines.map((line) => this.#keyOf(line))),
        actorName,
      ],
    )
  }

  async #await(lines: readonly MembershipLine[]): Promise<void> {
    const silenceMs = this.#options.silenceMs ?? SILENCE_MS
    let open = new Map(lines.map((line) => [this.#keyOf(line), line]))
    let heardMs = performance.now()
    while (open.size > 0) {
      const ended = await this.#outcomes([...open.keys()])
      const left = new Map(open)
      for (const [key, line] of open) {
        const outcome = ended.get(key)
        if (outcome === undefined || outcome === null) continue
        left.delete(key)
        if (outcome.startsWith('done:')) this.#count(line, await this.#governorateOf(line))
        else this.#reject(line, { field: '', reason: outcome.replace(/^refused: /, '') })
      }
      if (left.size < open.size) heardMs = performance.now()
      open = left
      if (open.size === 0) return
      if (performance.now() - heardMs > silenceMs) {
        const what = `${open.size} line(s) stay in the inbox until a switch runs; apply the file again to go on`
        throw new MizanError('LINK_TIMEOUT', what)
      }
      await sleep(POLL_MS)
    }
  }

  /** Outcomes by key: null of one that waits; a key that was never used is not in it. */
  async #outcomes(keys: readonly string[]): Promise<Map<string, string | null>> {
    const { rows } = await this.#desk.client.query<{ idempotency_key: string; outcome: string | null }>(
      'select idempotency_key, outcome from command_inbox where idempotency_key = any ($1::text[])',
      [textArray(keys)],
    )
    return new Map(rows.map((row) => [row.idempotency_key, row.outcome]))
  }

  readonly #placeOf = new Map<number, string>()

  async #governorateOf({ householdId }: MembershipLine): Promise<string> {
    const known = this.#placeOf.get(householdId)
    if (known !== undefined) return known
    const { rows } = await this.#desk.client.query<{ governorate: string }>(
      `select h.governorate from installation i
       join household h on h.lane = ($1::bigint % i.lane_count)::smallint and h.id = $1`,
      [householdId],
    )
    const governorate = rows[0]?.governorate ?? 'unknown'
    if (this.#placeOf.size >= PLACES_MAX) this.#placeOf.clear()
    this.#placeOf.set(householdId, governorate)
    return governorate
  }

  #takePlan(line: MembershipLine, plan: Plan | undefined): void {
    if (plan === undefined) return
    if (plan.kind === 'repeated') this.#repeated++
    else if (plan.kind === 'rejected') this.#reject(line, plan)
    else this.#count(line, plan.governorate)
  }

  #count({ event }: MembershipLine, governorate: string): void {
    this.#done++
    this.#events[event]++
    const counts = this.#governorates[governorate] ?? {}
    counts[event] = (counts[event] ?? 0) + 1
    this.#governorates[governorate] = counts
  }

  #reject({ line }: MembershipLine, { field, reason }: Omit<Rejection, 'line'>): void {
    this.#rejected++
    this.#options.onReject?.({ line, field, reason })
  }

  #progress(): void {
    this.#options.onProgress?.(this.#done + this.#repeated + this.#rejected, this.#total)
  }

  #keyOf({ line }: MembershipLine): string {
    return `file:${this.#sha256}:${line}`
  }

  #sourceOf({ line }: MembershipLine): string {
    return `file:${this.#sha256.slice(0, 16)}:${line}`
  }
}

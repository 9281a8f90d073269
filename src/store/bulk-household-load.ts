import { assert, describeError, MizanError } from '../errors.ts'
import type { FileSource } from '../files/file-source.ts'
import type { Rejection } from '../files/reject-report.ts'
import { maskPan } from '../identifiers.ts'
import type { PanProtection } from '../security/pan-protection.ts'
import type { PersonalData } from '../security/personal-data.ts'
import { byteaArray, int8Array } from './binary-arrays.ts'
import {
  type HouseholdFileTotals,
  type HouseholdLine,
  householdLines,
  scanHouseholdFile,
} from './bulk-household-file.ts'
import type { CardInput, HouseholdRowRules } from './bulk-household-row.ts'
import { BulkLane, type BulkTime } from './bulk-lane.ts'
import { beginFile, findEnd, noteProgress, readProgress, retellRejections } from './bulk-load-progress.ts'
import {
  enterLeft,
  insertPeople,
  type LeftMember,
  type PeopledHousehold,
  type SealedMember,
  sealMember,
} from './bulk-people.ts'
import { type Client, connect } from './connection.ts'
import { type CardRecord, type HouseholdRecord, LaneQueue, laneOf } from './household-loader.ts'
import type { PeopleDesk } from './people-desk.ts'
import { IS_LOOSE } from './people-known.ts'

export interface HouseholdLoadOptions extends BulkTime {
  readonly url: string
  readonly rules: HouseholdRowRules
  readonly protection: PanProtection
  readonly personal: PersonalData
  /**
   * Reads a card number that is sealed under a transport key.
   * @throws MizanError BAD_INPUT when it is not of that key and household
   */
  readonly openSealed: (sealed: Buffer, householdId: number) => string
  /** Whether card numbers may stand in the file in clear. */
  readonly clearAllowed: boolean
  readonly actor: string
  readonly onReject: (rejection: Rejection) => void
  /** Rows checked so far, before anything is changed. */
  readonly onScanned?: (rows: number) => void
  /** Rows dealt with so far, of those of the file. */
  readonly onProgress?: (rows: number, of: number) => void
  /** Says what would be done, and does nothing. */
  readonly dryRun?: boolean
  /** Households of one transaction of a lane. @default 2000 */
  readonly chunk?: number
}

export interface HouseholdLoadResult {
  readonly sha256: string
  /** Control totals of the file. */
  readonly totals: HouseholdFileTotals
  /** Households that this call opened, or would open, and those that an earlier call with this file had opened. */
  readonly opened: number
  readonly openedBefore: number
  /** Rows that were in order and could not be taken because of what was there. */
  readonly refused: number
  /** When this very file was loaded to its end before: it has changed nothing now. */
  readonly loadedBefore: { readonly at: Date; readonly actor: string } | undefined
}

const TRIES = 4

interface Prepared extends HouseholdLine {
  readonly cards: readonly Omit<CardRecord, 'id'>[]
  readonly people: readonly SealedMember[]
}

/**
 * Opens the households of a file: the initial load of an installation, while no switch runs. The file is read to its
 * end before anything is changed; then each lane opens a few thousand households in a transaction, which also says how
 * far the lane has come: a load that ended early goes on from there, and a file that was loaded changes nothing. Rows
 * that are not in order, and households and cards that are there already, are rejected and told.
 * @throws MizanError BAD_INPUT, LANE_FENCED when a switch runs, STORE_UNAVAILABLE
 */
export async function loadHouseholdFile(
  source: FileSource,
  options: HouseholdLoadOptions,
): Promise<HouseholdLoadResult> {
  const { hash, totals } = await scanHouseholdFile(source, options.rules, options)
  const { dryRun = false } = options
  const client = await connect({ url: options.url, name: 'mizan household load', role: 'mizan_app' })
  try {
    if (!dryRun) await refuseRunningSwitch(client)
    const sha256 = hash.toString('hex')
    if (!dryRun) await beginFile(client, hash, source.name, options.actor)
    const ended = await findEnd(client, hash)
    const before = await readProgress(client, hash)
    const openedBefore = [...before.values()].reduce((sum, lane) => sum + lane.households, 0)
    const refusedBefore = await retellRejections(client, hash, options.onReject)
    const result = { sha256, totals, openedBefore, refused: refusedBefore }
    if (ended !== undefined) return { ...result, opened: 0, loadedBefore: ended }
    const load = new FileLoad(client, hash, options, totals.rows)
    const { opened, refused } = await load.run(source, before)
    if (dryRun) return { ...result, opened, refused: refused + refusedBefore, loadedBefore: undefined }
    await client.query('update household_file set ended_at = now(), totals = $2 where sha256 = $1', [
      hash,
      JSON.stringify({ ...totals, opened: opened + openedBefore, refused: refused + refusedBefore }),
    ])
    return { ...result, opened, refused: refused + refusedBefore, loadedBefore: undefined }
  } finally {
    await client.end()
  }
}

/** The writer of a lane would be fenced by the load, and the load by it. @throws MizanError LANE_FENCED */
async function refuseRunningSwitch(client: Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select application_name as name from pg_stat_activity
     where datname = current_database() and application_name ~ '^mizan (bulk )?lane [0-9]+$' limit 1`,
  )
  const [row] = rows
  if (row === undefined) return
  const what = row.name.includes('bulk') ? 'another load' : 'a switch'
  throw new MizanError('LANE_FENCED', `${what} runs on this database: stop it, then load`)
}

/** One run over a file: a queue for each lane. */
class FileLoad {
  readonly #client: Client
  readonly #hash: Buffer
  readonly #options: HouseholdLoadOptions
  readonly #rows: number
  #dealtWith = 0
  #opened = 0
  #refused = 0

  constructor(client: Client, hash: Buffer, options: HouseholdLoadOptions, rows: number) {
    this.#client = client
    this.#hash = hash
    this.#options = options
    this.#rows = rows
  }

  async run(source: FileSource, before: ReadonlyMap<number, { readonly line: number }>) {
    const { url, rules } = this.#options
    const lanes: BulkLane[] = []
    const queues: LaneQueue<Prepared>[] = []
    try {
      const { rows } = await this.#client.query<{ count: number }>('select lane_count as count from installation')
      const laneCount = rows[0]?.count ?? 0
      for (let lane = 0; lane < laneCount; lane++) {
        const bulk = this.#options.dryRun === true ? undefined : await BulkLane.open(url, lane, this.#options)
        if (bulk !== undefined) lanes.push(bulk)
        queues.push(new LaneQueue((prepared) => this.#write(lane, bulk, prepared), this.#options.chunk))
      }
      for await (const found of householdLines(source, rules)) {
        if (found.kind !== 'household') continue
        const lane = laneOf(found.household.id, laneCount)
        const queue = queues[lane]
        assert(queue !== undefined, 'every household has a lane')
        if (found.line <= (before.get(lane)?.line ?? 0)) this.#progress(1)
        else await queue.add(this.#prepared(found))
      }
      for (const queue of queues) await queue.flush()
      return { opened: this.#opened, refused: this.#refused }
    } finally {
      for (const queue of queues) await queue.settle()
      for (const lane of lanes) await lane.close()
    }
  }

  #progress(rows: number): void {
    this.#dealtWith += rows
    this.#options.onProgress?.(this.#dealtWith, this.#rows)
  }

  #prepared({ line, household }: HouseholdLine): Prepared {
    try {
      const cards = household.cards.map((card) => this.#protected(card, household.id))
      const people = household.people.map((person) => sealMember(this.#options.personal, person))
      return { line, household, cards, people }
    } catch (cause) {
      // Another key, or another household's number: the file as a whole is not what it should be.
      throw new MizanError('BAD_INPUT', `line ${line}: ${describeError(cause)}`, { cause })
    }
  }

  #protected({ id: _, pan: given, ...card }: CardInput, householdId: number): Omit<CardRecord, 'id'> {
    const { protection, openSealed, clearAllowed } = this.#options
    if ('clear' in given && !clearAllowed) {
      throw new MizanError('BAD_INPUT', 'card numbers in clear are not taken here: seal them under a transport key')
    }
    const pan = 'clear' in given ? given.clear : openSealed(given.sealed, householdId)
    const { bytes, keyVersion } = protection.encrypt(pan)
    return { ...card, panIndex: protection.index(pan), panMasked: maskPan(pan), panEncrypted: bytes, keyVersion }
  }

  /**
   * Writes a chunk of a lane; what is there already is rejected. Without a writer all else is done and nothing written.
   */
  async #write(lane: number, writer: BulkLane | undefined, prepared: readonly Prepared[]): Promise<void> {
    for (let tries = 1; ; tries++) {
      const { taken, left, rejections } = await this.#sortOut(lane, prepared)
      const done = { lane, line: prepared.at(-1)?.line ?? 0, households: taken.length }
      const broken = await writer?.tryCommit(await this.#records(taken), async (client) => {
        const entered = await enterLeft(this.#deskAt(client), left, { name: this.#options.actor })
        if (entered === undefined) return 'person'
        await insertPeople(client, lane, taken.map(peopled), this.#by, entered)
        await noteProgress(client, this.#hash, done, rejections)
        return undefined
      })
      // Two lanes may bring the same card in one moment; the one that comes second sees the other then.
      if (broken !== undefined && tries < TRIES) continue
      if (broken !== undefined) throw new MizanError('STORE_REJECTED', `the same household or card again (${broken})`)
      this.#opened += taken.length
      this.#refused += rejections.length
      for (const rejection of rejections) this.#options.onReject(rejection)
      this.#progress(prepared.length)
      return
    }
  }

  /**
   * Parts a chunk into what is new, and what is there already or stands twice in the chunk. Whom an enrolment that was
   * refused left behind holds nothing against anybody: such members are told apart.
   */
  async #sortOut(lane: number, prepared: readonly Prepared[]) {
    const cards = prepared.flatMap((one) => one.cards)
    const people = prepared.flatMap((one) => one.people)
    const ids = prepared.flatMap(({ household }) => household.cards.flatMap(({ id }) => id ?? []))
    const { rows } = await this.#client.query<{ what: string; id: string }>({
      name: 'bulk_taken',
      text: `select 'household' as what, id::text from household where lane = $1 and id = any ($2::bigint[])
             union all select 'card', encode(pan_index, 'hex') from card where pan_index = any ($3::bytea[])
             union all select 'id', c.id::text from lane l join card c on c.lane = l.lane and c.id = any ($4::bigint[])
             union all select case when ${IS_LOOSE} then 'left ' else '' end || 'person', encode(p.id_index, 'hex')
               from person p where p.id_index = any ($5::bytea[])
             union all select case when ${IS_LOOSE} then 'left ' else '' end || 'mobile', encode(p.mobile_index, 'hex')
               from person p where p.mobile_index = any ($6::bytea[])`,
      values: [
        lane,
        int8Array(prepared.map(({ household }) => household.id)),
        byteaArray(cards.map(({ panIndex }) => panIndex)),
        int8Array(ids),
        byteaArray(people.map(({ idIndex }) => idIndex)),
        byteaArray(people.flatMap(({ mobileIndex }) => mobileIndex ?? [])),
      ],
    })
    const there = new Set(rows.map(({ what, id }) => `${what} ${id}`))
    const rejections: Rejection[] = []
    const taken = prepared.filter((one) => {
      const own = keysOf(one)
      const clash = own.find(({ key }, at) => there.has(key) || own.findIndex((other) => other.key === key) < at)
      if (clash !== undefined) rejections.push({ line: one.line, field: clash.field, reason: 'is there already' })
      else for (const { key } of own) there.add(key)
      return clash === undefined
    })
    const left = taken.flatMap(({ household, people }) =>
      household.people.flatMap((person, at): LeftMember[] => {
        const sealed = people[at]
        const isLeft = sealed !== undefined && personKeys(sealed, at).some(({ key }) => there.has(`left ${key}`))
        return isLeft ? [{ person, sealed }] : []
      }),
    )
    return { taken, left, rejections }
  }

  #deskAt(client: Client): PeopleDesk {
    const { personal, protection: pans, nowMs } = this.#options
    return { client, personal, pans, now: () => nowMs }
  }

  get #by() {
    return { actor: this.#options.actor, source: `file ${this.#hash.toString('hex').slice(0, 16)}` }
  }

  /** Gives numbers to cards that have none. */
  async #records(taken: readonly Prepared[]): Promise<HouseholdRecord[]> {
    const wanted = taken.flatMap(({ household }) => household.cards.filter(({ id }) => id === undefined)).length
    const { rows } = await this.#client.query<{ id: string }>(
      `select nextval('card_number')::text as id from generate_series(1, $1)`,
      [wanted],
    )
    let next = 0
    return taken.map(({ household, cards }) => ({
      ...household,
      cards: cards.map((card, at) => ({ ...card, id: household.cards[at]?.id ?? Number(rows[next++]?.id) })),
    }))
  }
}

function peopled({ household, people }: Prepared): PeopledHousehold {
  const from = household.terms[0]?.from
  assert(from !== undefined, 'a household has a term')
  return { id: household.id, from, people }
}

/** What nobody else may have, by the field that names it. */
function keysOf({ household, cards, people }: Prepared): { readonly field: string; readonly key: string }[] {
  return [
    { field: 'household', key: `household ${household.id}` },
    ...cards.map(({ panIndex }, at) => ({ field: `cards[${at}].pan`, key: `card ${hexOf(panIndex)}` })),
    ...household.cards.flatMap(({ id }, at) =>
      id === undefined ? [] : [{ field: `cards[${at}].id`, key: `id ${id}` }],
    ),
    ...people.flatMap(personKeys),
  ]
}

function personKeys({ idIndex, mobileIndex }: SealedMember, at: number) {
  const nationalId = { field: `people[${at}].nationalId`, key: `person ${hexOf(idIndex)}` }
  if (mobileIndex === undefined) return [nationalId]
  return [nationalId, { field: `people[${at}].mobile`, key: `mobile ${hexOf(mobileIndex)}` }]
}

function hexOf(index: string): string {
  return Buffer.from(index, 'latin1').toString('hex')
}

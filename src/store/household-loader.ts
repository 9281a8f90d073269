import { businessDate, type CivilMonth, civilDate } from '../calendar.ts'
import type { CardKind, CardStatus, HouseholdTerm, OldRationCard } from '../card/household.ts'
import { assert, MizanError } from '../errors.ts'
import { type AccountNumber, moneyAccount, OWNER_SPAN, subsidyAccount } from '../ledger/accounts.ts'
import { transferKinds } from '../ledger/posting-rules.ts'
import type { Unit } from '../money.ts'
import type { BalanceRow, Batch, CommandRow, TransferRow } from './batch.ts'
import { byteaArray, int2Array, int4Array, int8Array, textArray } from './binary-arrays.ts'
import { connect } from './connection.ts'
import { ID_STEP, type LanePosition, LaneStore } from './lane-store.ts'

/** A card to be enrolled. */
export interface CardRecord {
  readonly id: number
  readonly kind: CardKind
  /** 16 bytes, latin1. */
  readonly panIndex: string
  readonly panMasked: string
  readonly panEncrypted: Buffer
  readonly keyVersion: number
  readonly expiry: string
  readonly sequenceNumber: string
  readonly serviceCode: string
  readonly status: CardStatus
  /** Index of the PIN verification key, and the PIN verification value; undefined for a card without a PIN. */
  readonly pvki?: number
  readonly pvv?: string
}

/** A credit that opens with the household, issued by the state for one period. */
export interface OpeningGrant {
  readonly programmeNumber: number
  readonly unit: Unit
  readonly amount: number
  readonly period: number
  /** Issued and lapsed to the state at once: the period is open and holds nothing. */
  readonly lapsed: boolean
}

/** A household to be enrolled, with what its accounts open with. */
export interface HouseholdRecord {
  readonly id: number
  readonly governorate: string
  /** Oldest first; the first date is that from which it is entitled. */
  readonly terms: readonly HouseholdTerm[]
  readonly classes: readonly string[]
  /** The month before the first whose wallets it has. */
  readonly closedMonth: CivilMonth
  readonly oldRationCard: OldRationCard
  readonly cards: readonly CardRecord[]
  /** Opening money of the postal account, piasters. */
  readonly postalPiasters: number
  readonly grants: readonly OpeningGrant[]
}

const CHUNK_HOUSEHOLDS = 2_000

/** Lane of a household. */
export function laneOf(householdId: number, laneCount: number): number {
  return householdId % laneCount
}

/**
 * Enrols households in bulk, as the writer of their lanes: master data and opening postings. Opening money comes from
 * the postal funds, grants from their programme's funding; each household is a command of the journal. No switch may
 * run on the lanes meanwhile: the first batch of either would fence the other.
 * @param onProgress called after each chunk with the households done so far
 */
export async function loadHouseholds(options: {
  readonly url: string
  readonly laneCount: number
  readonly households: Iterable<HouseholdRecord>
  readonly nowMs: number
  readonly cutoverMinutes: number
  readonly onProgress?: (done: number) => void
}): Promise<number> {
  const { url, laneCount, nowMs, cutoverMinutes } = options
  const loaders: LaneLoader[] = []
  for (let lane = 0; lane < laneCount; lane++) loaders.push(await LaneLoader.open(url, lane, nowMs, cutoverMinutes))
  let done = 0
  try {
    for (const household of options.households) {
      const loader = loaders[laneOf(household.id, laneCount)]
      assert(loader !== undefined, 'every household has a lane')
      const flushed = await loader.add(household)
      done += flushed
      if (flushed > 0) options.onProgress?.(done)
    }
    for (const loader of loaders) done += await loader.flush()
    options.onProgress?.(done)
    return done
  } finally {
    for (const loader of loaders) await loader.close()
  }
}

class LaneLoader {
  readonly #lane: number
  readonly #store: LaneStore
  readonly #client: Awaited<ReturnType<typeof connect>>
  readonly #nowMs: number
  readonly #cutoverMinutes: number
  #position: LanePosition
  #chunk: HouseholdRecord[] = []

  private constructor(
    lane: number,
    store: LaneStore,
    client: Awaited<ReturnType<typeof connect>>,
    position: LanePosition,
    nowMs: number,
    cutoverMinutes: number,
  ) {
    this.#lane = lane
    this.#store = store
    this.#client = client
    this.#position = position
    this.#nowMs = nowMs
    this.#cutoverMinutes = cutoverMinutes
  }

  static async open(url: string, lane: number, nowMs: number, cutoverMinutes: number): Promise<LaneLoader> {
    const store = new LaneStore({ url, lane, commitTimeoutMs: 120_000 })
    const position = await store.take()
    if (position === undefined) throw new MizanError('NOT_FOUND', `lane ${lane} is not in the database`)
    await store.ensurePartitions(businessDate(nowMs, cutoverMinutes), 8)
    const client = await connect({ url, name: `mizan loader ${lane}`, role: 'mizan_app' })
    return new LaneLoader(lane, store, client, position, nowMs, cutoverMinutes)
  }

  async add(household: HouseholdRecord): Promise<number> {
    this.#chunk.push(household)
    return this.#chunk.length >= CHUNK_HOUSEHOLDS ? this.flush() : 0
  }

  async flush(): Promise<number> {
    const households = this.#chunk
    this.#chunk = []
    if (households.length === 0) return 0
    await this.#saveMasterData(households)
    const batch = this.#openingBatch(households)
    const outcome = await this.#store.commit(batch, this.#position.lastHash)
    if (outcome.kind !== 'committed') {
      const reason = 'reason' in outcome ? outcome.reason : 'another writer has taken the lane'
      throw new MizanError(outcome.kind === 'fenced' ? 'LANE_FENCED' : 'STORE_REJECTED', reason)
    }
    this.#position = { ...this.#position, lastSeq: batch.seq, lastHash: outcome.hash, nextId: batch.nextId }
    return households.length
  }

  async close(): Promise<void> {
    await this.#store.close()
    await this.#client.end()
  }

  async #saveMasterData(households: readonly HouseholdRecord[]): Promise<void> {
    await this.#client.query(
      `insert into household (lane, id, governorate, classes, closed_month, old_ration_card)
       select $1::smallint, h.id, h.governorate, coalesce(string_to_array(nullif(h.classes, ''), ','), '{}'), h.closed_month, h.old_card
       from unnest($2::bigint[], $3::text[], $4::text[], $5::integer[], $6::text[])
         h(id, governorate, classes, closed_month, old_card)
       on conflict (lane, id) do nothing`,
      [
        this.#lane,
        int8Array(households.map((row) => row.id)),
        textArray(households.map((row) => row.governorate)),
        textArray(households.map((row) => row.classes.join(','))),
        int4Array(households.map((row) => row.closedMonth)),
        textArray(households.map((row) => row.oldRationCard)),
      ],
    )
    const terms = households.flatMap((row) => row.terms.map((term) => ({ ...term, householdId: row.id })))
    await this.#client.query(
      `insert into household_term (lane, household_id, from_date, members, status, batch_seq)
       select $1::smallint, t.household_id, t.from_date, t.members, t.status, $6::bigint
       from unnest($2::bigint[], $3::integer[], $4::smallint[], $5::text[]) t(household_id, from_date, members, status)
       on conflict do nothing`,
      [
        this.#lane,
        int8Array(terms.map((term) => term.householdId)),
        int4Array(terms.map((term) => term.from)),
        int2Array(terms.map((term) => term.members)),
        textArray(terms.map((term) => term.status)),
        this.#position.lastSeq + 1,
      ],
    )
    const cards = households.flatMap((row) => row.cards.map((card) => ({ ...card, householdId: row.id })))
    await this.#client.query(
      `insert into card (lane, id, household_id, kind, pan_index, pan_masked, pan_encrypted, key_version, expiry,
         sequence_number, service_code, status, pvki, pvv)
       select $1::smallint, * from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::text[], $7::bytea[],
         $8::smallint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::smallint[], $14::text[])
       on conflict (lane, id) do nothing`,
      [
        this.#lane,
        int8Array(cards.map((card) => card.id)),
        int8Array(cards.map((card) => card.householdId)),
        textArray(cards.map((card) => card.kind)),
        byteaArray(cards.map((card) => card.panIndex)),
        textArray(cards.map((card) => card.panMasked)),
        byteaArray(cards.map((card) => card.panEncrypted.toString('latin1'))),
        int2Array(cards.map((card) => card.keyVersion)),
        textArray(cards.map((card) => card.expiry)),
        textArray(cards.map((card) => card.sequenceNumber)),
        textArray(cards.map((card) => card.serviceCode)),
        textArray(cards.map((card) => card.status)),
        cards.map((card) => card.pvki ?? null),
        cards.map((card) => card.pvv ?? null),
      ],
    )
    await this.#client.query(
      'insert into card_counter (lane, card_id) select $1::smallint, unnest($2::bigint[]) on conflict do nothing',
      [this.#lane, int8Array(cards.map((card) => card.id))],
    )
  }

  #openingBatch(households: readonly HouseholdRecord[]): Batch {
    const { epoch, lastSeq, nextId: firstId } = this.#position
    const commands: CommandRow[] = []
    const transfers: TransferRow[] = []
    const openedBalances: BalanceRow[] = []
    const sharedBalances = new Map<AccountNumber, number>()
    let id = firstId
    const post = (
      kind: number,
      debit: AccountNumber,
      credit: AccountNumber,
      amount: number,
      period: number,
      leg: number,
    ) => {
      transfers.push({ groupId: id, leg, kind, debit, credit, amount, period })
      sharedBalances.set(debit, (sharedBalances.get(debit) ?? 0) - amount)
    }
    const open = (account: AccountNumber, period: number, posted: number) =>
      void openedBalances.push({ account, period, posted, held: 0 })
    for (const household of households) {
      assert(household.id > 0 && household.id < OWNER_SPAN, 'a household number has at most 11 digits')
      const { terms: dated, governorate } = household
      const detail = JSON.stringify({ members: dated.at(-1)?.members, terms: dated, governorate })
      commands.push({ id, kind: 'household-opened', householdId: household.id, authorizationId: undefined, detail })
      let leg = 0
      if (household.postalPiasters > 0) {
        const funds = moneyAccount('postalPool', 0)
        const postal = moneyAccount('postalAccount', household.id)
        post(transferKinds.deposit, funds, postal, household.postalPiasters, 0, leg++)
        open(postal, 0, household.postalPiasters)
      }
      for (const grant of household.grants) {
        const funding = subsidyAccount('funding', grant.unit, grant.programmeNumber, 0)
        const wallet = subsidyAccount('wallet', grant.unit, grant.programmeNumber, household.id)
        post(transferKinds.entitlementIssue, funding, wallet, grant.amount, grant.period, leg++)
        open(wallet, grant.period, grant.lapsed ? 0 : grant.amount)
        if (!grant.lapsed) continue
        const expired = subsidyAccount('expired', grant.unit, grant.programmeNumber, 0)
        const { entitlementExpiry: kind } = transferKinds
        transfers.push({
          groupId: id,
          leg: leg++,
          kind,
          debit: wallet,
          credit: expired,
          amount: grant.amount,
          period: grant.period,
        })
        sharedBalances.set(expired, (sharedBalances.get(expired) ?? 0) + grant.amount)
      }
      id += ID_STEP
    }
    return {
      lane: this.#lane,
      seq: lastSeq + 1,
      epoch,
      firstId,
      nextId: id,
      atMs: this.#nowMs,
      businessDate: businessDate(this.#nowMs, this.#cutoverMinutes),
      entitlementDate: civilDate(this.#nowMs),
      authorizations: [],
      commands,
      transfers,
      holds: [],
      holdEndings: [],
      changedBalances: [],
      openedBalances,
      sharedBalances,
      cashUsages: [],
      stopOldCards: [],
      cardCounters: [],
      assertions: [],
      cardStatuses: [],
      commandsDone: [],
      usages: [],
      basketLines: [],
      notifications: [],
      closings: [],
      changes: [],
    }
  }
}

import { byteaArray, int2Array, int4Array, int8Array, textArray } from './binary-arrays.ts'
import type { Client } from './connection.ts'
import type { HouseholdRecord } from './household-loader.ts'

/**
 * Writes what is kept of households besides their accounts, in a transaction of the caller's.
 * @param batchSeq batch of the lane that opens them, in the same transaction
 */
export async function insertHouseholds(
  client: Client,
  lane: number,
  households: readonly HouseholdRecord[],
  batchSeq: number,
): Promise<void> {
  await client.query({
    name: 'bulk_households',
    text: `insert into household (lane, id, governorate, classes, closed_month, old_ration_card, account_at)
       select $1::smallint, h.id, h.governorate, coalesce(string_to_array(nullif(h.classes, ''), ','), '{}'),
              h.closed_month, h.old_card, h.account_at
       from unnest($2::bigint[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[])
         h(id, governorate, classes, closed_month, old_card, account_at)`,
    values: [
      lane,
      int8Array(households.map((row) => row.id)),
      textArray(households.map((row) => row.governorate)),
      textArray(households.map((row) => row.classes.join(','))),
      int4Array(households.map((row) => row.closedMonth)),
      textArray(households.map((row) => row.oldRationCard)),
      textArray(households.map((row) => row.accountAt ?? 'local')),
    ],
  })
  const terms = households.flatMap((row) => row.terms.map((term) => ({ ...term, householdId: row.id })))
  await client.query({
    name: 'bulk_terms',
    text: `insert into household_term (lane, household_id, from_date, members, status, batch_seq)
       select $1::smallint, t.household_id, t.from_date, t.members, t.status, $6::bigint
       from unnest($2::bigint[], $3::integer[], $4::smallint[], $5::text[]) t(household_id, from_date, members, status)`,
    values: [
      lane,
      int8Array(terms.map((term) => term.householdId)),
      int4Array(terms.map((term) => term.from)),
      int2Array(terms.map((term) => term.members)),
      textArray(terms.map((term) => term.status)),
      batchSeq,
    ],
  })
  await insertCards(client, lane, households)
}

async function insertCards(client: Client, lane: number, households: readonly HouseholdRecord[]): Promise<void> {
  const cards = households.flatMap((row) => row.cards.map((card) => ({ ...card, householdId: row.id })))
  const ids = int8Array(cards.map((card) => card.id))
  await client.query({
    name: 'bulk_cards',
    text: `insert into card (lane, id, household_id, kind, pan_index, pan_masked, pan_encrypted, key_version, expiry,
         sequence_number, service_code, status, pvki, pvv)
       select $1::smallint, * from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::text[], $7::bytea[],
         $8::smallint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::smallint[], $14::text[])`,
    values: [
      lane,
      ids,
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
  })
  await client.query({
    name: 'bulk_counters',
    text: 'insert into card_counter (lane, card_id) select $1::smallint, unnest($2::bigint[])',
    values: [lane, ids],
  })
}

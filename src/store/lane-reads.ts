import type pg from 'pg'
import { formatDate } from '../calendar.ts'
import { byteaArray, int4Array, int8Array, textArray, uuidArray } from './binary-arrays.ts'
import { type FoundRow, type HouseholdRow, type Prefetched, type PrefetchQuery, readPrefetched } from './prefetch.ts'

/**
 * Reads what a batch lacks: one query for households that are not in memory, and one for what the journal knows of
 * repeats and originals; mostly only the first is needed, and none when memory has everything. What terminals stored
 * is looked for by a query of its own, which no other message pays for.
 */
export async function readLacking(client: pg.Client, lane: number, query: PrefetchQuery): Promise<Prefetched> {
  const asksJournal = query.keys.length + query.originals.length > 0
  const [households, found, stored, numbered] = await Promise.all([
    query.panIndexes.length + query.householdIds.length > 0 ? loadHouseholds(client, lane, query) : [],
    asksJournal ? findAuthorizations(client, lane, query) : [],
    query.stored.length > 0 ? findStored(client, lane, query) : [],
    query.byId.length > 0 ? readAuthorizations(client, lane, query) : [],
  ])
  return readPrefetched(query, households, [...found, ...stored, ...numbered])
}

async function loadHouseholds(client: pg.Client, lane: number, query: PrefetchQuery): Promise<HouseholdRow[]> {
  const { panIndexes, householdIds, entitlementDate } = query
  const { rows } = await client.query<HouseholdRow>({
    name: 'load_households_of',
    text: 'select * from load_households_of($1, $2, $3, $4)',
    values: [lane, byteaArray(panIndexes), int8Array(householdIds), Math.floor(entitlementDate / 100)],
  })
  return rows
}

async function findAuthorizations(client: pg.Client, lane: number, query: PrefetchQuery): Promise<FoundRow[]> {
  const { originals } = query
  const { rows } = await client.query<FoundRow>({
    name: 'find_authorizations',
    text: 'select * from find_authorizations($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)',
    values: [
      lane,
      formatDate(query.since),
      uuidArray(query.keys),
      int4Array(originals.map((_, ordinal) => ordinal)),
      uuidArray(originals.map((original) => original.key)),
      byteaArray(originals.map((original) => original.panIndex)),
      textArray(originals.map((original) => original.networkReference)),
      textArray(originals.map((original) => original.rrn)),
      textArray(originals.map((original) => original.acceptor)),
      textArray(originals.map((original) => original.terminal)),
      int8Array(originals.map((original) => original.amount)),
      originals.map((original) => original.completes),
      int8Array(originals.map((original) => original.returned)),
    ],
  })
  return rows
}

async function findStored(client: pg.Client, lane: number, { stored }: PrefetchQuery): Promise<FoundRow[]> {
  const { rows } = await client.query<FoundRow>({
    name: 'find_stored',
    text: "select 'stored' as kind, reference, payload from find_stored($1, $2, $3, $4, $5, $6::date[])",
    values: [
      lane,
      uuidArray(stored.map(({ key }) => key)),
      byteaArray(stored.map(({ panIndex }) => panIndex)),
      textArray(stored.map(({ terminal }) => terminal)),
      uuidArray(stored.map(({ contentHash }) => contentHash)),
      stored.map(({ since }) => formatDate(since)),
    ],
  })
  return rows
}

async function readAuthorizations(client: pg.Client, lane: number, { byId }: PrefetchQuery): Promise<FoundRow[]> {
  const { rows } = await client.query<FoundRow>({
    name: 'authorizations_by_id',
    text: "select 'numbered' as kind, id::text as reference, payload from authorizations_by_id($1, $2, $3::date[])",
    values: [lane, byId.map(({ id }) => id), byId.map(({ businessDate }) => formatDate(businessDate))],
  })
  return rows
}

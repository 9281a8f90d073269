import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { inspect } from 'node:util'
import t from 'tap'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { type PanProtection, panProtection } from '../../src/security/pan-protection.ts'
import { byteaArray, int2Array, int8Array } from '../../src/store/binary-arrays.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import {
  countPansByKeyVersion,
  type PanReencryptionOptions,
  type PanReencryptionProgress,
  reencryptPans,
} from '../../src/store/pan-reencryption.ts'
import { createTestDatabase, type TeardownHost } from '../support/database.ts'
import { bytesOf, panKeysOf } from '../support/pan-keys.ts'

const TEXT = 'cards of these tests'
const NOW_MS = Date.UTC(2026, 10, 22)

/** Keys of card numbers with versions 1 to `versions` of the encryption key; those before `first` are revoked. */
function protectionOf(versions: number, first = 1): PanProtection {
  const ring = new KeyRing(bytesOf(TEXT))
  ring.load(
    panKeysOf(ring, TEXT, versions).map((key) =>
      key.name === 'pan-encryption' && key.version < first ? { ...key, status: 'revoked' } : key,
    ),
  )
  return panProtection(ring, () => NOW_MS)
}

const before = protectionOf(1)
const after = protectionOf(2)
const onlyNew = protectionOf(2, 2)
const panOf = (id: number) => `40000077${String(id).padStart(8, '0')}`
const laneOf = (id: number) => id % 2

/** Adds cards as an enrolment does, under the newest version of the protection. */
async function addCards(client: Client, ids: readonly number[], protection = before): Promise<void> {
  const encrypted = ids.map((id) => protection.encrypt(panOf(id)))
  await client.query(
    `insert into card (lane, id, household_id, kind, pan_index, pan_masked, pan_encrypted, key_version, expiry,
       sequence_number, service_code, status)
     select lane, id, 1, 'family', pan_index, 'masked', pan_encrypted, key_version, '2912', '01', '221', 'active'
     from unnest($1::smallint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::smallint[])
       n (lane, id, pan_index, pan_encrypted, key_version)`,
    [
      int2Array(ids.map(laneOf)),
      int8Array(ids),
      byteaArray(ids.map((id) => protection.index(panOf(id)))),
      byteaArray(encrypted.map(({ bytes }) => bytes.toString('latin1'))),
      int2Array(encrypted.map(({ keyVersion }) => keyVersion)),
    ],
  )
}

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, at) => first + at)

interface World {
  readonly url: string
  /** As superuser, for looking and for meddling. */
  readonly client: Client
  /** The connection of the work. */
  readonly job: Client
}

async function worldOf(t: TeardownHost, count: number): Promise<World> {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 2)
  const client = await connect({ url, name: 'test' })
  t.teardown(() => client.end().catch(() => undefined))
  const job = await connect({ url, name: 'test', role: 'mizan_app' })
  t.teardown(() => job.end().catch(() => undefined))
  await client.query(
    "insert into household (lane, id, governorate, closed_month, old_ration_card) select n, 1, 'C', 202610, 'none' from generate_series(0, 1) n",
  )
  await addCards(client, range(101, 100 + count))
  return { url, client, job }
}

interface StoredCard {
  readonly id: number
  readonly keyVersion: number
  readonly bytes: Buffer
  readonly index: Buffer
  readonly rest: string
}

async function cardsOf(client: Client): Promise<StoredCard[]> {
  const { rows } = await client.query<{
    id: string
    key_version: number
    pan_encrypted: Buffer
    pan_index: Buffer
    rest: string
  }>(`select id, key_version, pan_encrypted, pan_index,
        (to_jsonb(c) - '{pan_encrypted,key_version}'::text[])::text as rest from card c order by id`)
  return rows.map((row) => ({
    id: Number(row.id),
    keyVersion: row.key_version,
    bytes: row.pan_encrypted,
    index: row.pan_index,
    rest: row.rest,
  }))
}

/** Cards that do not give their own number back. */
function unreadableCards(cards: readonly StoredCard[], protection: PanProtection): number[] {
  return cards.flatMap(({ id, index, ...encrypted }) => {
    try {
      return protection.decrypt(encrypted, index) === panOf(id) ? [] : [id]
    } catch {
      return [id]
    }
  })
}

t.test('all rows come under the newest version, and nothing else of them changes', async (t) => {
  const { client, job } = await worldOf(t, 257)
  const stored = await cardsOf(client)
  t.same(await countPansByKeyVersion(client), new Map([[1, 257]]))
  const seen: PanReencryptionProgress[] = []
  const result = await reencryptPans(job, { protection: after, batchRows: 50, onProgress: (one) => seen.push(one) })
  t.same(result, { keyVersion: 2, reencrypted: 257, remaining: 0, unreadable: 0, examples: [] })
  t.same(
    seen.map(({ done }) => done),
    [50, 100, 150, 200, 250, 257],
  )
  t.ok(seen.every(({ total }) => total === 257))
  const moved = await cardsOf(client)
  t.same(unreadableCards(moved, onlyNew), [], 'readable without the old key')
  t.same(
    moved.map(({ rest }) => rest),
    stored.map(({ rest }) => rest),
  )
  t.ok(moved.every(({ bytes }, at) => !bytes.equals(stored[at]?.bytes ?? bytes)))

  seen.length = 0
  const again = await reencryptPans(job, { protection: after, onProgress: (one) => seen.push(one) })
  t.same(again, { keyVersion: 2, reencrypted: 0, remaining: 0, unreadable: 0, examples: [] })
  t.same(seen, [])
  t.same(await cardsOf(client), moved, 'a second call touches nothing')
  for (const batchRows of [0, -1, 1.5, 10_001]) {
    await t.rejects(reencryptPans(job, { protection: after, batchRows }), { code: 'ASSERTION_FAILED' })
  }
})

t.test('killed in the middle, it goes on with what is left', async (t) => {
  const { url, client, job } = await worldOf(t, 600)
  const at = (file: string) => JSON.stringify(new URL(file, import.meta.url).href)
  const code = `
    const { reencryptPans } = await import(${at('../../src/store/pan-reencryption.ts')})
    const { connect } = await import(${at('../../src/store/connection.ts')})
    const { bytesOf, panKeysOf } = await import(${at('../support/pan-keys.ts')})
    const { KeyRing } = await import(${at('../../src/security/keys/key-ring.ts')})
    const { panProtection } = await import(${at('../../src/security/pan-protection.ts')})
    const ring = new KeyRing(bytesOf(${JSON.stringify(TEXT)}))
    ring.load(panKeysOf(ring, ${JSON.stringify(TEXT)}, 2))
    const client = await connect({ url: process.env.TEST_URL, name: 'test', role: 'mizan_app' })
    await reencryptPans(client, {
      protection: panProtection(ring, () => ${NOW_MS}), batchRows: 20, pauseMs: 30,
      onProgress: ({ done }) => console.log(done),
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, TEST_URL: url },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const text of child.stdout) if (Number(String(text).trim().split('\n').at(-1)) >= 100) break
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  t.equal(child.signalCode, 'SIGKILL')

  const half = await cardsOf(client)
  const moved = half.filter(({ keyVersion }) => keyVersion === 2).length
  t.ok(moved >= 100 && moved < 600, `${moved} rows moved`)
  t.same(unreadableCards(half, after), [])
  const result = await reencryptPans(job, { protection: after, batchRows: 20 })
  t.match(result, { remaining: 0, unreadable: 0 })
  // The killed one's last transaction may have been committed after the look.
  t.ok(result.reencrypted <= 600 - moved && result.reencrypted >= 600 - moved - 20)
  const whole = await cardsOf(client)
  t.same(unreadableCards(whole, onlyNew), [])
  t.equal(whole.length, 600)
})

t.test('it stops when it is told to, between two batches', async (t) => {
  const { client, job } = await worldOf(t, 100)
  const abort = new AbortController()
  const options: PanReencryptionOptions = { protection: after, batchRows: 10, pauseMs: 60_000 }
  const stop = ({ done }: PanReencryptionProgress) => {
    if (done === 10) setImmediate(() => abort.abort())
  }
  const result = await reencryptPans(job, { ...options, signal: abort.signal, onProgress: stop })
  t.same(result, { keyVersion: 2, reencrypted: 10, remaining: 90, unreadable: 0, examples: [] })
  t.match(await reencryptPans(job, { ...options, signal: AbortSignal.abort() }), { reencrypted: 0, remaining: 90 })
  t.same(unreadableCards(await cardsOf(client), after), [])
})

t.test('rows that cannot be read stay, are named, and hold nothing else up', async (t) => {
  const { client, job } = await worldOf(t, 60)
  const stored = await cardsOf(client)
  const bytesBefore = new Map(stored.map(({ id, bytes }) => [id, bytes]))
  await client.query('update card set key_version = 9 where id = 103')
  await client.query(
    'update card set pan_encrypted = set_byte(pan_encrypted, 20, get_byte(pan_encrypted, 20) # 1) where id = 110',
  )
  await client.query(`update card c set pan_encrypted = o.pan_encrypted from card o
    where c.id in (120, 122) and o.id in (120, 122) and o.id <> c.id`)
  await client.query("update card set pan_encrypted = '' where id = 130")
  const broken = await cardsOf(client)
  const result = await reencryptPans(job, { protection: after, batchRows: 7 })
  t.match(result, { keyVersion: 2, reencrypted: 55, remaining: 5, unreadable: 5 })
  t.same(
    result.examples.map(({ lane, cardId, keyVersion }) => [lane, cardId, keyVersion]),
    [
      [0, 110, 1],
      [0, 120, 1],
      [0, 122, 1],
      [0, 130, 1],
      [1, 103, 9],
    ],
  )
  t.match(result.examples[4]?.reason, /no key pan-encryption version 9/)
  t.match(result.examples[0]?.reason, /cannot be decrypted/)
  t.notMatch(inspect(result, { depth: 9 }), /40000077/)
  const left = await cardsOf(client)
  t.same(unreadableCards(left, onlyNew), [103, 110, 120, 122, 130])
  for (const card of left) {
    if (card.keyVersion !== 2)
      t.same(
        card,
        broken.find(({ id }) => id === card.id),
        'as it was',
      )
  }

  await client.query('update card set key_version = 1 where id = 103')
  for (const id of [110, 120, 122, 130]) {
    await client.query('update card set pan_encrypted = $2 where id = $1', [id, bytesBefore.get(id)])
  }
  t.match(await reencryptPans(job, { protection: after }), { reencrypted: 5, remaining: 0, unreadable: 0 })
  t.same(unreadableCards(await cardsOf(client), onlyNew), [])
})

/** Does something while the work is between reading and writing: when it encrypts the number of a card. */
function interrupted(id: number, work: () => void): PanProtection {
  let done = false
  return {
    ...after,
    keyVersion: after.keyVersion,
    encrypt(pan) {
      if (pan === panOf(id) && !done) {
        done = true
        work()
      }
      return after.encrypt(pan)
    },
  }
}

t.test('a row that changes between reading and writing is not overwritten', async (t) => {
  const { url, client, job } = await worldOf(t, 40)
  const change = (sql: string) => () => {
    const code =
      "const { Client } = require('pg'); const c = new Client(process.env.TEST_URL); c.connect().then(() => c.query(process.env.TEST_SQL)).then(() => c.end())"
    execFileSync(process.execPath, ['-e', code], { env: { ...process.env, TEST_URL: url, TEST_SQL: sql } })
  }
  const marked = "update card set pan_encrypted = 'changed meanwhile' where id = 105"
  const result = await reencryptPans(job, { protection: interrupted(105, change(marked)) })
  t.match(result, { reencrypted: 39, remaining: 1, unreadable: 1, examples: [{ cardId: 105 }] })
  const card = (await cardsOf(client)).find(({ id }) => id === 105)
  t.equal(card?.bytes.toString(), 'changed meanwhile')
  t.equal(card?.keyVersion, 1)

  const lost = change("update card set status = 'lost' where id = 205")
  await client.query('delete from card where id = 105')
  await addCards(client, range(201, 210))
  t.match(await reencryptPans(job, { protection: interrupted(205, lost) }), { reencrypted: 10, remaining: 0 })
  const { rows } = await client.query("select id, key_version from card where status = 'lost'")
  t.same(rows, [{ id: '205', key_version: 2 }], 'what others write of a card stays')
  t.same(unreadableCards(await cardsOf(client), onlyNew), [])
})

t.test('it does not wait for a row that another has locked', async (t) => {
  const { client, job } = await worldOf(t, 30)
  await client.query('begin')
  await client.query("update card set status = 'lost' where id in (104, 111)")
  const seen: number[] = []
  const result = await reencryptPans(job, {
    protection: after,
    batchRows: 10,
    onProgress: ({ done }) => {
      seen.push(done)
      if (seen.length === 3) void client.query('commit')
    },
  })
  t.equal(seen[2], 28, 'all others moved while the lock was held')
  t.match(result, { reencrypted: 30, remaining: 0 })
  const cards = await cardsOf(client)
  t.same(unreadableCards(cards, onlyNew), [])
  t.equal(cards.filter(({ rest }) => /"lost"/.test(rest)).length, 2)
})

t.test('beside one who changes many cards at once, in another order', async (t) => {
  const { url, client, job } = await worldOf(t, 400)
  const other = await connect({ url, name: 'test' })
  t.teardown(() => other.end())
  let working = true
  const changes = (async () => {
    let count = 0
    while (working) {
      await other.query(
        `with many as materialized (select lane, id from card order by id desc limit 300 for update)
         update card c set expiry = $1 from many m where c.lane = m.lane and c.id = m.id`,
        [String(2_000 + (count++ % 12) + 1)],
      )
    }
    return count
  })()
  const result = await reencryptPans(job, { protection: after, batchRows: 25, pauseMs: 1 })
  working = false
  t.ok((await changes) > 0, 'the other had no error either')
  t.ok(result.reencrypted >= 100, 'those that the other left alone at least')
  t.match(await reencryptPans(job, { protection: after }), { remaining: 0 })
  t.same(unreadableCards(await cardsOf(client), onlyNew), [])
})

t.test('cards that are added meanwhile, also by one who has the old keys only', async (t) => {
  const { client, job } = await worldOf(t, 50)
  let calls = 0
  const additions: Promise<void>[] = []
  const result = await reencryptPans(job, {
    protection: after,
    batchRows: 10,
    pauseMs: 20,
    onProgress: () => {
      calls++
      if (calls === 3) additions.push(addCards(client, [1, 2, 3]), addCards(client, range(900, 905), after))
      if (calls === 5) additions.push(addCards(client, range(1_000, 1_002)))
    },
  })
  await Promise.all(additions)
  t.match(result, { reencrypted: 56, remaining: 0, unreadable: 0 })
  const cards = await cardsOf(client)
  t.equal(cards.length, 62)
  t.same(unreadableCards(cards, onlyNew), [])
})

t.test('bytes that do not give the number back are never committed', async (t) => {
  const { client, job } = await worldOf(t, 20)
  const stored = await cardsOf(client)
  const spoiling: PanProtection = {
    ...after,
    keyVersion: 2,
    encrypt(pan) {
      const { keyVersion, bytes } = after.encrypt(pan)
      if (pan === panOf(107)) bytes[15] = (bytes[15] ?? 0) ^ 1
      return { keyVersion, bytes }
    },
  }
  await t.rejects(reencryptPans(job, { protection: spoiling }), { code: 'BAD_INPUT' })
  t.same(await cardsOf(client), stored)
  const mixing: PanProtection = { ...spoiling, encrypt: () => after.encrypt(panOf(101)) }
  await t.rejects(reencryptPans(job, { protection: mixing }))
  t.same(await cardsOf(client), stored)
})

t.test('a rotation meanwhile ends it; without a version in use it does not begin', async (t) => {
  const { client, job } = await worldOf(t, 20)
  const ring = new KeyRing(bytesOf(TEXT))
  const keys = panKeysOf(ring, TEXT, 3)
  ring.load(keys.slice(0, 3))
  const protection = panProtection(ring, () => NOW_MS)
  const rotate = () => ring.load(keys)
  await t.rejects(reencryptPans(job, { protection, batchRows: 5, onProgress: rotate }), {
    code: 'CRYPTO_REFUSED',
    message: /became the newest/,
  })
  t.same(
    await countPansByKeyVersion(client),
    new Map([
      [1, 15],
      [2, 5],
    ]),
  )
  t.match(await reencryptPans(job, { protection }), { keyVersion: 3, reencrypted: 20, remaining: 0 })
  ring.load(keys.slice(0, 1))
  await t.rejects(reencryptPans(job, { protection }), { code: 'CRYPTO_REFUSED' })
  t.same(unreadableCards(await cardsOf(client), protectionOf(3, 3)), [])
})

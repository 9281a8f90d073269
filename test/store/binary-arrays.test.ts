import fc from 'fast-check'
import t from 'tap'
import {
  byteaArray,
  int2Array,
  int4Array,
  int8Array,
  textArray,
  uuidArray,
  uuidBytes,
  uuidText,
} from '../../src/store/binary-arrays.ts'
import { connect } from '../../src/store/connection.ts'
import { RowWriter } from '../../src/store/row-writer.ts'
import { createTestDatabase } from '../support/database.ts'

/** The arrays are judged by PostgreSQL itself: what it reads out of them is what went in. */
t.test('PostgreSQL reads back what was written', async (t) => {
  const { url } = await createTestDatabase(t)
  const client = await connect({ url, name: 'mizan test' })
  t.teardown(() => client.end())
  const back = async (type: string, array: Buffer): Promise<unknown[]> => {
    const text = `select coalesce(jsonb_agg(v order by n), '[]') as values from unnest($1::${type}[]) with ordinality u(v, n)`
    const { rows } = await client.query<{ values: unknown[] }>(text, [array])
    return rows[0]?.values ?? []
  }
  const safe = Number.MAX_SAFE_INTEGER
  const wide = [
    0,
    1,
    -1,
    4_294_967_295,
    4_294_967_296,
    -4_294_967_296,
    -4_294_967_297,
    safe,
    -safe,
    600_100_000_000_001,
  ]
  t.same(await back('bigint', int8Array(wide)), wide)
  t.same(await back('bigint', int8Array([1, undefined, -2])), [1, null, -2])
  t.same(
    await back('integer', int4Array([0, -1, 2_147_483_647, -2_147_483_648])),
    [0, -1, 2_147_483_647, -2_147_483_648],
  )
  t.same(await back('smallint', int2Array([0, -1, 32_767, -32_768])), [0, -1, 32_767, -32_768])
  const texts = ['', 'a', 'ميزان', '🍞', 'a"b\\c,{}', '\u001f', 'x'.repeat(5_000), 'NULL']
  t.same(await back('text', textArray(texts)), texts)
  const keys = ['\0'.repeat(16), '\xff'.repeat(16), '\0\x01\x7f\x80\xfe\xff0123456789']
  t.same(await back('uuid', uuidArray([...keys, undefined])), [...keys.map(uuidText), null])
  t.same(await back('bytea', byteaArray(['', '\0\xff', 'abc'])), ['\\x', '\\x00ff', '\\x616263'])
  const empty = [int8Array([]), int4Array([]), int2Array([]), textArray([]), uuidArray([]), byteaArray([])]
  for (const [index, type] of ['bigint', 'integer', 'smallint', 'text', 'uuid', 'bytea'].entries()) {
    t.same(await back(type, empty[index] as Buffer), [], `no ${type}`)
  }
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(fc.maxSafeInteger(), { nil: undefined })), async (values) => {
      const expected = values.map((value) => value ?? null)
      const found = await back('bigint', int8Array(values))
      if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify(found)}`)
    }),
    { numRuns: 50 },
  )
})

t.test('rows of a composite type come back as they went, extremes and NULL included', async (t) => {
  const { url } = await createTestDatabase(t)
  const client = await connect({ url, name: 'row writer' })
  t.teardown(() => client.end())
  await client.query(`create temporary table extreme (a smallint, b integer, c bigint, d text, e uuid, f timestamptz)`)
  const { rows: types } = await client.query<{ oid: number }>("select 'extreme'::regtype::oid as oid")
  const rows = [
    { a: -32_768, b: -2_147_483_648, c: -Number.MAX_SAFE_INTEGER, d: 'ميزان \u001f', e: '\xff'.repeat(16), f: -1 },
    { a: 32_767, b: 2_147_483_647, c: undefined, d: 'x'.repeat(200_000), e: undefined, f: Date.UTC(2100, 0, 1) },
  ]
  interface ExtremeRow {
    readonly c: string | null
    readonly f: Date
  }
  const writer = new RowWriter()
  const encode = (list: typeof rows) =>
    writer.array(Number(types[0]?.oid), 6, list, (to, row) => {
      to.int2(row.a)
      to.int4(row.b)
      to.int8(row.c)
      to.text(row.d)
      to.uuid(row.e)
      to.timestamp(row.f)
    })
  const read = async (list: typeof rows) =>
    (await client.query<ExtremeRow>('select x.* from unnest($1::extreme[]) x', [encode(list)])).rows
  const found = await read(rows)
  t.same(
    found.map((row) => ({ ...row, c: row.c === null ? undefined : Number(row.c), f: row.f.getTime() })),
    rows.map((row) => ({ ...row, e: row.e === undefined ? null : uuidText(row.e) })),
  )
  t.same(await read([]), [])
})

t.test('uuid text and bytes turn into each other', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const key = Buffer.from(bytes).toString('latin1')
      return uuidBytes(uuidText(key)) === key
    }),
  )
  t.equal(
    uuidText('\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff'),
    '00010203-0405-0607-0809-0a0b0c0d0eff',
  )
})

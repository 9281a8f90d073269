import { test } from 'tap'
import { Type } from 'typebox'
import { apiRoutes } from '../../src/api/api.ts'
import { numbersIn } from '../../src/api/card-guard.ts'
import { shape, words } from '../../src/api/shapes.ts'

const PAN = '4000000000000010'
const schema = shape({
  reason: words('Why.'),
  comment: words('What.'),
  pan: Type.String(),
  rrn: Type.String({ pattern: '^[0-9]{12,16}$' }),
  head: shape({ name: words('Name.'), mobileProof: Type.Optional(words('How.')) }),
  lines: Type.Array(shape({ address: words('Where.') })),
  content: Type.Record(Type.String(), Type.Unknown()),
  password: words('Secret.'),
})
const pointers = (body: unknown) => numbersIn(body, schema).map(({ pointer, detail }) => `${pointer} ${detail}`)

test('a card number is found however it is written, and wherever', async (t) => {
  const arabic = PAN.replaceAll(/\d/g, (digit) => String.fromCharCode(0x660 + Number(digit)))
  const persian = PAN.replaceAll(/\d/g, (digit) => String.fromCharCode(0x6f0 + Number(digit)))
  const wide = PAN.replaceAll(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit)))
  const grouped = ['.', ' ', '-', '/', '_', '\\', '\u00a0', '\u2013', ' - '].map((by) =>
    PAN.replaceAll(/(\d{4})(?=\d)/g, `$1${by}`),
  )
  const beside = [
    `card ${PAN}, call`,
    `PAN${PAN}x`,
    `4000 0000 0000 0010 2026`,
    `12 ${PAN}`,
    `4000\u200b0000\u200b0000\u200b0010`,
  ]
  for (const text of [PAN, arabic, persian, wide, ...grouped, ...beside, '378282246310005', '3782 822463 10005']) {
    t.same(pointers({ comment: text }), ['/comment holds what looks like a card number'], text)
    t.equal(pointers({ reason: text }).length, 1, text)
  }
  t.same(
    pointers({
      head: { name: PAN, mobileProof: PAN },
      lines: [{ address: 'here' }, { address: `at ${PAN}` }],
      content: { rules: [{ deep: { text: PAN } }], [PAN]: 1 },
    }),
    ['/head/name', '/head/mobileProof', '/lines/1/address', '/content/rules/0/deep/text', '/content/?'].map(
      (place) => `${place} holds what looks like a card number`,
    ),
  )
  let deep: unknown = PAN
  for (let at = 0; at < 50_000; at++) deep = [deep]
  t.equal(numbersIn({ content: deep }, schema).length, 1, 'deeper than calls may be')
})

test('a national ID is found in words', async (t) => {
  for (const text of ['29001010300123', 'ID 290 0101 0300123', '٢٩٠٠١٠١٠٣٠٠١٢٣'])
    t.same(pointers({ comment: text }), ['/comment holds what looks like a national ID'], text)
})

test('what only looks long is left alone', async (t) => {
  const hex = '4000000000000010'.repeat(4)
  for (const text of [
    'EG380019000500000000263180002', // 27 digits
    'EG38 0019 0005 0000 0000 2631 8000 2',
    '123456789012', // an RRN
    '+20 100 000 0001',
    'from 2026-11-01 to 2026-11-30',
    '4000000000000011', // no check digit of a card
    hex,
    '40000000-0000-4000-8000-000000000010',
  ]) {
    t.same(pointers({ comment: text }), [], text)
  }
  t.same(pointers({ pan: PAN, rrn: PAN, password: PAN }), [], 'fields of their own check')
  t.same(pointers({ reason: '4000000000000011' }).length, 1, 'a reason has no number as long as a card')
  t.same(
    numbersIn(
      { kind: 'x', payload: { a: PAN } },
      shape({ kind: Type.String(), payload: Type.Record(Type.String(), Type.Unknown()) }),
    ).length,
    1,
  )
})

test('each free text of a body that a route takes is guarded', async (t) => {
  const guarded = (path: string, body: unknown) => {
    const route = apiRoutes.find((one) => one.method === 'POST' && one.path === path)
    return numbersIn(body, route?.body).map(({ pointer }) => pointer)
  }
  t.same(guarded('/households', { head: { nationalId: '29001010300123', mobile: PAN, mobileProof: PAN } }), [
    '/head/mobileProof',
  ])
  t.same(guarded('/change-requests', { kind: 'household-status', payload: { from: PAN, other: PAN }, reason: 'r' }), [
    '/payload/other',
  ])
})

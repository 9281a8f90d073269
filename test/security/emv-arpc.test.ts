import fc from 'fast-check'
import t from 'tap'
import type { CardStatusUpdate, CounterUpdate } from '../../src/security/emv/arpc.ts'
import {
  formatStatusUpdate,
  makeArpc1,
  makeArpc2,
  makeIssuerAuthentication,
  parseStatusUpdate,
  readIssuerAuthentication,
} from '../../src/security/emv/arpc.ts'
import { deriveCardKey } from '../../src/security/emv/master-key.ts'
import { cryptogramDiversifier, deriveCommonSessionKey, mchipDiversifier } from '../../src/security/emv/session-key.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { retailMac } from '../../src/security/primitives/mac.ts'
import type { Vector } from './emv-support.ts'
import {
  anyBytes,
  bytes,
  fromHex,
  hex,
  holds,
  number,
  opensslRetailMac,
  padded,
  text,
  vectorsOf,
} from './emv-support.ts'

const FILE = 'crypto-emv.json'
const key = new DesKey(fromHex('3E736BF8D37664348A04E3ABE00DEFC1'))
const cryptogram = fromHex('4B46013359B7A58B')
const none = new Uint8Array(0)

function cardKey(vector: Vector): DesKey {
  const out = new Uint8Array(16)
  const option = vector.option === 'B' ? 'B' : 'A'
  deriveCardKey(new DesKey(bytes(vector, 'issuerKey')), text(vector, 'pan'), text(vector, 'psn'), option, out)
  return new DesKey(out)
}

function sessionKey(card: DesKey, diversifier: Uint8Array): DesKey {
  const out = new Uint8Array(16)
  deriveCommonSessionKey(card, diversifier, out)
  return new DesKey(out)
}

function arpc1(of: DesKey, request: Uint8Array, code: Uint8Array): string {
  const out = new Uint8Array(8)
  makeArpc1(of, request, code, out)
  return hex(out)
}

function arpc2(of: DesKey, request: Uint8Array, update: Uint8Array, proprietary: Uint8Array): string {
  const out = new Uint8Array(8)
  makeArpc2(of, request, update, proprietary, out)
  return hex(out.subarray(0, 4))
}

t.test('cryptograms over given data are those published, by every way to a session key', async (t) => {
  for (const vector of vectorsOf(FILE, 'cryptogram-mac')) {
    let of: DesKey
    if (vector.sessionKey !== undefined) of = new DesKey(bytes(vector, 'sessionKey'))
    else if (vector.sessionMethod === 'none') of = cardKey(vector)
    else {
      const diversifier = new Uint8Array(8)
      if (vector.sessionMethod === 'common') cryptogramDiversifier(bytes(vector, 'counter'), diversifier)
      else mchipDiversifier(bytes(vector, 'counter'), bytes(vector, 'unpredictable'), diversifier)
      of = sessionKey(cardKey(vector), diversifier)
    }
    const padding = number(vector, 'padding') === 1 ? 1 : 2
    t.equal(hex(retailMac(of, bytes(vector, 'data'), padding)), text(vector, 'cryptogram'), vector.id)
  }
})

t.test('response cryptograms are those published', async (t) => {
  for (const vector of vectorsOf(FILE, 'response-1')) {
    const made = arpc1(new DesKey(bytes(vector, 'key')), bytes(vector, 'cryptogram'), bytes(vector, 'responseCode'))
    t.equal(made, text(vector, 'response'), vector.id)
  }
  for (const vector of vectorsOf(FILE, 'response-2')) {
    const proprietary = vector.proprietary === undefined ? none : bytes(vector, 'proprietary')
    const of = new DesKey(bytes(vector, 'key'))
    t.equal(
      arpc2(of, bytes(vector, 'cryptogram'), bytes(vector, 'statusUpdate'), proprietary),
      text(vector, 'response'),
      vector.id,
    )
  }
  for (const vector of vectorsOf(FILE, 'response-from-issuer-key')) {
    const of = cardKey(vector)
    const request = bytes(vector, 'cryptogram')
    if (vector.counter === undefined) {
      t.equal(arpc1(of, request, bytes(vector, 'responseCode')), text(vector, 'response'), vector.id)
      continue
    }
    const diversifier = new Uint8Array(8)
    cryptogramDiversifier(bytes(vector, 'counter'), diversifier)
    const made = arpc2(sessionKey(of, diversifier), request, bytes(vector, 'statusUpdate'), none)
    t.equal(made, text(vector, 'response'), vector.id)
  }
})

t.test('method 2 agrees with a second implementation, and covers each byte', async (t) => {
  holds(
    t,
    fc.property(
      anyBytes(16),
      anyBytes(8),
      anyBytes(4),
      fc.uint8Array({ maxLength: 8 }),
      fc.nat(),
      (bytes, request, update, proprietary, where) => {
        const all = Buffer.concat([request, update, proprietary])
        const of = new DesKey(bytes)
        const made = arpc2(of, request, update, proprietary)
        const at = where % all.length
        all[at] = (all[at] ?? 0) ^ 0x10
        const other = arpc2(of, all.subarray(0, 8), all.subarray(8, 12), all.subarray(12))
        all[at] = (all[at] ?? 0) ^ 0x10
        return made === hex(opensslRetailMac(bytes, padded(all, 2)).subarray(0, 4)) && other !== made
      },
    ),
  )
})

t.test('a status update has its bits where the card looks for them', async (t) => {
  const plain: CardStatusUpdate = { approve: false, counters: 'keep' }
  for (const [update, expected] of [
    [plain, '00000000'],
    [{ approve: true, counters: 'reset' }, '00820000'],
    [{ approve: true, counters: 'add transaction' }, '00830000'],
    [{ approve: true, counters: 'set to upper limit' }, '00810000'],
    [{ ...plain, blockCard: true }, '00400000'],
    [{ ...plain, blockApplication: true }, '00200000'],
    [{ ...plain, pinTries: 0 }, '00100000'],
    [{ ...plain, pinTries: 3 }, '03100000'],
    [{ ...plain, goOnlineNext: true }, '00080000'],
    [{ ...plain, byProxy: true }, '00040000'],
    [{ ...plain, discretionary: 0xa5 }, '000000A5'],
  ] as const) {
    t.equal(hex(formatStatusUpdate(update)), expected)
  }
  t.equal(hex(formatStatusUpdate({ ...plain, pinTries: 15 }, true)), '8F100000')
  for (const pinTries of [-1, 16, 1.5])
    t.throws(() => formatStatusUpdate({ ...plain, pinTries }), { code: 'BAD_INPUT' })
  for (const discretionary of [-1, 256, Number.NaN]) {
    t.throws(() => formatStatusUpdate({ ...plain, discretionary }), { code: 'BAD_INPUT' })
  }
  for (const length of [0, 3, 5]) t.throws(() => parseStatusUpdate(new Uint8Array(length)), { code: 'BAD_INPUT' })
})

const anyUpdate = fc.record(
  {
    approve: fc.boolean(),
    counters: fc.constantFrom<CounterUpdate>('keep', 'set to upper limit', 'reset', 'add transaction'),
    pinTries: fc.nat(15),
    blockCard: fc.boolean(),
    blockApplication: fc.boolean(),
    goOnlineNext: fc.boolean(),
    byProxy: fc.boolean(),
    discretionary: fc.nat(255),
  },
  { requiredKeys: ['approve', 'counters'] },
)

t.test('a status update is read as it was written', async (t) => {
  const defaults = { blockCard: false, blockApplication: false, goOnlineNext: false, byProxy: false, discretionary: 0 }
  holds(
    t,
    fc.property(anyUpdate, fc.boolean(), (update, withProprietary) => {
      t.same(parseStatusUpdate(formatStatusUpdate(update, withProprietary)), {
        ...defaults,
        ...update,
        withProprietary,
      })
    }),
  )
})

t.test('tag 91 by method 1 is response cryptogram and response code', async (t) => {
  const decision = { responseCode: '00', statusUpdate: { approve: true, counters: 'reset' } } as const
  const value = makeIssuerAuthentication(1, key, cryptogram, decision)
  t.equal(hex(value), `${arpc1(key, cryptogram, fromHex('3030'))}3030`)
  t.equal(readIssuerAuthentication(1, key, cryptogram, value)?.responseCode, '00')
  t.equal(readIssuerAuthentication(1, key, fromHex('4B46013359B7A58A'), value), undefined)
  for (const responseCode of ['', '0', '000', '0 ', '0\n', '0é']) {
    t.throws(() => makeIssuerAuthentication(1, key, cryptogram, { ...decision, responseCode }), { code: 'BAD_INPUT' })
  }
  for (const cut of [value.subarray(1), Buffer.concat([value, value])]) {
    t.throws(() => readIssuerAuthentication(1, key, cryptogram, cut), { code: 'BAD_INPUT' })
  }
})

t.test(
  'tag 91 by method 2 is response cryptogram, status update, and proprietary data that the update tells of',
  async (t) => {
    const statusUpdate = { approve: true, counters: 'reset' } as const
    const plain = makeIssuerAuthentication(2, key, cryptogram, { responseCode: '00', statusUpdate })
    t.equal(hex(plain), `${arpc2(key, cryptogram, fromHex('00820000'), none)}00820000`)
    const proprietary = fromHex('1234567890ABCDEF')
    const value = makeIssuerAuthentication(2, key, cryptogram, { responseCode: '00', statusUpdate, proprietary })
    t.equal(hex(value), `${arpc2(key, cryptogram, fromHex('80820000'), proprietary)}808200001234567890ABCDEF`)
    t.match(readIssuerAuthentication(2, key, cryptogram, value), {
      responseCode: undefined,
      statusUpdate: { approve: true, withProprietary: true },
      proprietary,
    })
    t.equal(readIssuerAuthentication(2, key, cryptogram, value.subarray(0, 15)), undefined, 'cut short')
    t.throws(() => readIssuerAuthentication(2, key, cryptogram, value.subarray(0, 7)), { code: 'BAD_INPUT' })
    t.throws(() => readIssuerAuthentication(2, key, cryptogram, Buffer.concat([value, value])), { code: 'BAD_INPUT' })
    const tooLong = { responseCode: '00', statusUpdate, proprietary: new Uint8Array(9) }
    t.throws(() => makeIssuerAuthentication(2, key, cryptogram, tooLong), { code: 'BAD_INPUT' })
  },
)

t.test('parts of another size are a fault of the program', async (t) => {
  const out = new Uint8Array(8)
  const fault = { code: 'ASSERTION_FAILED' }
  t.throws(() => makeArpc1(key, cryptogram.subarray(1), fromHex('3030'), out), fault)
  t.throws(() => makeArpc1(key, cryptogram, fromHex('30'), out), fault)
  t.throws(() => makeArpc2(key, cryptogram.subarray(1), fromHex('00820000'), none, out), fault)
  t.throws(() => makeArpc2(key, cryptogram, fromHex('008200'), none, out), fault)
  t.throws(() => makeArpc2(key, cryptogram, fromHex('00820000'), new Uint8Array(9), out), fault)
})

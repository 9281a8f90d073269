import fc from 'fast-check'
import { test } from 'tap'
import { verifyCryptogram18 } from '../../bench/crypto-baseline.ts'
import { ChipTags } from '../../src/iso8583/chip-tags.ts'
import { formatBerTlv } from '../../src/iso8583/tlv.ts'
import type { CounterUpdate } from '../../src/security/emv/arpc.ts'
import { ApplicationCryptograms } from '../../src/security/emv/arqc.ts'
import { cryptogramVersionOf } from '../../src/security/emv/cryptogram-data.ts'
import { issuerScript, ScriptWriter } from '../../src/security/emv/script.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { ChipCard, type ChipTransaction } from '../../src/simulator/chip-card.ts'
import { ChipIssuer } from '../../src/simulator/chip-issuer.ts'
import { type ChipVersion, chipVersionOf, chipVersions } from '../../src/simulator/chip-record.ts'
import { demoKeys } from '../../src/simulator/demo-keys.ts'
import { panOf } from '../../src/simulator/demo-world.ts'

const keys = demoKeys(1)
const chips = new ChipIssuer(keys)
/** The issuer's side has its own object, as in a switch. */
const issuer = new ApplicationCryptograms(Buffer.from(keys.imkAc, 'hex'), 'B')
const purchase: ChipTransaction = { amountPiasters: 12_345, type: '00', date: 20_261_111, onlinePin: true }

function cardOf(version: ChipVersion, household = 7, atc = 0): ChipCard {
  return new ChipCard(chips, { pan: panOf(household), psn: '01', pin: '1234' }, version, { atc })
}

function tagsOf(chipData: Buffer): ChipTags['value'] {
  const tags = new ChipTags()
  if (!tags.read(chipData)) throw new Error('chip data can be read')
  return tags.value
}

const hex = (value: Uint8Array | undefined) => (value === undefined ? undefined : Buffer.from(value).toString('hex'))

/** Tag 91 of the issuer over what the card sent. */
function answerTo(
  card: ChipCard,
  chipData: Buffer,
  approve: boolean,
  more: { pinTries?: number; counters?: CounterUpdate } = {},
): Buffer {
  if (!issuer.verify(card.identity, tagsOf(chipData))) throw new Error('the cryptogram is right')
  const statusUpdate = { approve, counters: 'reset' as const, ...more }
  const value = issuer.answer({ responseCode: approve ? '00' : '05', statusUpdate })
  return formatBerTlv([{ tag: '91', value }])
}

/** An issuer script for the transaction of this chip data. */
function scriptFor(card: ChipCard, chipData: Buffer, write: (writer: ScriptWriter) => Buffer[], from = keys.imkSmi) {
  const value = tagsOf(chipData)
  const { script } = cryptogramVersionOf(value(0x9f10) ?? Buffer.alloc(0))
  const transaction = { counter: value(0x9f36) ?? Buffer.alloc(0), cryptogram: value(0x9f26) ?? Buffer.alloc(0) }
  const scriptKeys = { integrity: new DesKey(Buffer.from(from, 'hex')), option: 'B' as const }
  return issuerScript('72', write(new ScriptWriter(scriptKeys, card.identity, script, transaction)))
}

test('the three versions go round the households', async (t) => {
  t.same([1, 2, 3, 4, 5, 6].map(chipVersionOf), [0x12, 0x22, 0x0a, 0x12, 0x22, 0x0a])
})

for (const version of chipVersions) {
  const name = `version ${version.toString(16)}`

  test(`${name}: what the card says of a transaction`, async (t) => {
    const card = cardOf(version, 7, 41)
    const value = tagsOf(card.authorize({ ...purchase, cashbackPiasters: 345, unpredictable: 0xdeadbeef }))
    t.equal(card.atc, 42)
    const said = [0x9f02, 0x9f03, 0x9f1a, 0x95, 0x5f2a, 0x9a, 0x9c, 0x9f37, 0x9f36, 0x9f27, 0x9f34, 0x5f34]
    t.same(
      said.map((tag) => hex(value(tag))),
      [
        ...['000000012345', '000000000345', '0818', '8000040000', '0818', '261111'],
        ...['00', 'deadbeef', '002a', '80', '020000', '01'],
      ],
    )
    t.equal(cryptogramVersionOf(value(0x9f10) ?? Buffer.alloc(0)).cvn, version)
    const withoutPin = tagsOf(card.authorize({ ...purchase, type: '31', onlinePin: false }))
    t.same([hex(withoutPin(0x95)), hex(withoutPin(0x9f34)), hex(withoutPin(0x9c))], ['8000000000', '1f0000', '31'])
    const random = tagsOf(card.authorize(purchase))(0x9f37)
    t.not(hex(random), hex(tagsOf(card.authorize(purchase))(0x9f37)), 'the terminal takes another number each time')
  })

  test(`${name}: the issuer finds every cryptogram right, and none that was changed`, async (t) => {
    const card = cardOf(version)
    const covered = [0x9f02, 0x9f03, 0x9f1a, 0x95, 0x5f2a, 0x9a, 0x9c, 0x9f37, 0x82, 0x9f36, 0x9f10, 0x9f26]
    fc.assert(
      fc.property(
        fc.record({
          amountPiasters: fc.integer({ min: 0, max: 999_999_999_999 }),
          cashbackPiasters: fc.integer({ min: 0, max: 999_999_999_999 }),
          type: fc.constantFrom('00', '01', '09', '31'),
          date: fc.constantFrom(20_261_111, 20_280_229),
          onlinePin: fc.boolean(),
          unpredictable: fc.integer({ min: 0, max: 0xffff_ffff }),
        }),
        fc.constantFrom(...covered),
        fc.nat({ max: 7 }),
        (transaction, tag, bit) => {
          const data = card.authorize(transaction)
          const value = tagsOf(data)
          if (!issuer.verify(card.identity, value)) return false
          const touched = value(tag) as Uint8Array
          const last = touched.length - 1
          // The last byte of issuer data: of the card's results in the older layout, of the filler in the newer one.
          touched[last] = (touched[last] as number) ^ (1 << bit)
          return !issuer.verify(card.identity, value)
        },
      ),
      { numRuns: 60 },
    )
    const another = { pan: panOf(8), psn: '01' }
    t.notOk(issuer.verify(another, tagsOf(card.authorize(purchase))), 'nor that of another card')
  })

  test(`${name}: the card knows its issuer's answer`, async (t) => {
    const card = cardOf(version)
    for (const approve of [true, false]) {
      const answer = answerTo(card, card.authorize(purchase), approve)
      t.match(card.receive(answer), { authentication: 'right', approved: approve, script: [] })
    }
    const late = answerTo(card, card.authorize(purchase), true)
    card.authorize(purchase)
    t.match(card.receive(late), { authentication: 'wrong', approved: undefined }, 'an answer to another transaction')
    const data = card.authorize(purchase)
    for (const other of [1, 2]) cardOf(version, other).authorize(purchase)
    t.match(card.receive(answerTo(card, data, true)), { authentication: 'right' }, 'other cards were used meanwhile')
    for (const at of [0, 1]) {
      const forged = answerTo(card, card.authorize(purchase), true)
      const last = at === 0 ? 2 : forged.length - 1
      forged[last] = (forged[last] as number) ^ 1
      t.match(card.receive(forged), { authentication: 'wrong' }, `byte ${last} was changed`)
    }
    const second = tagsOf(card.authorize(purchase))(0x9f10)?.[version === 0x22 ? 4 : 5]
    t.equal(second, 0x08, 'and it says so in its next transaction')
    t.match(card.receive(Buffer.from('9103010203', 'hex')), { authentication: 'wrong' }, 'too short to be one')
    card.authorize(purchase)
    t.match(card.receive(undefined), { authentication: 'absent', approved: undefined })
    t.throws(() => card.receive(undefined), { code: 'ASSERTION_FAILED' }, 'there is one answer to a transaction')
  })

  test(`${name}: a script unblocks the PIN, and only the issuer's`, async (t) => {
    const card = cardOf(version)
    for (const wrong of ['0000', '1111', '2222']) t.notOk(card.checkPin(wrong))
    t.equal(card.pinTriesLeft, 0)
    t.notOk(card.checkPin('1234'), 'the right PIN comes too late')
    const unblock = (writer: ScriptWriter) => [writer.pinUnblock()]
    const data = card.authorize(purchase)
    t.equal(tagsOf(data)(0x9f10)?.[version === 0x22 ? 4 : 5], 0x40, 'the card says that its tries are used up')

    const forged = scriptFor(card, data, unblock, keys.imkSmc)
    t.same(card.receive(forged).script, [{ instruction: 0x24, done: false }], 'a MAC under another key')
    t.equal(card.pinTriesLeft, 0)
    const before = scriptFor(card, data, unblock)
    card.authorize(purchase)
    t.same(card.receive(before).script, [{ instruction: 0x24, done: false }], 'a script of the transaction before')

    const right = card.authorize(purchase)
    const script = scriptFor(card, right, unblock)
    const answer = Buffer.concat([answerTo(card, right, true), script])
    t.match(card.receive(answer), { authentication: 'right', script: [{ instruction: 0x24, done: true }] })
    t.equal(card.pinTriesLeft, 3)
    t.ok(card.checkPin('1234'))
    t.equal(tagsOf(card.authorize(purchase))(0x9f10)?.[version === 0x22 ? 5 : 6], 0x10, 'one command is reported')
  })

  test(`${name}: two commands, and one that fails`, async (t) => {
    const card = cardOf(version)
    const data = card.authorize(purchase)
    const both = scriptFor(card, data, (writer) => [writer.applicationBlock(), writer.applicationUnblock()])
    t.same(
      card.receive(both).script.map(({ done }) => done),
      [true, true],
    )
    t.notOk(card.blocked)
    const next = card.authorize(purchase)
    const broken = scriptFor(card, next, (writer) => {
      const first = writer.applicationBlock()
      first[first.length - 1] = (first.at(-1) as number) ^ 1
      return [first, writer.pinUnblock()]
    })
    t.same(card.receive(broken).script, [{ instruction: 0x1e, done: false }], 'the card stops there')
    const last = card.authorize(purchase)
    card.receive(scriptFor(card, last, (writer) => [writer.applicationBlock()]))
    t.ok(card.blocked)
    const declined = tagsOf(card.authorize(purchase))
    t.same([hex(declined(0x9f27)), declined(0x9f10)?.[version === 0x22 ? 3 : 4]], ['00', 0x80], 'it declines by itself')
    t.ok(issuer.verify(card.identity, declined), 'and proves that')
  })
}

test('version 12: node:crypto comes to the same', async (t) => {
  const card = cardOf(0x12, 99)
  const value = tagsOf(card.authorize(purchase))
  const updates = [Buffer.from('00820000', 'hex'), Buffer.from('00000000', 'hex')] as const
  const answers = verifyCryptogram18(Buffer.from(keys.imkAc, 'hex'), card.identity.pan, '01', value, updates)
  t.ok(answers !== undefined, 'the cryptogram is right')
  t.match(card.receive(formatBerTlv([{ tag: '91', value: answers?.[0] ?? Buffer.alloc(0) }])), {
    authentication: 'right',
    approved: true,
  })
})

test('a status update can give PIN tries', async (t) => {
  const card = cardOf(0x12)
  card.checkPin('0000')
  t.equal(card.pinTriesLeft, 2)
  card.receive(answerTo(card, card.authorize(purchase), true, { pinTries: 3 }))
  t.equal(card.pinTriesLeft, 3)
})

test('a chip that has counted to its end makes no more transactions', async (t) => {
  const card = cardOf(0x12, 7, 65_534)
  t.ok(card.authorize(purchase))
  t.throws(() => card.authorize(purchase), { code: 'BAD_INPUT', message: /no transaction counter left/ })
})

import { createHmac, randomBytes } from 'node:crypto'
import t from 'tap'
import { readAssertion } from '../../src/security/assertion.ts'
import { cvv, icvv } from '../../src/security/card-values/cvv.ts'
import { TdesDukpt } from '../../src/security/dukpt/tdes.ts'
import { ApplicationCryptograms } from '../../src/security/emv/arqc.ts'
import { ProtectionKey } from '../../src/security/key-blocks/derive.ts'
import { wrapKeyBlock } from '../../src/security/key-blocks/wrap.ts'
import type { KeyRecord } from '../../src/security/keys/key-record.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { encipherPinBlock } from '../../src/security/pin/pin-cipher.ts'
import { generatePvv } from '../../src/security/pin/pvv.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { setOddParity } from '../../src/security/primitives/key-checks.ts'
import type { PinCheck, Verdict } from '../../src/security/security-module.ts'
import { SoftwareModule } from '../../src/security/software-module.ts'
import { bytesOf, keyRecordOf } from '../support/pan-keys.ts'

const PAN = '4000000000000127'
const OTHER_PAN = '4000000000000226'
const FAR_PAN = '4000009876543210'
const PIN = Uint8Array.of(4, 7, 1, 1)
const nowMs = Date.UTC(2026, 10, 21)

/** A double-length key that a text stands for. */
function tdes(text: string): Buffer {
  const key = Buffer.from(bytesOf(text).subarray(0, 16))
  setOddParity(key)
  return key
}

function moduleWith(...make: ((ring: KeyRing) => KeyRecord)[]): { module: SoftwareModule; ring: KeyRing } {
  const ring = new KeyRing(bytesOf('protection'))
  ring.load(make.map((one) => one(ring)))
  return { ring, module: new SoftwareModule(ring, () => nowMs) }
}

const key =
  (name: string, bytes: Uint8Array, fields: Parameters<typeof keyRecordOf>[3] = {}) =>
  (ring: KeyRing) =>
    keyRecordOf(ring, name, bytes, fields)

const pvk = tdes('pvk')
const zpk = tdes('zpk')
const pvv = generatePvv(new DesKey(pvk), PAN, '1', PIN)

function blockOf(under: Uint8Array, format: 0 | 3, pin = PIN, pan = PAN): Uint8Array {
  const block = new Uint8Array(8)
  encipherPinBlock({ format, key: new DesKey(under) }, pin, pin.length, pan, block)
  return block
}

function pinCheck(fields: Partial<PinCheck> = {}): PinCheck {
  return {
    key: { kind: 'zone', name: 'zpk:ascii' },
    block: blockOf(zpk, 0),
    format: undefined,
    pan: PAN,
    reference: { method: 'pvv', name: 'pvk', keyIndex: 1, pvv },
    ...fields,
  }
}

t.test('a PIN is verified under the zone key, in the formats a message may have', async (t) => {
  const { module } = moduleWith(key('zpk:ascii', zpk), key('pvk', pvk))
  t.equal(module.verifyPin(pinCheck()), 'matched')
  t.equal(module.verifyPin(pinCheck({ block: blockOf(zpk, 3) })), 'matched', 'format 3')
  t.equal(module.verifyPin(pinCheck({ block: blockOf(zpk, 3), format: 3 })), 'matched', 'format 3, as said')
  t.equal(module.verifyPin(pinCheck({ block: blockOf(zpk, 0, Uint8Array.of(4, 7, 1, 2)) })), 'not-matched')
})

t.test('forged PIN blocks are unverifiable, never a wrong try', async (t) => {
  const { module } = moduleWith(key('zpk:ascii', zpk), key('pvk', pvk), key('mak:ascii', tdes('mak')))
  const cases: Record<string, Partial<PinCheck>> = {
    'under another key': { block: blockOf(tdes('another'), 0) },
    'of another card': { block: blockOf(zpk, 0, PIN, OTHER_PAN) },
    'in another format than the message says': { block: blockOf(zpk, 3), format: 0 },
    'cut off': { block: blockOf(zpk, 0).subarray(0, 7) },
    'random bytes': { block: randomBytes(8) },
    'of 16 bytes under a DES key': { block: randomBytes(16) },
    'for a link without a key': { key: { kind: 'zone', name: 'zpk:nowhere' } },
    'under a key for another purpose': { key: { kind: 'zone', name: 'mak:ascii' } },
    'under a version that is not there': { key: { kind: 'zone', name: 'zpk:ascii', version: 9 } },
    'with a reference key that is not there': { reference: { method: 'pvv', name: 'none', keyIndex: 1, pvv } },
  }
  for (const [what, fields] of Object.entries(cases)) t.equal(module.verifyPin(pinCheck(fields)), 'unverifiable', what)
  // The fill of format 3 is random, so that another PAN may leave it looking like fill: the PIN is then a wrong one.
  for (let n = 0; n < 50; n++) {
    t.not(
      module.verifyPin(pinCheck({ block: blockOf(zpk, 3, PIN, FAR_PAN), pan: FAR_PAN })),
      'matched',
      'a PIN of another card',
    )
  }
})

t.test('old and new zone keys both open blocks; the first under the new one is told', async (t) => {
  const next = tdes('zpk 2')
  const { module, ring } = moduleWith(key('zpk:ascii', zpk), key('zpk:ascii', next, { version: 2 }), key('pvk', pvk))
  const at = (index: number, under: Uint8Array) =>
    module.verifyPin(pinCheck({ block: blockOf(under, 0), key: { kind: 'zone', name: 'zpk:ascii', index } }))
  t.strictSame([at(2, zpk), at(3, zpk), at(0, zpk)], ['unverifiable', 'unverifiable', 'unverifiable'], 'other indexes')
  t.equal(at(1, zpk), 'matched', 'the first index')
  const used: string[] = []
  module.onNewestUsed = (name, version) => used.push(`${name} ${version}`)
  t.equal(module.verifyPin(pinCheck()), 'matched', 'under the old one')
  t.strictSame(used, [])
  t.equal(module.verifyPin(pinCheck({ block: blockOf(next, 0) })), 'matched', 'under the new one')
  t.strictSame(used, ['zpk:ascii 2'])
  t.strictSame(
    [at(1, next), at(2, next)],
    ['matched', 'matched'],
    'a peer with one place for its key, and one with two',
  )
  used.length = 1
  ring.load([
    keyRecordOf(ring, 'zpk:ascii', zpk, { status: 'retired' }),
    keyRecordOf(ring, 'zpk:ascii', next, { version: 2 }),
    keyRecordOf(ring, 'pvk', pvk),
  ])
  t.equal(module.verifyPin(pinCheck()), 'unverifiable', 'retired')
  t.equal(module.verifyPin(pinCheck({ block: blockOf(next, 0) })), 'matched')
  t.strictSame([at(1, next), at(2, next)], ['matched', 'matched'], 'it stays where it was put')
  t.strictSame(used, ['zpk:ascii 2'], 'one version is nothing to tell')
})

t.test('a key is used in its time only', async (t) => {
  const ring = new KeyRing(bytesOf('protection'))
  let now = nowMs
  const module = new SoftwareModule(ring, () => now)
  const times = { validFromMs: nowMs, validToMs: nowMs + 1_000 }
  ring.load([keyRecordOf(ring, 'zpk:ascii', zpk, times), keyRecordOf(ring, 'pvk', pvk)])
  const at = (instant: number): Verdict => {
    now = instant
    return module.verifyPin(pinCheck())
  }
  t.equal(at(nowMs - 1), 'unverifiable', 'before')
  t.equal(at(nowMs), 'matched')
  t.equal(at(nowMs + 999), 'matched')
  t.equal(at(nowMs + 1_000), 'unverifiable', 'after')
  t.equal(at(nowMs + 500), 'matched', 'a clock that goes back')
})

t.test('a DUKPT terminal has a key for each block', async (t) => {
  const bdk = tdes('bdk')
  const { module } = moduleWith(key('bdk', bdk), key('pvk', pvk))
  const serial = Buffer.from('FFFF9876543210E00003', 'hex')
  const working = new Uint8Array(16)
  new TdesDukpt(bdk).workingKey(serial, 'pin', working)
  const block = blockOf(working, 0)
  t.equal(module.verifyPin(pinCheck({ block, key: { kind: 'dukpt', name: 'bdk', serial } })), 'matched')
  const next = Buffer.from('FFFF9876543210E00004', 'hex')
  t.equal(module.verifyPin(pinCheck({ block, key: { kind: 'dukpt', name: 'bdk', serial: next } })), 'unverifiable')
  const zero = Buffer.from('FFFF9876543210E00000', 'hex')
  t.equal(module.verifyPin(pinCheck({ block, key: { kind: 'dukpt', name: 'bdk', serial: zero } })), 'unverifiable')
})

t.test('terminals of a link have a base key of their own, beside that of all', async (t) => {
  const [own, shared] = [tdes('bdk of ascii'), tdes('bdk')]
  const { module } = moduleWith(key('bdk:ascii', own), key('bdk', shared), key('pvk', pvk))
  const serial = Buffer.from('FFFF9876543210E00003', 'hex')
  const under = (bdk: Buffer) => {
    const working = new Uint8Array(16)
    new TdesDukpt(bdk).workingKey(serial, 'pin', working)
    return blockOf(working, 0)
  }
  const verdict = (bdk: Buffer, link: string) =>
    module.verifyPin(
      pinCheck({ block: under(bdk), key: { kind: 'dukpt', name: `bdk:${link}`, shared: 'bdk', serial } }),
    )
  t.equal(verdict(own, 'ascii'), 'matched')
  t.equal(verdict(shared, 'ascii'), 'matched')
  t.equal(verdict(shared, 'visa'), 'matched')
  t.equal(verdict(own, 'visa'), 'unverifiable', 'and no key of another link')
})

t.test('a PIN block goes on to another zone, by the rules', async (t) => {
  const other = tdes('other zone')
  const { module } = moduleWith(key('zpk:ascii', zpk), key('zpk:visa', other), key('pvk', pvk))
  const order = { from: { kind: 'zone', name: 'zpk:ascii' }, to: 'zpk:visa', pan: PAN, fromFormat: undefined } as const
  const block = module.translatePin({ ...order, block: blockOf(zpk, 3), toFormat: 0 })
  t.equal(module.verifyPin(pinCheck({ block, key: { kind: 'zone', name: 'zpk:visa' } })), 'matched')
  const refused = { code: 'CRYPTO_REFUSED' }
  t.throws(
    () => module.translatePin({ ...order, block: blockOf(zpk, 0), toFormat: 1 }),
    refused,
    'a PAN is not taken off',
  )
  t.throws(() => module.translatePin({ ...order, block: blockOf(other, 0), toFormat: 0 }), refused, 'another key')
  t.throws(() => module.translatePin({ ...order, pan: OTHER_PAN, block: blockOf(zpk, 0), toFormat: 0 }), refused)
})

t.test('card values: the stripe, the chip and the panel each have their own', async (t) => {
  const cvk = tdes('cvk')
  const { module } = moduleWith(key('cvk', cvk))
  const cipher = new DesKey(cvk)
  const check = { name: 'cvk', pan: PAN, expiry: '3012', serviceCode: '201' }
  const stripe = cvv(cipher, PAN, '3012', '201')
  const chip = icvv(cipher, PAN, '3012')
  t.equal(module.verifyCardValue({ ...check, kind: 'cvv', value: stripe }), 'matched')
  t.equal(module.verifyCardValue({ ...check, kind: 'icvv', value: chip }), 'matched')
  t.equal(module.verifyCardValue({ ...check, kind: 'cvv', value: chip }), 'not-matched', 'a stripe made from a chip')
  t.equal(module.verifyCardValue({ ...check, kind: 'cvv', pan: OTHER_PAN, value: stripe }), 'not-matched')
  t.equal(module.verifyCardValue({ ...check, kind: 'cvv', expiry: '3112', value: stripe }), 'not-matched')
  t.equal(module.verifyCardValue({ ...check, kind: 'cvv', value: 'abc' }), 'not-matched')
  t.equal(module.verifyCardValue({ ...check, kind: 'cvv', expiry: 'x', value: stripe }), 'unverifiable')
  t.equal(module.verifyCardValue({ ...check, name: 'none', kind: 'cvv', value: stripe }), 'unverifiable')
})

const imk = tdes('imk-ac')
const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
const transaction: Record<number, Uint8Array> = {
  40706: hex('000000004000'),
  40707: hex('000000000000'),
  40730: hex('0818'),
  149: hex('8000048000'),
  24362: hex('0818'),
  154: hex('261121'),
  156: hex('01'),
  40759: hex('52BF4585'),
  130: hex('1800'),
  40758: hex('001C'),
}
const issuerData: Record<string, string> = {
  10: '06010A03A0B800',
  18: '06011203A0B800',
  'hex 22': `1F2201A0B8000000${'00'.repeat(24)}`,
}

function chipOf(
  iad: string,
  changes: Record<number, Uint8Array | undefined> = {},
): (tag: number) => Uint8Array | undefined {
  const tags: Record<number, Uint8Array | undefined> = { ...transaction, 40720: hex(iad) }
  const cryptogram = new Uint8Array(8)
  new ApplicationCryptograms(imk, 'B').generate({ pan: PAN, psn: '01' }, (tag) => tags[tag], cryptogram)
  const sent = { ...tags, 40742: cryptogram, ...changes }
  return (tag) => sent[tag as keyof typeof sent]
}

t.test('cryptograms of each version are right, and answered so that the card can tell', async (t) => {
  const { module } = moduleWith(key('imk-ac', imk))
  for (const [cvn, iad] of Object.entries(issuerData)) {
    const chip = chipOf(iad)
    const outcome = module.verifyCryptogram({ name: 'imk-ac', pan: PAN, psn: '01', chip })
    t.equal(outcome.verdict, 'matched', `CVN ${cvn}`)
    const card = new ApplicationCryptograms(imk, 'B')
    card.generate({ pan: PAN, psn: '01' }, chip, new Uint8Array(8))
    const approved = card.readAnswer(outcome.answers?.approved ?? new Uint8Array(0))
    t.ok(approved?.responseCode === '00' || approved?.statusUpdate?.approve === true, 'the card learns of the approval')
    const declined = card.readAnswer(outcome.answers?.declined ?? new Uint8Array(0))
    t.ok(declined?.responseCode === '05' || declined?.statusUpdate?.approve === false, 'and of the decline')
  }
})

t.test('forged cryptograms', async (t) => {
  const { module } = moduleWith(key('imk-ac', imk))
  const verdict = (fields: { pan?: string; psn?: string; chip?: ReturnType<typeof chipOf>; name?: string }) =>
    module.verifyCryptogram({ name: 'imk-ac', pan: PAN, psn: '01', chip: chipOf(issuerData[18] ?? ''), ...fields })
  for (const iad of Object.values(issuerData)) {
    for (const tag of Object.keys(transaction).map(Number)) {
      const value = Uint8Array.from(transaction[tag] ?? [])
      value[value.length - 1] = (value.at(-1) ?? 0) ^ 1
      t.equal(
        verdict({ chip: chipOf(iad, { [tag]: value }) }).verdict,
        'not-matched',
        `tag ${tag.toString(16)} changed`,
      )
      t.equal(verdict({ chip: chipOf(iad, { [tag]: undefined }) }).verdict, 'unverifiable', 'left out')
    }
  }
  t.equal(verdict({ pan: OTHER_PAN }).verdict, 'not-matched', 'another card')
  t.equal(verdict({ psn: '02' }).verdict, 'not-matched', 'another sequence number')
  t.equal(verdict({ chip: chipOf(issuerData[18] ?? '', { 40742: hex('0011223344556677') }) }).verdict, 'not-matched')
  t.equal(
    verdict({ chip: chipOf(issuerData[18] ?? '', { 40742: hex('00112233') }) }).verdict,
    'unverifiable',
    'cut off',
  )
  t.equal(verdict({ chip: chipOf(issuerData[18] ?? '', { 40720: hex('06017703A0B800') }) }).verdict, 'unverifiable')
  const wrong = verdict({ pan: OTHER_PAN })
  t.equal(wrong.answers, undefined, 'and nothing is signed for it')
  t.equal(verdict({ name: 'none' }).verdict, 'unverifiable')
})

t.test('message MACs', async (t) => {
  const { module } = moduleWith(key('mak:ascii', tdes('mak')), key('zpk:ascii', zpk))
  const data = Buffer.from('0200some message on the wire')
  const mac = module.generateMac('mak:ascii', data)
  t.equal(mac.length, 8)
  t.equal(module.verifyMac('mak:ascii', data, mac), 'matched')
  t.equal(module.verifyMac('mak:ascii', data.subarray(1), mac), 'not-matched')
  t.equal(module.verifyMac('mak:ascii', data, mac.subarray(0, 4)), 'unverifiable', 'a cut MAC is none')
  t.equal(module.verifyMac('mak:ascii', data, new Uint8Array(8)), 'not-matched')
  t.throws(() => module.generateMac('zpk:ascii', data), { code: 'CRYPTO_REFUSED' }, 'a PIN key makes no MAC')
  t.throws(() => module.generateMac('mak:none', data), { code: 'CRYPTO_REFUSED' })
})

t.test('biometric assertions are bound to their message', async (t) => {
  const device = bytesOf('reader')
  const { module } = moduleWith(key('bio:00000001', device))
  const head = Buffer.from(`0100000001${'11'.repeat(8)}010101${'22'.repeat(8)}6920A000${'33'.repeat(8)}`, 'hex')
  const bound = `${PAN}|000000004000|000123|H0001001`
  const mac = createHmac('sha256', device).update(head).update(bound).digest().subarray(0, 16)
  const token = Buffer.concat([head, mac])
  const verdict = (bytes: Uint8Array, text = bound) => {
    const read = readAssertion(bytes, text)
    if (read === undefined) return 'not a token'
    return module.verifyAssertion({ name: `bio:${read.keyId}`, signed: read.signed, mac: read.mac })
  }
  t.match(readAssertion(token, bound), {
    keyId: '00000001',
    matched: true,
    signedAtMs: 0x6920a000 * 1_000,
    nonce: '33'.repeat(8),
  })
  t.equal(verdict(token), 'matched')
  t.equal(verdict(token, `${OTHER_PAN}|000000004000|000123|H0001001`), 'not-matched', 'of another card')
  t.equal(verdict(token, `${PAN}|000000004001|000123|H0001001`), 'not-matched', 'over another amount')
  const decided = Buffer.from(token)
  decided[13] = 0
  t.equal(verdict(decided), 'not-matched', 'with another decision')
  t.equal(verdict(token.subarray(0, 51)), 'not a token')
  const unknown = Buffer.from(token)
  unknown[4] = 9
  t.equal(verdict(unknown), 'unverifiable', 'of a reader nobody knows')
})

t.test('keys come and go as blocks, for their purpose and where they may', async (t) => {
  const kek = bytesOf('kek')
  const { module, ring } = moduleWith(
    (own) => ({ ...keyRecordOf(own, 'pvk', pvk) }),
    (own) => {
      const protectedKek = new SoftwareModule(own, () => nowMs).protect(
        { usage: 'K0', algorithm: 'A', modeOfUse: 'B', exportability: 'N' },
        kek,
      )
      return { ...protectedKek, name: 'kek:ascii', version: 1, status: 'active', validFromMs: 0, validToMs: undefined }
    },
    key('zpk:ascii', zpk),
  )
  const block = module.exportKeyBlock('zpk:ascii', 1, 'kek:ascii')
  t.notMatch(block, ring.versions('zpk:ascii')[0]?.record.block ?? '', 'under the peer’s key, not the master key')
  const again = module.importKeyBlock(block, 'kek:ascii', { usage: 'P0' })
  t.equal(again.checkValue, ring.versions('zpk:ascii')[0]?.record.checkValue)
  const refused = { code: 'CRYPTO_REFUSED' }
  t.throws(() => module.importKeyBlock(block, 'kek:ascii', { usage: 'M3' }), refused, 'a PIN key is no MAC key')
  t.throws(() => module.importKeyBlock(block, 'zpk:ascii', { usage: 'P0' }), refused, 'a PIN key opens no blocks')
  t.throws(() => module.exportKeyBlock('kek:ascii', 1, 'kek:ascii'), refused, 'what may not leave')
  t.throws(() => module.exportKeyBlock('zpk:ascii', 2, 'kek:ascii'), { code: 'NOT_FOUND' })
  const old = wrapKeyBlock(
    new ProtectionKey('C', tdes('old kek')),
    {
      version: 'C',
      usage: 'P0',
      algorithm: 'T',
      modeOfUse: 'B',
      keyVersion: '00',
      exportability: 'E',
      keyContext: '0',
      optionalBlocks: [],
    },
    zpk,
  )
  t.throws(() => module.importKeyBlock(old, 'kek:ascii', { usage: 'P0' }), refused, 'nor in an old version of blocks')
  const made = module.generateKey({ usage: 'P0', algorithm: 'T', modeOfUse: 'B', exportability: 'E', keyBytes: 16 })
  ring.load([{ ...made, name: 'zpk:new', version: 1, status: 'active', validFromMs: 0, validToMs: undefined }])
  t.equal(ring.accepted('zpk:new', nowMs).length, 1)
})

t.test('a ring takes no key that is not what its record says, and stays as it was', async (t) => {
  const { ring } = moduleWith(key('zpk:ascii', zpk))
  const good = keyRecordOf(ring, 'pvk', pvk)
  const refused = { code: 'CRYPTO_REFUSED', message: /pvk version 1/ }
  t.throws(() => ring.load([{ ...good, checkValue: '000000' }]), refused)
  t.throws(() => ring.load([{ ...good, usage: 'C0' }]), refused)
  t.throws(
    () => ring.load([{ ...good, block: good.block.replace(/.$/, (last) => (last === '0' ? '1' : '0')) }]),
    refused,
  )
  t.throws(() => ring.load([keyRecordOf(new KeyRing(bytesOf('another master key')), 'pvk', pvk)]), refused)
  t.throws(() => ring.load([keyRecordOf(ring, 'pvk', Buffer.alloc(16, 1))]), refused, 'a weak key')
  t.equal(ring.accepted('zpk:ascii', nowMs).length, 1, 'what was there is still there')
  ring.load([good])
  t.throws(() => ring.load([{ ...good, usage: 'C0' }]), refused, 'also when the block is known')
})

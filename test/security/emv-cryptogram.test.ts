import fc from 'fast-check'
import t from 'tap'
import type { IssuerDecision } from '../../src/security/emv/arpc.ts'
import { parseStatusUpdate } from '../../src/security/emv/arpc.ts'
import { ApplicationCryptograms } from '../../src/security/emv/arqc.ts'
import {
  CRYPTOGRAM_DATA_MAX,
  cryptogramVersionOf,
  cryptogramVersions,
  writeCryptogramData,
} from '../../src/security/emv/cryptogram-data.ts'
import { issuerDataLayout } from '../../src/security/emv/issuer-data.ts'
import {
  anyBytes,
  anyDigits,
  bytes,
  chipOf,
  fromHex,
  hex,
  holds,
  opensslRetailMac,
  opensslTdes,
  padded,
  tagsOf,
  text,
  vectorsOf,
  withParity,
} from './emv-support.ts'

const FILE = 'crypto-emv.json'
const issuerKey = fromHex('0123456789ABCDEFFEDCBA9876543210')
const card = { pan: '1234567890123456', psn: '00' }
const elements = ['9F02', '9F03', '9F1A', '95', '5F2A', '9A', '9C', '9F37', '82', '9F36']
const contactless = ['9F02', '9F37', '9F36']

const issuerData = {
  '0A': '06010A03A06010',
  '11': '06011103A06010',
  '12': '06011203A0B800',
  '22': `1F220103A0B80000${'00'.repeat(24)}`,
}
type Cvn = keyof typeof issuerData
const cvns: readonly Cvn[] = ['0A', '11', '12', '22']

const transaction = {
  '9F02': '000000004000',
  '9F03': '000000000000',
  '9F1A': '0124',
  '95': '8000048000',
  '5F2A': '0124',
  '9A': '191105',
  '9C': '01',
  '9F37': '52BF4585',
  '82': '1800',
  '9F36': '001C',
}

/** What the cryptogram of a version is made over, said a second time and without a table. */
function dataOf(cvn: Cvn, tags: Readonly<Record<string, string>>): Buffer {
  const iad = tags['9F10'] ?? ''
  const part = cvn === '0A' ? iad.slice(6, 14) : cvn === '11' ? iad.slice(8, 10) : iad
  return fromHex((cvn === '11' ? contactless : elements).map((tag) => tags[tag] ?? '').join('') + part)
}

function cryptogramByOpenssl(
  cvn: Cvn,
  key: Uint8Array,
  pan: string,
  psn: string,
  tags: Record<string, string>,
): Buffer {
  const y = fromHex(`${pan}${psn}`.slice(-16).padStart(16, '0'))
  const cardKey = withParity(opensslTdes(key, Buffer.concat([y, y.map((byte) => byte ^ 0xff)])))
  if (cvn === '0A' || cvn === '11') return opensslRetailMac(cardKey, padded(dataOf(cvn, tags), 1))
  const atc = tags['9F36'] ?? ''
  const sessionKey = withParity(opensslTdes(cardKey, fromHex(`${atc}F00000000000${atc}0F0000000000`)))
  return opensslRetailMac(sessionKey, padded(dataOf(cvn, tags), 2))
}

function generate(cryptograms: ApplicationCryptograms, tags: Record<string, string>, of = card): string {
  const out = new Uint8Array(8)
  cryptograms.generate(of, chipOf(tags), out)
  return hex(out)
}

t.test('issuer application data tells key index, version and card verification results in both layouts', async (t) => {
  const read = (text: string) => {
    const data = fromHex(text)
    const { format, cvnAt, dkiAt, cvrAt, cvrBytes } = issuerDataLayout(data)
    return { format, cvn: data[cvnAt], dki: data[dkiAt], cvr: data.subarray(cvrAt, cvrAt + cvrBytes) }
  }
  t.match(read('06FF1203A0B801'), { format: '0/1/3', dki: 0xff, cvn: 0x12, cvr: fromHex('A0B801') })
  t.match(read('06010A03A06010020102'), { dki: 1, cvn: 0x0a, cvr: fromHex('A06010') })
  t.match(read(`1F22070102030405${'EE'.repeat(24)}`), {
    format: '2/4',
    dki: 7,
    cvn: 0x22,
    cvr: fromHex('0102030405'),
  })
})

t.test('issuer application data of another layout is refused', async (t) => {
  for (const value of [
    '',
    '06',
    '06010A03A060',
    '06010A04A06010FF',
    '07010A03A06010',
    '1F220103A0B80000',
    `1F${'00'.repeat(30)}`,
    `1F${'00'.repeat(32)}`,
    `06010A03${'00'.repeat(29)}`,
    '0110A00003220000000000000000000000FF',
  ]) {
    t.throws(() => issuerDataLayout(fromHex(value)), { code: 'BAD_INPUT', message: /9F10/ }, value)
  }
})

t.test('versions are known by number and layout', async (t) => {
  for (const cvn of cvns) t.equal(cryptogramVersionOf(fromHex(issuerData[cvn])).cvn, Number.parseInt(cvn, 16))
  // The vendors' "CVN 22" of decimal fame is 0x16; CVN and DKI exchanged; a version in the other one's layout.
  for (const value of [
    '06011603A0B800',
    `1F012203A0B80000${'00'.repeat(24)}`,
    '06012203A0B800',
    `1F120103A0B80000${'00'.repeat(24)}`,
    '060A0103A06010',
  ]) {
    t.throws(
      () => cryptogramVersionOf(fromHex(value)),
      { code: 'CRYPTO_REFUSED', message: /cryptogram version/ },
      value,
    )
  }
  t.equal(new Set(cryptogramVersions.map(({ cvn }) => cvn)).size, cryptogramVersions.length)
})

t.test('cryptogram data are those published', async (t) => {
  const out = new Uint8Array(CRYPTOGRAM_DATA_MAX)
  for (const vector of vectorsOf(FILE, 'cryptogram-data')) {
    const tags = tagsOf(vector)
    const version = cryptogramVersionOf(fromHex(tags['9F10'] ?? ''))
    const data = out.subarray(0, writeCryptogramData(version, chipOf(tags), out))
    t.equal(hex(vector.padding === 1 ? padded(data, 1) : data), text(vector, 'data'), vector.id)
  }
})

t.test('of an older 9F10 with data of the issuer, CVN 10 takes the results only and CVN 18 all', async (t) => {
  const out = new Uint8Array(CRYPTOGRAM_DATA_MAX)
  for (const [value, part] of [
    ['06010A03A06010020102', '03A06010'],
    ['06011103A06010020102', 'A0'],
    ['06011203A06010020102', '06011203A06010020102'],
  ] as const) {
    const version = cryptogramVersionOf(fromHex(value))
    const data = out.subarray(0, writeCryptogramData(version, chipOf({ ...transaction, '9F10': value }), out))
    t.equal(hex(data).slice(-part.length), part)
    t.equal(data.length, part.length / 2 + (version.cvn === 0x11 ? 12 : 33))
  }
  t.throws(() => writeCryptogramData(cryptogramVersionOf(fromHex(issuerData['22'])), chipOf({}), new Uint8Array(79)), {
    code: 'ASSERTION_FAILED',
  })
})

t.test('a missing tag is refused by its name, and so is one of another length', async (t) => {
  const cryptograms = new ApplicationCryptograms(issuerKey, 'A')
  for (const cvn of cvns) {
    const tags = { ...transaction, '9F10': issuerData[cvn], '9F26': '0000000000000000' }
    const needed = [...(cvn === '11' ? contactless : elements), '9F10', '9F26']
    for (const tag of Object.keys(tags)) {
      const verify = () => cryptograms.verify(card, chipOf({ ...tags, [tag]: undefined }))
      if (!needed.includes(tag)) t.notOk(verify(), `${cvn} does without ${tag}`)
      else t.throws(verify, { code: 'BAD_INPUT', message: new RegExp(`tag ${tag} \\(`) }, `${cvn} without ${tag}`)
    }
    for (const tag of needed.filter((tag) => tag !== '9F10')) {
      const value = tags[tag as keyof typeof tags]
      for (const changed of [`${value}00`, value.slice(2)]) {
        const verify = () => cryptograms.verify(card, chipOf({ ...tags, [tag]: changed }))
        t.throws(verify, { code: 'BAD_INPUT', message: new RegExp(`tag ${tag} .*bytes`) }, `${cvn} with other ${tag}`)
      }
    }
  }
})

t.test('published cryptograms are made, and found right', async (t) => {
  for (const vector of vectorsOf(FILE, 'cryptogram')) {
    const cryptograms = new ApplicationCryptograms(bytes(vector, 'issuerKey'), 'A')
    const of = { pan: text(vector, 'pan'), psn: text(vector, 'psn') }
    const cryptogram = text(vector, 'cryptogram')
    t.equal(generate(cryptograms, tagsOf(vector), of), cryptogram, vector.id)
    t.ok(cryptograms.verify(of, chipOf({ ...tagsOf(vector), '9F26': cryptogram })), vector.id)
  }
})

const anyTransaction = fc.record({
  cvn: fc.constantFrom(...cvns),
  key: anyBytes(16),
  pan: anyDigits(12, 19),
  psn: anyDigits(2, 2),
  values: anyBytes(33),
  results: anyBytes(29),
})

/** Tags with values cut out of random bytes. */
function tagsFrom(cvn: Cvn, values: Uint8Array, results: Uint8Array): Record<string, string> {
  const tags: Record<string, string> = {}
  let at = 0
  for (const [tag, value] of Object.entries(transaction)) {
    tags[tag] = hex(values.subarray(at, at + value.length / 2))
    at += value.length / 2
  }
  const rest = hex(results)
  tags['9F10'] = cvn === '22' ? `1F22${rest.slice(0, 60)}`.padEnd(64, '0') : `0601${cvn}03${rest.slice(0, 6)}`
  return tags
}

t.test('every version agrees with a second implementation', async (t) => {
  holds(
    t,
    fc.property(anyTransaction, ({ cvn, key, pan, psn, values, results }) => {
      const tags = tagsFrom(cvn, values, results)
      const made = generate(new ApplicationCryptograms(key, 'A'), tags, { pan, psn })
      return made === hex(cryptogramByOpenssl(cvn, key, pan, psn, tags))
    }),
    200,
  )
})

t.test('one other bit in anything that is covered, and the cryptogram is wrong', async (t) => {
  const cryptograms = new ApplicationCryptograms(issuerKey, 'A')
  holds(
    t,
    fc.property(anyTransaction, fc.nat(), fc.nat(), ({ cvn, pan, psn, values, results }, where, bit) => {
      const tags = tagsFrom(cvn, values, results)
      const right = { ...tags, '9F26': generate(cryptograms, tags, { pan, psn }) }
      if (!cryptograms.verify({ pan, psn }, chipOf(right))) return false
      const covered = [...(cvn === '11' ? contactless : elements), '9F26', '9F10']
      const tag = covered[where % covered.length] ?? ''
      const value = fromHex(right[tag as keyof typeof right] ?? '')
      // Of 9F10: a bit of the first byte of the results, which every version covers.
      const at = tag === '9F10' ? (cvn === '22' ? 3 : 4) : bit % value.length
      value[at] = (value[at] ?? 0) ^ (1 << (bit & 7))
      return !cryptograms.verify({ pan, psn }, chipOf({ ...right, [tag]: hex(value) }))
    }),
    300,
  )
})

t.test('another card, sequence number, issuer key or option, and the cryptogram is wrong', async (t) => {
  const long = { pan: '1234567890123456789', psn: '01' }
  for (const cvn of cvns) {
    const tags = { ...transaction, '9F10': issuerData[cvn] }
    const cryptograms = new ApplicationCryptograms(issuerKey, 'A')
    const chip = chipOf({ ...tags, '9F26': generate(cryptograms, tags, long) })
    t.ok(cryptograms.verify(long, chip))
    t.notOk(cryptograms.verify({ ...long, pan: '1234567890123456780' }, chip), 'the check digit counts')
    t.notOk(cryptograms.verify({ ...long, psn: '00' }, chip))
    t.notOk(new ApplicationCryptograms(issuerKey, 'B').verify(long, chip))
    t.notOk(new ApplicationCryptograms(issuerKey.toReversed(), 'A').verify(long, chip))
    t.ok(cryptograms.verify(long, chip), 'a wrong one leaves nothing behind')
  }
})

t.test('a cryptogram of CVN 10 is not one of CVN 18: padding and session key differ', async (t) => {
  const cryptograms = new ApplicationCryptograms(issuerKey, 'A')
  const made = new Set(cvns.map((cvn) => generate(cryptograms, { ...transaction, '9F10': issuerData[cvn] })))
  t.equal(made.size, cvns.length)
})

const approved: IssuerDecision = { responseCode: '00', statusUpdate: { approve: true, counters: 'reset' } }
const declined: IssuerDecision = { responseCode: '05', statusUpdate: { approve: false, counters: 'keep' } }

t.test('published answers are made for a cryptogram that was found right', async (t) => {
  for (const vector of vectorsOf(FILE, 'issuer-authentication')) {
    const cryptograms = new ApplicationCryptograms(bytes(vector, 'issuerKey'), 'A')
    t.ok(cryptograms.verify({ pan: text(vector, 'pan'), psn: text(vector, 'psn') }, chipOf(tagsOf(vector))))
    const statusUpdate =
      vector.statusUpdate === undefined ? approved.statusUpdate : parseStatusUpdate(bytes(vector, 'statusUpdate'))
    const answer = cryptograms.answer({ responseCode: text(vector, 'responseCode'), statusUpdate })
    t.equal(hex(answer), text(vector, 'value'), vector.id)
  }
})

t.test('issuer and card understand each other in every version', async (t) => {
  const issuer = new ApplicationCryptograms(issuerKey, 'A')
  const chip = new ApplicationCryptograms(issuerKey, 'A')
  for (const cvn of cvns) {
    const tags = { ...transaction, '9F10': issuerData[cvn] }
    const request = chipOf({ ...tags, '9F26': generate(chip, tags) })
    t.ok(issuer.verify(card, request))
    t.equal(issuer.version.cvn, Number.parseInt(cvn, 16))
    const answers = [issuer.answer(approved), issuer.answer(declined)] as const
    t.notSame(answers[0], answers[1])
    for (const [index, decision] of [approved, declined].entries()) {
      const read = chip.readAnswer(answers[index as 0 | 1])
      if (issuer.version.arpcMethod === 1) t.equal(read?.responseCode, decision.responseCode)
      else t.match(read?.statusUpdate, decision.statusUpdate)
    }
    for (let at = 0; at < answers[0].length; at++) {
      const changed = Buffer.from(answers[0])
      changed[at] = (changed[at] ?? 0) ^ 1
      t.equal(chip.readAnswer(changed), undefined, `${cvn} with byte ${at} changed`)
    }
    t.throws(() => chip.readAnswer(answers[0].subarray(0, 7)), { code: 'BAD_INPUT' })
  }
})

t.test('an answer is bound to its transaction', async (t) => {
  const issuer = new ApplicationCryptograms(issuerKey, 'A')
  const chip = new ApplicationCryptograms(issuerKey, 'A')
  for (const cvn of cvns) {
    const first = { ...transaction, '9F10': issuerData[cvn] }
    const second = { ...first, '9F36': '001D' }
    issuer.verify(card, chipOf({ ...first, '9F26': generate(chip, first) }))
    const answer = issuer.answer(approved)
    generate(chip, second)
    t.equal(chip.readAnswer(answer), undefined)
    generate(chip, first)
    t.ok(chip.readAnswer(answer))
  }
})

t.test('nothing is answered without a cryptogram found right', async (t) => {
  const cryptograms = new ApplicationCryptograms(issuerKey, 'A')
  const tags = { ...transaction, '9F10': issuerData['12'] }
  const right = chipOf({ ...tags, '9F26': '7A788EA6B8A3E733' })
  const nothing = { code: 'ASSERTION_FAILED' }
  t.throws(() => cryptograms.answer(approved), nothing)
  t.ok(cryptograms.verify(card, right))
  t.notOk(cryptograms.verify(card, chipOf({ ...tags, '9F26': '7A788EA6B8A3E732' })))
  t.throws(() => cryptograms.answer(approved), nothing, 'after a wrong one')
  t.ok(cryptograms.verify(card, right))
  t.throws(() => cryptograms.verify(card, chipOf({})), { code: 'BAD_INPUT' })
  t.throws(() => cryptograms.answer(approved), nothing, 'after one that could not be read')
  t.ok(cryptograms.verify(card, right))
  cryptograms.forget()
  t.throws(() => cryptograms.answer(approved), nothing, 'after it was forgotten')
  t.throws(() => cryptograms.version, nothing)
  t.ok(cryptograms.verify(card, right), 'the issuer key is still there')
  cryptograms.wipe()
  t.throws(() => cryptograms.verify(card, right), nothing)
  t.throws(() => new ApplicationCryptograms(issuerKey.subarray(0, 8), 'A'), nothing)
})

t.test('a card number does not get into an error', async (t) => {
  const cryptograms = new ApplicationCryptograms(issuerKey, 'A')
  const chip = chipOf({ ...transaction, '9F10': issuerData['12'], '9F26': '7A788EA6B8A3E733' })
  t.throws(() => cryptograms.verify({ pan: '4000001234567F', psn: '00' }, chip), {
    code: 'BAD_INPUT',
    message: /^[^0-9]*12 to 19 digits$/,
  })
})

import { createCipheriv, createHmac } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { ensurePanKeys } from '../../src/security/pan-keys.ts'
import { panProtection } from '../../src/security/pan-protection.ts'
import { SoftwareModule } from '../../src/security/software-module.ts'
import { bytesOf, keyRecordOf, panKeysOf, panProtectionOf } from '../support/pan-keys.ts'

const pan = '4000001234567899'
const nowMs = Date.UTC(2026, 10, 22)
const refused = { code: 'CRYPTO_REFUSED' }
const unreadable = { code: 'BAD_INPUT', message: /cannot be decrypted/ }

function ringOf(versions = 1): KeyRing {
  const ring = new KeyRing(bytesOf('protection'))
  ring.load(panKeysOf(ring, 'tests', versions))
  return ring
}

const bytes = (index: string) => Buffer.from(index, 'latin1')

t.test('the index is HMAC-SHA256 under the key pan-index, cut to 16 bytes', async (t) => {
  const { index } = panProtection(ringOf(), () => nowMs)
  const key = bytesOf('tests, index')
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9]{0,37}$/), (digits) => {
      return index(digits) === createHmac('sha256', key).update(digits).digest().subarray(0, 16).toString('latin1')
    }),
  )
  t.not(panProtectionOf('others').index(pan), index(pan))
  t.throws(() => index('0'.repeat(38)), { code: 'ASSERTION_FAILED' })
})

t.test('a PAN is read back, and only with its own index, key and bytes', async (t) => {
  const { index, encrypt, decrypt } = panProtection(ringOf(), () => nowMs)
  const own = bytes(index(pan))
  const encrypted = encrypt(pan)
  t.equal(encrypted.keyVersion, 1)
  t.equal(decrypt(encrypted, own), pan)
  t.notOk(encrypt(pan).bytes.equals(encrypted.bytes), 'each time under another nonce')
  t.throws(() => decrypt(encrypted, bytes(index('4000001234567881'))), unreadable)
  t.throws(() => panProtectionOf('others').decrypt(encrypted, own), unreadable)
  for (let at = 0; at < encrypted.bytes.length; at++) {
    const changed = Buffer.from(encrypted.bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    t.throws(() => decrypt({ keyVersion: 1, bytes: changed }, own), unreadable)
  }
  for (const length of [0, 12, 28, encrypted.bytes.length - 1]) {
    t.throws(() => decrypt({ keyVersion: 1, bytes: encrypted.bytes.subarray(0, length) }, own), unreadable)
  }
})

t.test('it is AES-256-GCM with the index as what is authenticated besides', async (t) => {
  const { index, encrypt, decrypt } = panProtection(ringOf(), () => nowMs)
  const seal = (clear: string, besides: Buffer) => {
    const nonce = Buffer.alloc(12, 5)
    const cipher = createCipheriv('aes-256-gcm', bytesOf('tests, encryption 1'), nonce).setAAD(besides)
    return Buffer.concat([nonce, cipher.update(clear), cipher.final(), cipher.getAuthTag()])
  }
  const own = bytes(index(pan))
  t.equal(decrypt({ keyVersion: 1, bytes: seal(pan, own) }, own), pan)
  t.equal(encrypt(pan).bytes.length, seal(pan, own).length)
  const other = bytes(index('4000001234567881'))
  t.throws(
    () => decrypt({ keyVersion: 1, bytes: seal(pan, other) }, other),
    unreadable,
    'sealed with the key, but not the number that the index says',
  )
})

t.test('the newest version in use encrypts; the version that a row names decrypts, a retired one too', async (t) => {
  const ring = ringOf()
  const { index, encrypt, decrypt, ...rest } = panProtection(ring, () => nowMs)
  t.equal(rest.keyVersion, 1)
  const own = bytes(index(pan))
  const first = encrypt(pan)
  const [indexKey, one, two, three] = panKeysOf(ring, 'tests', 3)
  if (indexKey === undefined || one === undefined || two === undefined || three === undefined)
    throw new Error('no keys')

  const protection = panProtection(ring, () => nowMs)
  ring.load([indexKey, one, two, { ...three, status: 'pending' }])
  t.equal(protection.keyVersion, 2)
  const second = protection.encrypt(pan)
  t.equal(second.keyVersion, 2)
  t.equal(protection.decrypt(first, own), pan)
  t.equal(protection.decrypt(second, own), pan)
  t.throws(() => decrypt({ ...first, keyVersion: 2 }, own), unreadable, 'a row under another version than it names')
  t.throws(() => decrypt({ ...first, keyVersion: 3 }, own), refused, 'a pending version has protected nothing')
  t.throws(() => decrypt({ ...first, keyVersion: 4 }, own), { ...refused, message: /pan-encryption version 4/ })

  ring.load([indexKey, { ...one, status: 'retired' }, { ...two, validToMs: nowMs }, { ...three, validFromMs: nowMs }])
  t.equal(protection.keyVersion, 3)
  t.equal(protection.decrypt(first, own), pan, 'retired')
  t.equal(protection.decrypt(second, own), pan, 'past its time')
  t.equal(protection.index(pan), own.toString('latin1'), 'the index stays')

  ring.load([indexKey, { ...one, status: 'revoked' }, { ...two, status: 'retired' }])
  t.throws(() => protection.encrypt(pan), refused, 'none in use')
  t.throws(() => protection.keyVersion, refused)
  t.throws(() => protection.decrypt(first, own), refused, 'revoked')
})

t.test('a version begins and ends by the clock', async (t) => {
  const ring = new KeyRing(bytesOf('protection'))
  const [indexKey, one, two] = panKeysOf(ring, 'tests', 2)
  if (indexKey === undefined || one === undefined || two === undefined) throw new Error('no keys')
  ring.load([indexKey, one, { ...two, validFromMs: nowMs }])
  let clockMs = nowMs - 1
  const protection = panProtection(ring, () => clockMs)
  t.equal(protection.encrypt(pan).keyVersion, 1)
  clockMs = nowMs
  t.equal(protection.encrypt(pan).keyVersion, 2)
})

t.test('the index key: one version, in use, for this and nothing else', async (t) => {
  const ring = ringOf()
  const [indexKey, encryptionKey] = panKeysOf(ring, 'tests')
  if (indexKey === undefined || encryptionKey === undefined) throw new Error('no keys')
  const protection = panProtection(ring, () => nowMs)
  const another = keyRecordOf(ring, 'pan-index', bytesOf('another'), { version: 2 })
  const refusals = [
    [encryptionKey],
    [{ ...indexKey, status: 'retired' }, encryptionKey],
    [{ ...indexKey, status: 'pending' }, encryptionKey],
    [{ ...indexKey, status: 'revoked' }, encryptionKey],
    [{ ...indexKey, validFromMs: nowMs + 1 }, encryptionKey],
    [{ ...indexKey, validToMs: nowMs }, encryptionKey],
    [indexKey, another, encryptionKey],
    [indexKey, { ...another, status: 'pending' }, encryptionKey],
    [{ ...encryptionKey, name: 'pan-index' }],
    [{ ...keyRecordOf(ring, 'mak:ascii', Buffer.from('0123456789abcdeffedcba9876543210', 'hex')), name: 'pan-index' }],
  ] as const
  for (const records of refusals) {
    ring.load(records)
    t.throws(() => protection.index(pan), refused)
    t.throws(() => panProtection(ring, () => nowMs), refused)
  }
  ring.load([indexKey, encryptionKey])
  t.ok(protection.index(pan), 'and works again')
  ring.load([indexKey, { ...indexKey, name: 'pan-encryption' }])
  t.throws(() => protection.encrypt(pan), refused, 'an HMAC key encrypts nothing')
})

t.test('a new installation gets both keys, once', async (t) => {
  const ring = new KeyRing(bytesOf('protection'))
  const module = new SoftwareModule(ring, () => nowMs)
  const made = await ensurePanKeys(module, [], { nowMs, hasCards: false })
  t.match(made, [
    {
      name: 'pan-index',
      version: 1,
      status: 'active',
      usage: 'M7',
      algorithm: 'H',
      modeOfUse: 'C',
      exportability: 'N',
    },
    { name: 'pan-encryption', version: 1, status: 'active', usage: 'D0', algorithm: 'A', modeOfUse: 'B' },
  ])
  ring.load(made)
  const protection = panProtection(ring, () => nowMs)
  t.equal(protection.decrypt(protection.encrypt(pan), bytes(protection.index(pan))), pan)

  t.same(await ensurePanKeys(module, made, { nowMs, hasCards: false }), [])
  t.same(await ensurePanKeys(module, made, { nowMs, hasCards: true }), [])
  const revoked = made.map((record) => ({ ...record, status: 'revoked' as const }))
  t.same(
    await ensurePanKeys(module, revoked, { nowMs, hasCards: false }),
    [],
    'a revoked key is not replaced in silence',
  )
  const half = await ensurePanKeys(module, made.slice(0, 1), { nowMs, hasCards: false })
  t.same(
    half.map(({ name }) => name),
    ['pan-encryption'],
  )
  const again = await ensurePanKeys(module, [], { nowMs, hasCards: false })
  t.not(again[0]?.block, made[0]?.block, 'random')
  t.not(again[0]?.checkValue, made[0]?.checkValue)
  await t.rejects(ensurePanKeys(module, [], { nowMs, hasCards: true }), {
    ...refused,
    message: /no pan-index and pan-encryption/,
  })
  await t.rejects(ensurePanKeys(module, made.slice(0, 1), { nowMs, hasCards: true }), { message: /no pan-encryption:/ })
})

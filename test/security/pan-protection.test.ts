import { createHmac, hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { panProtection } from '../../src/security/pan-protection.ts'

const masterKey = Buffer.alloc(32, 7)
const { index, encrypt, decrypt } = panProtection(masterKey)

t.test('the index is HMAC-SHA256 under the derived key, cut to 16 bytes', async (t) => {
  const key = Buffer.from(hkdfSync('sha256', masterKey, '', 'mizan pan index v1', 32))
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9]{0,37}$/), (pan) => {
      return index(pan) === createHmac('sha256', key).update(pan).digest().subarray(0, 16).toString('latin1')
    }),
  )
  t.not(panProtection(Buffer.alloc(32, 8)).index('4000001234567899'), index('4000001234567899'))
  t.throws(() => index('0'.repeat(38)), { code: 'ASSERTION_FAILED' })
})

t.test('a PAN is read back, and only with its own index, key and bytes', async (t) => {
  const pan = '4000001234567899'
  const own = Buffer.from(index(pan), 'latin1')
  const encrypted = encrypt(pan)
  t.equal(decrypt(encrypted, own), pan)
  t.not(encrypt(pan).equals(encrypted), 'each time under another nonce')
  t.throws(() => decrypt(encrypted, Buffer.from(index('4000001234567881'), 'latin1')), { code: 'BAD_INPUT' })
  t.throws(() => panProtection(Buffer.alloc(32, 8)).decrypt(encrypted, own), { code: 'BAD_INPUT' })
  const changed = Buffer.from(encrypted)
  changed[14] = (changed[14] ?? 0) ^ 1
  t.throws(() => decrypt(changed, own), { code: 'BAD_INPUT' })
  t.throws(() => panProtection(Buffer.alloc(31)), { code: 'CONFIG_INVALID' })
})

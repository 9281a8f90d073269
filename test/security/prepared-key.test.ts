import { createCipheriv } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { PAN_ENCRYPTION_KEY } from '../../src/security/pan-protection.ts'
import { preparedKey } from '../../src/security/primitives/prepared-key.ts'
import { bytesOf, panKeysOf } from '../support/pan-keys.ts'

t.test('a key is prepared once, and encrypts what its bytes do', async (t) => {
  const key = bytesOf('prepared')
  t.equal(preparedKey(key), preparedKey(key))
  const other = bytesOf('other')
  t.not(preparedKey(other), preparedKey(key))
  const encrypted = (given: Parameters<typeof createCipheriv>[1]) =>
    createCipheriv('aes-256-gcm', given, Buffer.alloc(12)).update('text', 'utf8', 'hex')
  t.equal(encrypted(preparedKey(key)), encrypted(key))
  t.equal(encrypted(preparedKey(other)), encrypted(other))
  t.notMatch(inspect(preparedKey(key)), new RegExp(key.toString('hex').slice(0, 16)))
})

t.test('a key of the ring stays prepared when the ring is loaded again, and not when it comes back', async (t) => {
  const ring = new KeyRing(bytesOf('protection'))
  const records = panKeysOf(ring, 'tests')
  ring.load(records)
  const bytesInRing = () => ring.versions(PAN_ENCRYPTION_KEY)[0]?.bytes ?? new Uint8Array()
  const before = preparedKey(bytesInRing())
  ring.load(records.map((record) => ({ ...record })))
  t.equal(preparedKey(bytesInRing()), before)
  ring.load([])
  ring.load(records)
  t.not(preparedKey(bytesInRing()), before)
  t.ok(preparedKey(bytesInRing()).equals(before))
})

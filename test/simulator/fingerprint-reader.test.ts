import { test } from 'tap'
import { cryptoBench } from '../../bench/crypto-cases.ts'
import { readAssertion } from '../../src/security/assertion.ts'
import { FingerprintReader } from '../../src/simulator/fingerprint-reader.ts'

const { module, keys } = cryptoBench(1)
const clock = { now: () => Date.parse('2026-11-11T10:00:00.999Z') }
const KEY_ID = '00000001'
const BOUND = '4000000000000002|000000002500|000042|H0001001'
const reader = new FingerprintReader(KEY_ID, keys.biometric[KEY_ID] ?? '', 'H0001001', clock)

/** What the switch makes of a token in a message that says this. */
function verify(token: string, boundTo: string, keyId = KEY_ID): string {
  const assertion = readAssertion(Buffer.from(token, 'hex'), boundTo)
  if (assertion === undefined) return 'unreadable'
  return module.verifyAssertion({ name: `bio:${keyId}`, signed: assertion.signed, mac: assertion.mac })
}

test('a token says who, when, where and what', async (t) => {
  const token = reader.read('household 7', true, BOUND)
  t.match(token, /^[0-9A-F]{104}$/)
  const assertion = readAssertion(Buffer.from(token, 'hex'), BOUND)
  t.match(assertion, {
    keyId: KEY_ID,
    deviceId: Buffer.from('H0001001').toString('hex'),
    matched: true,
    signedAtMs: Date.parse('2026-11-11T10:00:00Z'),
  })
  t.equal(verify(token, BOUND), 'matched')
  const no = readAssertion(Buffer.from(reader.read('household 7', false, BOUND), 'hex'), BOUND)
  t.equal(no?.matched, false)
  t.not(no?.nonce, assertion?.nonce, 'a nonce is used once')
})

test('a token belongs to its message and its key', async (t) => {
  const token = reader.read('household 7', true, BOUND)
  for (const [what, other] of Object.entries({
    card: BOUND.replace('0002|', '0010|'),
    amount: BOUND.replace('2500', '9500'),
    stan: BOUND.replace('000042', '000043'),
    terminal: BOUND.replace('H0001001', 'H0002001'),
  })) {
    t.equal(verify(token, other), 'not-matched', `another ${what}`)
  }
  t.equal(verify(token, BOUND, '00000002'), 'not-matched', "another reader's key")
  const turned = Buffer.from(token, 'hex')
  turned[13] = 0
  t.equal(verify(turned.toString('hex'), BOUND), 'not-matched', 'a decision that was turned')
})

import t from 'tap'
import { knownAlgorithms } from '../../src/security/known-answers/algorithms.ts'
import { type PowerUpAnswer, powerUpAnswers } from '../../src/security/known-answers/power-up.ts'
import { requireSelfTest, runSelfTest } from '../../src/security/self-test.ts'

/** Of the processor's time, on a machine that is four times as slow as those that this was written on. */
const BUDGET_MS = 200

t.test('every known answer comes out', async (t) => {
  const results = runSelfTest()
  t.same(
    results.filter(({ ok }) => !ok),
    [],
  )
  t.equal(results.length, powerUpAnswers.length)
  t.equal(new Set(results.map(({ name }) => name)).size, results.length, 'each has a name of its own')
  t.doesNotThrow(() => requireSelfTest())
})

t.test('each family of algorithms is tested', async (t) => {
  const families = [
    'cipher.des',
    'cipher.tdes',
    'cipher.aes',
    'mac.iso9797_alg1',
    'mac.iso9797_alg3',
    'mac.tdes_cmac',
    'mac.aes_cmac',
    'mac.hmac',
    'pinblock.iso0',
    'pinblock.iso3',
    'pinblock.iso4',
    'pin.visa_pvv',
    'pin.ibm3624',
    'cvv.cvv1',
    'cvv.icvv',
    'emv.arqc.cvn10',
    'emv.arqc.cvn18',
    'emv.arpc.cvn10',
    'emv.arpc.method2',
    'emv.script',
    'dukpt.tdes',
    'dukpt.aes',
    'tr31.d.wrap',
    'tr31.d.unwrap',
  ]
  for (const family of families) {
    t.ok(
      powerUpAnswers.some(({ algorithm }) => algorithm.startsWith(family)),
      family,
    )
  }
})

/** The same answer with one digit of its outputs changed, or demanded where it must be refused. */
function spoilt(answer: PowerUpAnswer): PowerUpAnswer {
  if (answer.expected.error === true) return { ...answer, expected: { key: '00', pin: '0000' } }
  const expected = Object.entries(answer.expected).map(([name, value]) => {
    const text = String(value)
    return [name, `${text.startsWith('0') ? '1' : '0'}${text.slice(1)}`]
  })
  return { ...answer, expected: Object.fromEntries(expected) }
}

t.test('an answer that does not come out is found, and only that one', async (t) => {
  for (const [at, answer] of powerUpAnswers.entries()) {
    const answers = powerUpAnswers.with(at, spoilt(answer))
    const failed = runSelfTest(answers).filter(({ ok }) => !ok)
    t.same(failed, [{ name: answer.id, ok: false }], answer.id)
  }
})

t.test('a failed self-test names what failed, and stops the program', async (t) => {
  const [first, second, ...rest] = powerUpAnswers
  if (first === undefined || second === undefined) throw new Error('there are no answers')
  t.throws(() => requireSelfTest([spoilt(first), spoilt(second), ...rest]), {
    code: 'SELF_TEST_FAILED',
    message: new RegExp(`: ${first.id}, ${second.id}$`),
  })
  t.throws(() => requireSelfTest([{ ...first, algorithm: 'cipher.unknown' }]), { code: 'SELF_TEST_FAILED' })
  t.ok(powerUpAnswers.every(({ algorithm }) => Object.hasOwn(knownAlgorithms, algorithm)))
})

t.test('it is quick enough for every start', async (t) => {
  const times = Array.from({ length: 5 }, () => {
    const began = process.cpuUsage()
    runSelfTest()
    return process.cpuUsage(began).user / 1_000
  })
  t.ok(Math.min(...times) < BUDGET_MS, `${times.map((time) => time.toFixed(1)).join(', ')} ms`)
})

import { MizanError } from '../errors.ts'
import { knownAlgorithms } from './known-answers/algorithms.ts'
import { type PowerUpAnswer, powerUpAnswers } from './known-answers/power-up.ts'
import { runKnownAnswers } from './known-answers/runner.ts'

/** How one part of the self-test came out. */
export interface SelfTestResult {
  readonly name: string
  readonly ok: boolean
}

/**
 * Power-up self-test (after FIPS 140-3, 7.10: pre-operational and cryptographic algorithm tests): computes a few known
 * answers for each family of algorithms by the code that serves, native ciphers of this Node included.
 * @param answers what to compute; a test gives other ones
 */
export function runSelfTest(answers: readonly PowerUpAnswer[] = powerUpAnswers): SelfTestResult[] {
  const failed = new Set(runKnownAnswers(answers, knownAlgorithms).map(({ id }) => id))
  return answers.map(({ id }) => ({ name: id, ok: !failed.has(id) }))
}

/**
 * Runs the self-test; to be called before anything that uses a key.
 * @throws MizanError SELF_TEST_FAILED naming the parts that failed
 */
export function requireSelfTest(answers: readonly PowerUpAnswer[] = powerUpAnswers): void {
  const failed = runSelfTest(answers).filter(({ ok }) => !ok)
  if (failed.length > 0) throw new MizanError('SELF_TEST_FAILED', failed.map(({ name }) => name).join(', '))
}

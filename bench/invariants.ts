import { type CheckResult, verifyLedger } from '../src/store/verify.ts'
import { progress } from './terminal.ts'

/** Checks every invariant of docs/architecture.md against a database: what `mizan verify` does. */
export async function checkInvariants(url: string): Promise<CheckResult[]> {
  const results = await verifyLedger(url, { onResult: (result) => progress(`checked: ${result.name}`) })
  progress('')
  return results
}

import { createHash } from 'node:crypto'
import { setOddParity } from '../security/primitives/key-checks.ts'

/** Clear test keys of a demo world, as `demo/world.json` has them: upper-case hex. */
export interface DemoKeys {
  /** Zone PIN key of every link. */
  readonly zpk: string
  /** MAC key of every link. */
  readonly mak: string
  /** Key-encryption key of every link: AES, 32 bytes, so that keys go under it in blocks of version D. */
  readonly kek: string
  /** PIN verification key, and the index by which cards name it. */
  readonly pvk: string
  readonly pvki: string
  readonly cvk: string
  readonly imkAc: string
  readonly imkSmi: string
  readonly imkSmc: string
  /** Base derivation key of TDES DUKPT, and that of AES DUKPT. */
  readonly bdk: string
  readonly bdkAes: string
  /** Key of the one-time codes that holders are sent. */
  readonly oneTimeCode: string
  /** Keys of fingerprint readers by key id. */
  readonly biometric: Readonly<Record<string, string>>
}

/** Test keys of the demo world, made from its seed: the same on every machine, and therefore no secret at all. */
export function demoKeys(seed: number): DemoKeys {
  const key = (name: string, bytes: number) => {
    let hex = ''
    for (let block = 0; hex.length < bytes * 2; block++) {
      hex += createHash('sha256').update(`mizan demo key ${seed} ${name} ${block}`).digest('hex')
    }
    const made = Buffer.from(hex.slice(0, bytes * 2), 'hex')
    setOddParity(made)
    return made.toString('hex').toUpperCase()
  }
  return {
    zpk: key('zpk', 16),
    mak: key('mak', 16),
    kek: key('kek', 32),
    pvk: key('pvk', 16),
    pvki: '1',
    cvk: key('cvk', 16),
    imkAc: key('imk-ac', 16),
    imkSmi: key('imk-smi', 16),
    imkSmc: key('imk-smc', 16),
    bdk: key('bdk', 16),
    bdkAes: key('bdk-aes', 16),
    oneTimeCode: key('one-time-code', 32),
    biometric: { '00000001': key('biometric 1', 32), '00000002': key('biometric 2', 32) },
  }
}
